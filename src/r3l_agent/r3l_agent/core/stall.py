# SPDX-License-Identifier: Apache-2.0
"""
Notice when a training stands still, and say how hard to shake it.

A policy that lost its entropy visits what it knows, is rewarded as ever and finds nothing new.
Raising the entropy it keeps gets a reset-free training going again (arXiv:2512.06252).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
import json

import numpy as np
from numpy.typing import NDArray

MAX_LEVEL = 3
# Latents are seen in so many random directions, in cells of this width [standard deviations].
DIRECTIONS, WIDTH, CELLS = 3, 0.5, 10

Figures = dict[str, float]


@dataclass(slots=True)
class _Course:
    """How a figure went from window to window."""

    last: float
    low: float
    high: float

    def follow(self, value: float, tolerance: float) -> bool:
        """Take the next window's value; tell whether it moved."""
        self.low, self.high = min(self.low, value), max(self.high, value)
        moved = abs(value - self.last) > tolerance * (self.high - self.low)
        self.last = value
        return moved


@dataclass(slots=True)
class _Window:
    """Sums over the env steps since the last judgement."""

    novelty: float = 0.0
    novelty_count: int = 0
    reward: float = 0.0
    reward_count: int = 0


@dataclass(frozen=True, slots=True)
class Judgement:
    """
    What a window showed.

    :param level: of the intervention from now on, 0 to ``MAX_LEVEL``.
    :param changed: whether it is another one than before.
    :param figures: means of the window by name.
    """

    level: int
    changed: bool
    figures: Figures = field(default_factory=dict)


class StallGuard:
    """
    Compare novelty, reward and coverage of latents between windows of env steps.

    Where none of them changed by more than ``tolerance`` of all that it has spanned so far, the
    level rises by one; as soon as one does, it falls by one.

    :param tolerance: change that counts as none, as a share of the range so far [-].
    :param latent_size: length of a latent.
    :param seed: of the directions in which latents are seen.
    """

    def __init__(self, tolerance: float, latent_size: int, seed: int) -> None:
        self.level = 0
        self._tolerance = tolerance
        directions = np.random.default_rng([seed, 7]).normal(size=(latent_size, DIRECTIONS))
        # A latent of unit spread has unit spread in each of them.
        self._directions = directions / np.sqrt(latent_size)
        self._visited = np.zeros(CELLS**DIRECTIONS, np.uint8)
        self._window = _Window()
        self._courses: dict[str, _Course] = {}

    def see(self, latent: NDArray[np.float32]) -> None:
        """
        Take note of where the training is.

        :param latent: of one env step, shape (latent,); empty: there is no encoder yet.
        """
        if latent.size:
            cells = np.floor(latent @ self._directions / WIDTH) + CELLS // 2
            where = np.clip(cells, 0, CELLS - 1).astype(np.int64)
            self._visited[int(np.ravel_multi_index(tuple(where), (CELLS,) * DIRECTIONS))] = 1

    def learn(self, reward: float, novelty: float | None = None) -> None:
        """
        Take note of one update.

        :param reward: mean of the task policy's batch.
        :param novelty: mean of the perturbation's batch, if it was updated by novelty.
        """
        window = self._window
        window.reward += reward
        window.reward_count += 1
        if novelty is not None:
            window.novelty += novelty
            window.novelty_count += 1

    def judge(self) -> Judgement:
        """End the window, and set the level; a window without an update is not judged."""
        window, cells = self._window, int(self._visited.sum(dtype=np.int64))
        self._window = _Window()
        self._visited[:] = 0
        if not window.reward_count:
            return Judgement(self.level, changed=False)
        figures = {'reward': window.reward / window.reward_count}
        if window.novelty_count:
            figures['novelty'] = window.novelty / window.novelty_count
        if cells:
            figures['coverage'] = float(cells)
        moved = [self._moved(name, value) for name, value in figures.items()]
        before = self.level
        self.level = max(0, before - 1) if any(moved) else min(MAX_LEVEL, before + 1)
        return Judgement(self.level, self.level != before, figures)

    def _moved(self, name: str, value: float) -> bool:
        course = self._courses.get(name)
        if course is None:
            self._courses[name] = _Course(value, value, value)
            return True
        return course.follow(value, self._tolerance)

    def state(self) -> tuple[dict[str, NDArray[np.uint8]], str]:
        """Everything that an exact continuation needs: arrays by name, and a text."""
        values = {
            'level': self.level,
            'window': asdict(self._window),
            'courses': {name: asdict(course) for name, course in self._courses.items()},
        }
        return {'visited': self._visited.copy()}, json.dumps(values)

    def load(self, arrays: Mapping[str, NDArray[np.generic]], text: str) -> None:
        """
        Continue from what ``state`` returned.

        :param arrays: by name.
        :param text: as returned with them.
        """
        values = json.loads(text)
        self.level = int(values['level'])
        self._window = _Window(**values['window'])
        self._courses = {name: _Course(**course) for name, course in values['courses'].items()}
        self._visited = np.array(arrays['visited'], np.uint8)
