# SPDX-License-Identifier: Apache-2.0
"""Driver of a hand of Dynamixel servos, with limits, watchdogs and an emulated bus."""
