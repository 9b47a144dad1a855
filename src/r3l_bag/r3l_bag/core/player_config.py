# SPDX-License-Identifier: Apache-2.0
"""Parameters of ``player_node``."""

from __future__ import annotations

from dataclasses import dataclass

from r3l_node.core.parameters import parameter


@dataclass(frozen=True, slots=True)
class PlayerConfig:
    """What is played and how; one field is one ROS parameter."""

    bag: str = parameter('', 'MCAP file, folder of a bag, folder of bags or run folder')
    rate: float = parameter(
        0.0, 'times real time; 0: as fast as the nodes answer [-]', range=(0.0, 1000.0)
    )
    start: str = parameter('', 'HH:MM[:SS], or seconds from the start; empty: the start')
    stop: str = parameter('', 'HH:MM[:SS], or seconds from the start; empty: the end')
    encoder: bool = parameter(True, 'wait for the latents of the images and compare them')
    reward: bool = parameter(True, 'wait for the rewards of the images and compare them')
    result: str = parameter('', 'file for the outcome, JSON; empty: none')
