# SPDX-License-Identifier: Apache-2.0
"""Parameters of the monitor: what is known about the run as a whole."""

from __future__ import annotations

from dataclasses import dataclass

from r3l_bringup.graph import DRIVERS, HARDWARE
from r3l_node.core.parameters import parameter


@dataclass(frozen=True, slots=True)
class MonitorConfig:
    """One field is one ROS parameter of ``monitor``."""

    run: str = parameter('', 'absolute path of the run folder; empty: keep nothing')
    task: str = parameter('valve', 'task that the hand learns')
    profile: str = parameter('modern', 'name of the profile the parameters come from')
    ablation: str = parameter('none', 'name of what was changed in it')
    hardware: str = parameter('sim', 'what stands for the robot', choices=HARDWARE)
    driver: str = parameter('dynamixel', 'how a real hand is driven', choices=DRIVERS)
    pace: str = parameter('lockstep', 'clock of the simulation', choices=('lockstep', 'realtime'))
    seed: int = parameter(0, 'seed of the run', range=(0, 2**31 - 1))
    steps: int = parameter(100_000, 'env steps after which the run ends', range=(1, 10**9))
    goal_count: int = parameter(
        250, 'goal images that the simulator makes if reward.goals is empty', range=(1, 100_000)
    )
    final_wait: float = parameter(
        120.0,
        'longest wait for the last evaluation once the agent is done [s]',
        range=(0.0, 3600.0),
    )
    status_rate: float = parameter(2.0, 'rate of status.json [Hz]', range=(0.1, 10.0))
    line_period: float = parameter(10.0, 'time between two log lines [s]', range=(1.0, 3600.0))


@dataclass(frozen=True, slots=True)
class ViewConfig:
    """One field is one ROS parameter of ``view``."""

    run: str = parameter(
        '', 'absolute path of the run folder; empty: limits of the description, no goals'
    )
    goals: str = parameter('', 'folder of goal images; empty: those of the run')
    rate: float = parameter(
        5.0, 'rate of view/markers and view/nearest_goal while somebody listens [Hz]',
        range=(0.1, 60.0),
    )  # fmt: skip
    near: float = parameter(
        0.05, "share of a joint's range that counts as close to its limit [-]", range=(0.0, 0.5)
    )
    silence: float = parameter(
        3.0, 'time after which what was heard is shown in grey [s]', range=(0.1, 3600.0)
    )
    hand: bool = parameter(
        True, 'draw the hand and publish its description; false where robot_state_publisher does'
    )


@dataclass(frozen=True, slots=True)
class FoxgloveConfig:
    """One field is one ROS parameter of ``foxglove``."""

    port: int = parameter(
        8765, 'TCP port on 127.0.0.1 that the Foxglove app connects to; 0: any', range=(0, 65535)
    )
    poll_period: float = parameter(
        0.2, 'time between two looks at who has asked for what [s]', range=(0.02, 10.0)
    )
