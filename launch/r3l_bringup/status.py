# SPDX-License-Identifier: Apache-2.0
"""The state of a run in a few numbers; the loop without ROS writes the same."""

from r3l_node.core.status import (
    duration,
    evaluation_text,
    PHASES,
    plain_line,
    RateMeter,
    read_status,
    SHOWN,
    Status,
    take_scalars,
    write_status,
)

__all__ = [
    'PHASES',
    'RateMeter',
    'SHOWN',
    'Status',
    'duration',
    'evaluation_text',
    'plain_line',
    'read_status',
    'take_scalars',
    'write_status',
]
