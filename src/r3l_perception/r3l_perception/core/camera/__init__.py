# SPDX-License-Identifier: Apache-2.0
"""Pictures of a camera or of a recording, at the size that is learned from; no ROS."""
