# SPDX-License-Identifier: Apache-2.0
"""Simulated D'Claw: scenes, cameras, tasks and deployed evaluation; no ROS in here."""
