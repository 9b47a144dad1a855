# SPDX-License-Identifier: Apache-2.0
"""Graph description, launch files, parameter files and the r3l command."""
