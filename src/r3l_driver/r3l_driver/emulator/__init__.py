# SPDX-License-Identifier: Apache-2.0
"""An emulated bus of Dynamixel servos behind a pseudo-terminal; no ROS in here."""
