# SPDX-License-Identifier: Apache-2.0
"""What the loop knows of a robot and its surroundings, in SI units and plain arrays."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

State = Mapping[str, NDArray[Any]]


def _nothing() -> NDArray[np.float32]:
    return np.zeros(0, np.float32)


@dataclass(frozen=True, slots=True)
class Sensed:
    """
    What is sensed at one moment: an image or features of the surroundings, and the own joints.

    :param image: shape (size, size, 3) uint8; None in a world of features. Not kept by the loop
        beyond the step, and not changed by the world before the next one.
    :param features: shape (features,); empty in a world of images.
    :param joint_position: or any other proprioception, shape (joints,) [rad in a hand].
    """

    image: NDArray[np.uint8] | None = None
    features: NDArray[np.float32] = field(default_factory=_nothing)
    joint_position: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))


@dataclass(frozen=True, slots=True)
class Feedback:
    """
    What a world says of one step; the loop uses it only where its configuration says so.

    :param reward: the world's own reward of the step.
    :param terminal: whether the world cannot go on and must be reset.
    """

    reward: float = 0.0
    terminal: bool = False


@runtime_checkable
class World(Protocol):
    """
    One robot with its surroundings; time passes only in ``step``.

    ``image_size`` is the side of the image [pixel], None in a world of features;
    ``feature_size`` the length of the features, 0 in a world of images; ``joints`` that of the
    proprioception, may be 0. ``joints_commanded`` says that these are the positions of the joints
    that are commanded, in their order and unit; otherwise they are standardised by the warm-up.
    ``low``, ``high`` and ``home`` are targets, shape (actions,): the range of an action and the
    posture between two episodes. ``name`` is that of the task.
    """

    name: str
    image_size: int | None
    feature_size: int
    joints: int
    joints_commanded: bool
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    home: NDArray[np.float64]

    def observe(self) -> Sensed:
        """Sense what there is now; twice in a row gives the same."""
        ...

    def step(self, target: NDArray[np.float64]) -> Feedback:
        """
        Let one control period pass.

        :param target: what the joints are commanded, shape (actions,).
        """
        ...

    def reset(self, rng: np.random.Generator) -> None:
        """
        Begin anew: at the very start, after a terminal, and before the episodes of the oracle.

        :param rng: source of the state to begin in.
        """
        ...

    def save_state(self) -> State | None:
        """Return all that ``load_state`` needs to go on exactly from here, or None."""
        ...

    def load_state(self, state: State) -> None:
        """Go on from a saved state."""
        ...


@runtime_checkable
class Witness(Protocol):
    """A world that keeps records of its own, which only tools read; nothing flows back."""

    def note(self, env_steps: int) -> None:
        """
        Take note of an observation.

        :param env_steps: taken before it.
        """
        ...

    def write_records(self, run: Path) -> None:
        """
        Write the records into a run folder.

        :param run: its path.
        """
        ...
