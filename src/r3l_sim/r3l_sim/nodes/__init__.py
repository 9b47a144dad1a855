# SPDX-License-Identifier: Apache-2.0
"""ROS nodes and conversions between messages and arrays."""
