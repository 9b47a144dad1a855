# SPDX-License-Identifier: Apache-2.0
"""
Soft actor-critic, novelty and the alternation of task and perturbation policies.

``from r3l_agent import train, TrainConfig`` is all that a training without ROS needs.
"""

from typing import Any

__all__ = [
    'Deployed',
    'Feedback',
    'GymWorld',
    'Sensed',
    'TrainConfig',
    'TrainResult',
    'World',
    'train',
]


def __getattr__(name: str) -> Any:
    # Not imported before it is asked for: the agent's node must not load torch.
    if name not in __all__:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    from r3l_agent.core import loop

    return getattr(loop, name)
