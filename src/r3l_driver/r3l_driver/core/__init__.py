# SPDX-License-Identifier: Apache-2.0
"""The servo bus, its limits and its states; no ROS in here."""
