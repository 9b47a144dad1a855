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
    :param joints: number of joints, which is the length of an action too [-].
    :param history: 1 for the latent alone, 2 for the latent and its change [-].
    """

    latent_size: int
    joints: int = 9
    history: int = 2

    def __post_init__(self) -> None:
        """Refuse a layout that no policy could use."""
        if self.history not in (1, 2):
            raise ValueError(f'history is {self.history}: expected 1 or 2')
        if self.latent_size < 1 or self.joints < 1:
            raise ValueError(
                f'latent_size is {self.latent_size} and joints is {self.joints}: '
                'expected at least 1 each'
            )

    @property
    def size(self) -> int:
        """Length of the observation vector [-]."""
        return self.latent_size * self.history + 2 * self.joints

    def assemble(
        self, latent: Array, previous_latent: Array, joint_position: Array, last_action: Array
    ) -> Array:
        """
        Put one observation, or a batch of them, together.

        :param latent: shape (..., latent_size).
        :param previous_latent: that of the observation before in the same episode, or ``latent``
            itself where an episode begins; shape (..., latent_size).
        :param joint_position: normalised to -1..1 over the command range, shape (..., joints).
        :param last_action: the action before, in -1..1, shape (..., joints).
        :return: shape (..., size), float32.
        """
        parts = [latent, joint_position, last_action]
        if self.history == 2:
            parts.insert(1, latent - previous_latent)
        return np.concatenate(parts, axis=-1, dtype=np.float32)


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
