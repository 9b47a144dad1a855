# SPDX-License-Identifier: Apache-2.0
"""Training without ROS, in one process, on any world."""

from r3l_agent.core.loop.config import TrainConfig
from r3l_agent.core.loop.deployed import Deployed
from r3l_agent.core.loop.gym_world import GymWorld
from r3l_agent.core.loop.result import Evaluate, TrainResult
from r3l_agent.core.loop.training_loop import train
from r3l_agent.core.loop.world import Feedback, Sensed, World

__all__ = [
    'Deployed',
    'Evaluate',
    'Feedback',
    'GymWorld',
    'Sensed',
    'TrainConfig',
    'TrainResult',
    'World',
    'train',
]
