# SPDX-License-Identifier: Apache-2.0
"""Parameters of ``reward_node``."""

from __future__ import annotations

from dataclasses import dataclass

from r3l_node.core.compute import device_parameter, precision_parameter
from r3l_node.core.errors import ConfigError
from r3l_node.core.parameters import parameter
from r3l_reward.core.vice.config import ViceConfig


@dataclass(frozen=True, slots=True)
class RewardConfig(ViceConfig):
    """What the node does, beside the classifier's parameters; one field is one ROS parameter."""

    run: str = parameter('', 'folder of the run, absolute; empty: nothing is kept')
    seed: int = parameter(0, 'seed of the training', range=(0, 2**31 - 1))
    goals: str = parameter('', 'folder of goal images')
    reset_goals: str = parameter(
        '',
        'with perturbation goals: folder of images of states to begin an attempt from. A second '
        'classifier rewards the perturbation for leading back to them: a learned reset, or '
        'backward, policy',
    )
    minimum_goals: int = parameter(20, 'fewest goal images to start with', range=(2, 100_000))
    image_size: int = parameter(32, 'side of the square camera image [pixel]', range=(32, 64))
    latent_size: int = parameter(16, 'dimensions of the latent', range=(1, 12288))
    weights: str = parameter(
        '',
        'file of a trained classifier to start from, of the latents of encoder.weights; empty: '
        'random weights',
    )
    device: str = device_parameter()
    precision: str = precision_parameter()
    lockstep: bool = parameter(True, 'receive every image; otherwise the newest as sensor data')
    replay: bool = parameter(
        False, 'train nothing and take the weights that a recording publishes (reward/weights)'
    )
    include_random: bool = parameter(
        True, 'the random motion of the warm-up counts as negatives too'
    )
    balance: bool = parameter(
        False,
        'take half of the negatives from the task policy and half from what else acted; otherwise '
        'as they came',
    )
    initial_negatives: int = parameter(
        500, 'env steps stored before the first training', range=(1, 1_000_000)
    )
    initial_updates: int = parameter(200, 'updates of the first training', range=(1, 1_000_000))
    round_steps: int = parameter(
        250, 'env steps between two rounds of updates', range=(1, 1_000_000)
    )
    updates_per_round: int = parameter(25, 'updates per round', range=(1, 100_000))
    negatives: int = parameter(200_000, 'env steps kept as negatives', range=(100, 10_000_000))
    warmup_capacity: int = parameter(
        20_000,
        'images kept of the time before there is an encoder (latent only)',
        range=(100, 1_000_000),
    )


def first_round(round_steps: int, initial_negatives: int) -> int:
    """
    Return the env step of the first round: enough negatives, in whole rounds.

    :param round_steps: env steps between two rounds.
    :param initial_negatives: fewest env steps for the first round.
    """
    return -(-initial_negatives // round_steps) * round_steps


def check_warm_up(warmup_steps: int, round_steps: int, initial_negatives: int) -> None:
    """
    Refuse a warm-up without a classifier at its end: learner and agent would wait for ever.

    :param warmup_steps: env steps of random motion.
    :param round_steps: env steps between two rounds.
    :param initial_negatives: fewest env steps for the first round.
    :raises ConfigError: if the first round comes later.
    """
    first = first_round(round_steps, initial_negatives)
    if first > warmup_steps:
        raise ConfigError(
            f'agent.warmup_steps is {warmup_steps}: expected at least {first}, when the '
            'classifier is trained first (reward.initial_negatives in whole reward.round_steps)'
        )
