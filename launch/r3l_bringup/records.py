# SPDX-License-Identifier: Apache-2.0
"""What a run leaves behind; the loop without ROS writes the same."""

from r3l_node.core.records import EVALUATION_KEYS, JsonLines, MOVING, read_lines, Scalars

__all__ = ['EVALUATION_KEYS', 'JsonLines', 'MOVING', 'Scalars', 'read_lines']
