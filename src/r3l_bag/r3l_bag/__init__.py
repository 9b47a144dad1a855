# SPDX-License-Identifier: Apache-2.0
"""Bags of R3L: recorded by a node, read, checked and repaired without ROS."""
