# SPDX-License-Identifier: Apache-2.0
"""A replay as the learner sees it: observations, logits and what novelty is measured on."""

from functools import partial
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from r3l_agent.core.observation import JointRange, ObservationSpec
from r3l_agent.core.replay.buffer import Replay, SUCCESS
from r3l_perception.core.pixels import pixel_latents
from r3l_reward.core.vice import RewardModel

Array = NDArray[np.float32]
Slots = NDArray[np.int64]
Kind = TypeVar('Kind', bound=np.generic)


class Memory:
    """
    Read rows of a replay in the units of the networks.

    :param replay: where the rows are; without latents their images stand in.
    :param spec: layout of an observation.
    """

    def __init__(self, replay: Replay, spec: ObservationSpec) -> None:
        self.replay = replay
        self.spec = spec
        # Range of proprioception other than that of the joints commanded; set by the owner.
        self.senses: JointRange | None = None

    def draw(self, slots: Slots, count: int) -> 'Draw':
        """
        Follow transitions for some steps.

        :param slots: first rows of transitions, shape (size,).
        :param count: of steps, > 0.
        """
        return Draw(self, slots, *self.replay.ahead(slots, count))

    def latents(self, slots: Slots) -> Array:
        """Return the latents of rows, shape (count, latent)."""
        if self.replay.keeps_latents:
            latents: Array = self.replay.arrays['latent'][slots]
            return latents
        return pixel_latents(self.replay.arrays['image'][slots])

    def proprioception(self, slots: Slots) -> Array:
        """Return what rows sense of the robot, shape (count, joints), in about -1..1."""
        values: Array = self.replay.arrays['joint_position'][slots]
        return values if self.senses is None else self.senses.normalise(values)

    def observation(self, slots: Slots) -> Array:
        """Return the observations of rows, shape (count, ``spec.size``)."""
        latent = self.latents(slots)
        return self.spec.assemble(
            latent,
            self.latents(self.replay.preceding(slots)) if self.spec.history == 2 else latent,
            self.proprioception(slots),
            self.replay.arrays['previous_action'][slots],
        )

    def score(self, model: RewardModel, slots: Slots) -> Array:
        """
        Compute a classifier's logits of rows.

        :param model: the classifier.
        :param slots: shape (count,).
        :return: shape (count,) [nat].
        """
        if model.input == 'latent':
            return model.logits(self.latents(slots))
        return model.logits(self.replay.arrays['image'][slots])

    def logits(
        self, slots: Slots, version: int, model: RewardModel, which: int = SUCCESS
    ) -> Array:
        """
        Look a classifier's logits up; compute those of rows that this version has not seen.

        :param slots: rows, any shape.
        :param version: of the classifier, > 0.
        :param model: the classifier.
        :param which: ``SUCCESS``, or ``RESET`` for the second classifier.
        :return: same shape [nat].
        """
        return self.replay.logits(slots, version, partial(self.score, model), which)

    def images(self, slots: Slots) -> tuple[NDArray[np.uint8], Array]:
        """
        Return what novelty is measured on in pixels.

        :param slots: shape (count,).
        :return: images (count, height, width, 3), and joints with the action before.
        """
        arrays = self.replay.arrays
        vector = [self.proprioception(slots), arrays['previous_action'][slots]]
        return arrays['image'][slots], np.concatenate(vector, axis=-1)


class Draw(NamedTuple):
    """Transitions of one memory, and what followed them, as ``Replay.ahead`` returns it."""

    memory: Memory
    slots: Slots  # of the first rows, shape (size,)
    rows: Slots  # after 1, 2, ... steps, shape (n_step, size)
    steps: Slots  # to the last of them, shape (size,)


def joined(parts: list[NDArray[Kind]]) -> NDArray[Kind]:
    """Put parts of a batch together, along the first axis; a single one is not copied."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
