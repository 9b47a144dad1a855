# SPDX-License-Identifier: Apache-2.0
"""When updates are due, and with which classifier."""

from collections.abc import Mapping
from dataclasses import dataclass
import math

import numpy as np
from numpy.typing import NDArray

# Classifiers kept; in lockstep no more than three can be of use.
KEPT = 8


def updates_due(update_ratio: float, warmup_steps: int, env_steps: int) -> int:
    """
    Return how many updates there should have been.

    :param update_ratio: updates per env step.
    :param warmup_steps: env steps that count for nothing.
    :param env_steps: env steps of the run.
    """
    # A part in a million, because 0.1 * 30 is less than 3.
    return math.floor(update_ratio * max(0, env_steps - warmup_steps) + 1e-6)


@dataclass(frozen=True, slots=True)
class Model:
    """Weights of one version as they were received."""

    version: int
    env_steps: int
    tensors: Mapping[str, NDArray[np.float32]]
    metadata: Mapping[str, str]


class ClassifierSchedule:
    """
    Choose the classifier of each update by env steps, not by when it happened to arrive.

    The classifier is trained while the learner goes on; a lag of two rounds leaves it the time.

    :param round_steps: env steps between two versions.
    """

    def __init__(self, round_steps: int) -> None:
        self._round = round_steps
        self._versions: dict[int, Model] = {}
        self._given_up = False

    def add(self, model: Model) -> None:
        """Take a version; it may replace one of the same env step."""
        self._versions[model.env_steps] = model
        self._given_up = False
        while len(self._versions) > KEPT:
            del self._versions[min(self._versions)]

    def since(self, version: int) -> list[Model]:
        """Return that version and later ones, oldest first."""
        return [model for _, model in sorted(self._versions.items()) if model.version >= version]

    def newest(self) -> Model | None:
        """Return the version trained on the most data."""
        return self._versions[max(self._versions)] if self._versions else None

    def choose(self, env_steps: int) -> Model | None:
        """
        Return the version for the updates of an env step.

        :param env_steps: env steps of the run.
        :return: the newest that is old enough, or else the oldest there is.
        """
        usable = [steps for steps in self._versions if steps <= env_steps - 2 * self._round]
        if usable:
            return self._versions[max(usable)]
        return self._versions[min(self._versions)] if self._versions else None

    def late(self, env_steps: int) -> bool:
        """
        Tell whether a version that should be used at an env step is still to come.

        :param env_steps: env steps of the run.
        """
        if self._given_up or not self._versions:
            return not self._versions
        return max(self._versions) + self._round <= env_steps - 2 * self._round

    def give_up(self) -> None:
        """Do not wait for late versions until there is another one."""
        self._given_up = True
