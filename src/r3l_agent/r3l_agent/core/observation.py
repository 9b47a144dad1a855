# SPDX-License-Identifier: Apache-2.0
"""What a policy sees: latents, joint positions and the action before, as one vector."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ObservationSpec:
    """
    Layout of the observation vector.

    ``[latent, latent - previous latent (if history is 2), joint positions, last action]``

    The difference of two latents carries the velocity of the object, which one image cannot show.

    :param latent_size: length of the encoder's latent [-].
    :param joints: number of joints, or of whatever else a robot senses of itself [-].
    :param history: 1 for the latent alone, 2 for the latent and its change [-].
    :param actions: length of an action; None: as many as joints [-].
    """

    latent_size: int
    joints: int = 9
    history: int = 2
    actions: int | None = None

    def __post_init__(self) -> None:
        """Refuse a layout that no policy could use."""
        if self.history not in (1, 2):
            raise ValueError(f'history is {self.history}: expected 1 or 2')
        if self.latent_size < 1 or self.joints < 0 or self.action_size < 1:
            raise ValueError(
                f'latent_size is {self.latent_size}, joints is {self.joints} and actions is '
                f'{self.action_size}: expected at least 1, 0 and 1'
            )

    @property
    def size(self) -> int:
        """Length of the observation vector [-]."""
        return self.latent_size * self.history + self.joints + self.action_size

    @property
    def action_size(self) -> int:
        """Length of an action [-]."""
        return self.joints if self.actions is None else self.actions

    def assemble(
        self, latent: Array, previous_latent: Array, joint_position: Array, last_action: Array
    ) -> Array:
        """
        Put one observation, or a batch of them, together.

        :param latent: shape (..., latent_size).
        :param previous_latent: that of the observation before in the same episode, or ``latent``
            itself where an episode begins; shape (..., latent_size).
        :param joint_position: normalised to -1..1 over the command range, shape (..., joints).
        :param last_action: the action before, in -1..1, shape (..., actions).
        :return: shape (..., size), float32.
        """
        parts = [latent, joint_position, last_action]
        if self.history == 2:
            parts.insert(1, latent - previous_latent)
        return np.concatenate(parts, axis=-1, dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Layout:
    """
    What is stored of an observation, where it is not that of a hand with a camera.

    :param joints: proprioceptive values; None: as many as actions.
    :param features: length of the features that stand in for an image; 0: there are images.
    :param outcomes: whether the world's own rewards and terminal states are stored.
    :param slack: rows kept beyond the replay's capacity but never sampled, so that a run can go
        back by as many.
    """

    joints: int | None = None
    features: int = 0
    outcomes: bool = False
    slack: int = 0


HAND = Layout()


@dataclass(frozen=True, slots=True)
class JointRange:
    """
    The command range of each joint, and the linear map between it and -1..1.

    :param low: lower limit of each joint [rad].
    :param high: upper limit of each joint [rad].
    """

    low: tuple[float, ...]
    high: tuple[float, ...]

    def __post_init__(self) -> None:
        """Refuse a range that is empty or of two lengths."""
        if len(self.low) != len(self.high):
            raise ValueError(f'{len(self.low)} lower but {len(self.high)} upper joint limits')
        for index, (low, high) in enumerate(zip(self.low, self.high, strict=True)):
            if not low < high:
                raise ValueError(f'joint {index}: limits {low} to {high} rad leave no range')

    def normalise(self, position: ArrayLike) -> Array:
        """
        Map joint positions to the units of an action.

        :param position: shape (..., joints) [rad].
        :return: shape (..., joints), -1 at the lower and 1 at the upper limit.
        """
        low, high = np.asarray(self.low), np.asarray(self.high)
        centred: NDArray[np.float64] = 2 * np.asarray(position) - low - high
        result: Array = (centred / (high - low)).astype(np.float32)
        return result

    def target(self, action: ArrayLike) -> NDArray[np.float64]:
        """
        Map an action to absolute joint targets.

        :param action: shape (..., joints); values outside -1..1 are clipped.
        :return: shape (..., joints) [rad].
        """
        low, high = np.asarray(self.low), np.asarray(self.high)
        clipped = np.clip(np.asarray(action, dtype=np.float64), -1.0, 1.0)
        result: NDArray[np.float64] = low + (clipped + 1.0) / 2.0 * (high - low)
        return result
