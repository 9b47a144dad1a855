# SPDX-License-Identifier: Apache-2.0
"""Parameters of the recorder."""

from __future__ import annotations

from dataclasses import dataclass

from r3l_node.core.parameters import parameter


@dataclass(frozen=True, slots=True)
class RecorderConfig:
    """One field is one ROS parameter of ``recorder``."""

    run: str = parameter('', 'absolute path of the run folder')
    enabled: bool = parameter(True, 'whether the run is recorded')
    pace: str = parameter('lockstep', 'clock of the simulation', choices=('lockstep', 'realtime'))
    level_lockstep: int = parameter(1, 'zstd level in lockstep', range=(1, 22))
    level_realtime: int = parameter(15, 'zstd level in real time', range=(1, 22))
    chunk_period: float = parameter(
        0.85, 'time after which a chunk is written at the latest [s]', range=(0.05, 60.0)
    )
    chunk_size: int = parameter(
        1 << 20, 'size at which a chunk is written [byte]', range=(1 << 12, 1 << 28)
    )
    split_size: float = parameter(512.0, 'size of a file [MB]', range=(0.1, 1e6))
    split_time: float = parameter(3600.0, 'time that a file covers [s]', range=(1.0, 1e7))
    min_free: float = parameter(
        500.0, 'free disk space below which recording waits [MB]', range=(0.0, 1e7)
    )
    retry_period: float = parameter(
        10.0, 'time after which a bag that failed is followed by another [s]', range=(0.1, 3600.0)
    )
    backlog: float = parameter(
        128.0, 'messages that may wait to be written; more are dropped [MB]', range=(1.0, 1e5)
    )
    poll_period: float = parameter(
        0.1, 'time between two looks at what has come [s]', range=(0.005, 1.0)
    )
    policy_period: float = parameter(
        600.0, 'wall time between two policies that are kept [s]', range=(0.0, 1e6)
    )
