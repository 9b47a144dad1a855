# SPDX-License-Identifier: Apache-2.0
"""What one run achieved, from the files of the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
import json
from pathlib import Path
from typing import Any

from r3l_bringup.experiment.description import PlannedRun
from r3l_bringup.experiment.state import RunState
from r3l_node.core.records import read_lines
from r3l_node.core.status import read_status
from r3l_sim.core.life_log import read_life

LAST = 3  # evaluations that are averaged: single ones swing
LEVELS = (0.5, 0.8)  # of deployed success, whose steps and hours are asked for

Line = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Crossing:
    """When a run had reached a level of deployed success."""

    steps: int  # [env steps]
    hours: float


@dataclass(frozen=True, slots=True)
class Figures:
    """
    What one run achieved; None: not known, or not yet.

    :param deployed: success, mean of the last evaluations, 0 to 1.
    :param strict: the same by the strict limits.
    :param final_distance: the same of the mean distance after an episode [unit].
    :param lifetime: success, mean of all evaluations: EARL's deployed evaluation over training.
    :param continuing: share of all control steps of training at which the object was a success.
    :param continuing_distance: mean distance over all control steps of training [unit].
    :param crossings: level -> when it was reached, or None.
    :param curve: evaluations: env steps, hours, success, strict success.
    :param baselines: success of what needs no learning, by name.
    :param coverage: what ``coverage.json`` holds.
    :param versions: what ``versions.json`` holds.
    """

    run: PlannedRun
    state: RunState
    env_steps: int = 0
    hours: float = 0.0
    unit: str = ''
    deployed: float | None = None
    strict: float | None = None
    final_distance: float | None = None
    lifetime: float | None = None
    continuing: float | None = None
    continuing_distance: float | None = None
    crossings: Mapping[float, Crossing | None] = field(default_factory=dict)
    curve: tuple[tuple[int, float, float, float], ...] = ()
    baselines: Mapping[str, float] = field(default_factory=dict)
    coverage: Mapping[str, Any] | None = None
    versions: Mapping[str, Any] | None = None


def figures(planned: PlannedRun, state: RunState, folder: Path) -> Figures:
    """
    Measure a run.

    :param state: how far it is.
    :param folder: of the run; what is missing in it is None.
    """
    lines = read_lines(folder / 'evaluation.jsonl')
    status = read_status(folder / 'status.json')
    life = read_life(folder)
    return Figures(
        run=planned,
        state=state,
        env_steps=status.env_steps if status else 0,
        hours=status.wall_s / 3600.0 if status else 0.0,
        unit=str(lines[-1]['unit']) if lines else '',
        deployed=last_mean(lines, 'success_rate'),
        strict=last_mean(lines, 'success_rate_strict'),
        final_distance=last_mean(lines, 'final_distance_mean'),
        lifetime=sum(line['success_rate'] for line in lines) / len(lines) if lines else None,
        continuing=None if life is None else float((life['success'] > 0).mean()),
        continuing_distance=None if life is None else float(life['distance'].mean()),
        crossings={level: crossing(lines, level) for level in LEVELS},
        curve=tuple(
            (line['env_steps'], line['wall_s'] / 3600.0, line['success_rate'],
             line['success_rate_strict'])
            for line in lines
        ),
        baselines=_baselines(folder),
        coverage=_object(folder / 'coverage.json'),
        versions=_object(folder / 'versions.json'),
    )  # fmt: skip


def last_mean(lines: Sequence[Line], key: str) -> float | None:
    """Return the mean of the last evaluations; None if there is none."""
    last = lines[-LAST:]
    return sum(float(line[key]) for line in last) / len(last) if last else None


def crossing(lines: Sequence[Line], level: float) -> Crossing | None:
    """
    Return the first evaluation from which the mean of three reaches a level; None: never.

    The policy before any learning is left out: what it scores is chance.

    :param lines: of ``evaluation.jsonl``.
    :param level: of deployed success, 0 to 1.
    """
    trained = [line for line in lines if line['env_steps'] > 0]
    for index in range(len(trained) - LAST + 1):
        mean = sum(line['success_rate'] for line in trained[index : index + LAST]) / LAST
        # Rates are rounded to six places: 0.5, 0.8 and 1.1 / 3 must not miss by that.
        if mean >= level - 1e-5:
            first = trained[index]
            return Crossing(int(first['env_steps']), float(first['wall_s']) / 3600.0)
    return None


def _baselines(folder: Path) -> dict[str, float]:
    found = _object(folder / 'baselines.json') or {}
    return {
        name: float(line['success_rate'])
        for name, line in found.items()
        if isinstance(line, dict) and 'success_rate' in line
    }


def _object(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None
