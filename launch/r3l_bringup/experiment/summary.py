# SPDX-License-Identifier: Apache-2.0
"""Means over the seeds of a variant."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import sqrt

from r3l_bringup.experiment.figures import Crossing, Figures
from r3l_bringup.experiment.state import RunState


@dataclass(frozen=True, slots=True)
class Mean:
    """
    A mean with its standard error.

    :param error: standard error of the mean; None of a single value.
    :param count: values.
    """

    mean: float
    error: float | None
    count: int


@dataclass(frozen=True, slots=True)
class Variant:
    """The runs of a task that differ in nothing but the seed."""

    task: str
    name: str
    runs: tuple[Figures, ...]

    @property
    def unit(self) -> str:
        """Unit of the distances."""
        return next((run.unit for run in self.runs if run.unit), '')

    @property
    def counted(self) -> tuple[Figures, ...]:
        """The runs that means are taken of: those that did not fail."""
        return tuple(run for run in self.runs if run.state is not RunState.FAILED)

    @property
    def evaluated(self) -> tuple[Figures, ...]:
        """Those of them that have been evaluated at all."""
        return tuple(run for run in self.counted if run.curve)

    def count(self, state: RunState) -> int:
        """Return the number of runs in a state."""
        return sum(run.state is state for run in self.runs)

    def mean(self, value: Callable[[Figures], float | None]) -> Mean | None:
        """Return the mean of a figure over the seeds; None if no run has it."""
        return mean(value(run) for run in self.counted)

    def crossings(self, level: float) -> list[Crossing]:
        """Return when the seeds reached a level; those that never did are left out."""
        found = (run.crossings.get(level) for run in self.counted)
        return [crossing for crossing in found if crossing is not None]


def mean(values: Iterable[float | None]) -> Mean | None:
    """
    Return mean and standard error (from n - 1 degrees of freedom) of what is not None.

    :param values: one of each seed.
    """
    known = [value for value in values if value is not None]
    if not known:
        return None
    count, middle = len(known), sum(known) / len(known)
    if count == 1:
        return Mean(middle, None, 1)
    variance = sum((value - middle) ** 2 for value in known) / (count - 1)
    return Mean(middle, sqrt(variance / count), count)


def variants(runs: Sequence[Figures]) -> list[Variant]:
    """Group runs by task and variant, in the order of their first run."""
    groups: dict[tuple[str, str], list[Figures]] = {}
    for figures in runs:
        groups.setdefault((figures.run.task, figures.run.variant), []).append(figures)
    tasks = list(dict.fromkeys(task for task, _ in groups))
    return [
        Variant(task, name, tuple(found))
        for task in tasks
        for (own, name), found in groups.items()
        if own == task
    ]


def curve(variant: Variant, strict: bool = False) -> list[tuple[int, Mean]]:
    """
    Return mean success over the seeds at each evaluation.

    The graph evaluates the first policy past a mark: env steps are taken back to the mark.

    :return: (env steps, mean), in order.
    """
    points: dict[int, list[float]] = {}
    for run in variant.counted:
        every = run.run.evaluate_every
        own = {}
        for steps, _, success, success_strict in run.curve:
            # The last policy of a run that ends between two marks has a place of its own.
            is_near = steps % every < every / 4
            own[steps // every * every if is_near else steps] = (
                success_strict if strict else success
            )
        for steps, value in own.items():
            points.setdefault(steps, []).append(value)
    result = []
    for steps in sorted(points):
        found = mean(points[steps])
        assert found is not None
        result.append((steps, found))
    return result
