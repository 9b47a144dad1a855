# SPDX-License-Identifier: Apache-2.0
"""A world that is quick: a cart that is pushed along a line, with a person's idea of success."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
import pytest
from r3l_agent import Feedback, Sensed, TrainConfig

LENGTH = 1.0  # the cart cannot go further [m]


class KilledError(Exception):
    """Ends a training as a kill would."""


class Cart:
    """
    A cart on a line; success is to be in the middle.

    :param image_size: side of the image of the line; None: its position is sensed.
    :param die_at: control step in which the process is killed; None: never.
    """

    Killed = KilledError
    name = 'cart'
    joints = 1
    joints_commanded = False
    low, high, home = np.array([-0.2]), np.array([0.3]), np.array([0.0])

    def __init__(self, image_size: int | None = None, die_at: int | None = None) -> None:
        self.image_size = image_size
        self.feature_size = 0 if image_size else 2
        self.position, self.speed = 0.0, 0.0
        self.steps = self.resets = 0
        self.die_at = die_at

    def observe(self) -> Sensed:
        own = np.array([10.0 + self.speed])
        if self.image_size is None:
            features = np.array([self.position, self.position**2], np.float32)
            return Sensed(None, features, own)
        image = np.zeros((self.image_size, self.image_size, 3), np.uint8)
        column = int((self.position + LENGTH) / (2 * LENGTH) * (self.image_size - 1))
        image[:, column] = 255
        return Sensed(image, joint_position=own)

    def step(self, target: NDArray[np.float64]) -> Feedback:
        self.steps += 1
        if self.steps == self.die_at:
            raise KilledError
        self.speed = float(target[0])
        self.position = float(np.clip(self.position + self.speed, -LENGTH, LENGTH))
        return Feedback(-abs(self.position))

    def reset(self, rng: np.random.Generator) -> None:
        self.resets += 1
        self.position, self.speed = float(rng.uniform(-LENGTH, LENGTH)), 0.0

    def save_state(self) -> Mapping[str, NDArray[Any]] | None:
        return {'state': np.array([self.position, self.speed])}

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        self.position, self.speed = map(float, state['state'])


@pytest.fixture
def make_cart() -> Callable[..., Cart]:
    """Provide the class of the world."""
    return Cart


@pytest.fixture
def examples() -> NDArray[np.float32]:
    """Provide features of success."""
    positions = np.linspace(-0.05, 0.05, 30)
    return np.stack([positions, positions**2], axis=1).astype(np.float32)


@pytest.fixture
def tiny() -> TrainConfig:
    """Provide settings of a training of a second or two."""
    return TrainConfig(evaluate_every=60).set(
        steps=260, seed=3, warmup_steps=60, gather_images=40, episode_steps=10, homing_steps=2,
        round_steps=20, initial_negatives=40, initial_updates=4, updates_per_round=2, batch=16,
        capacity=400, learner__hidden=(16, 16), reward__hidden=(16,), rnd_hidden=8, rnd_output=4,
        checkpoint_seconds=0.1, update_ratio=0.5,
    )  # fmt: skip
