# SPDX-License-Identifier: Apache-2.0
"""What happened in a run and when, from the lines of JSON that it leaves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
import json
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from r3l_bringup.report_clock import Clock, from_events
from r3l_node.core.records import MOVING, read_lines
from r3l_node.core.status import read_status

SUCCESS = 0.5  # probability at the end of an episode from which it counts as a success
KINDS = ('random', 'task', 'perturbation')
CLEARED = 'fault cleared by a person'
_PROBABILITIES = ('rollout/final_probability_', 'rollout/success_probability_')
_PAUSE = 5.0  # times the usual length of an episode: something else happened in between
_SHORTEST_PAUSE = 5.0  # [s]

Line = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Episode:
    """An episode that ended at ``wall_s``; probability of success at its end, 0 to 1."""

    wall_s: float
    kind: str
    probability: float


@dataclass(frozen=True, slots=True)
class Span:
    """A part of the run [s]; what was going on."""

    begin: float
    end: float
    name: str


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened; at None: no one knows when."""

    wall_s: float | None
    name: str


@dataclass(slots=True)
class Night:
    """
    A run on the axis of its own time.

    :param wall_s: length of the run [s].
    :param at_end: whether probabilities are of the last images, else means over the episodes.
    :param evaluations: time [s], success, strict success (None where none is told).
    :param held: when the driver did not execute commands.
    :param coverage: time [s], evenness of the visits since the entry before, share of the bins
        that were ever visited.
    :param rates: time [s], achieved control rate [Hz].
    :param steps: time [s], env steps; increasing.
    :param notes: what could not be read, for the reader of the report.
    """

    wall_s: float = 0.0
    clock: Clock = field(default_factory=Clock)
    at_end: bool = True
    episodes: list[Episode] = field(default_factory=list)
    phases: list[Span] = field(default_factory=list)
    evaluations: list[tuple[float, float | None, float | None]] = field(default_factory=list)
    deaths: list[Event] = field(default_factory=list)
    held: list[Span] = field(default_factory=list)
    untimed_holds: int = 0
    interventions: list[Event] = field(default_factory=list)
    coverage: list[tuple[float, float, float]] = field(default_factory=list)
    rates: list[tuple[float, float]] = field(default_factory=list)
    steps: list[tuple[float, int]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_night(run: Path) -> Night:
    """
    Read the files of a run; the bags are not among them.

    :param run: folder of the run; what is missing in it is left out.
    """
    metrics = [line for line in read_lines(run / 'metrics.jsonl') if 'wall_s' in line]
    evaluations = read_lines(run / 'evaluation.jsonl')
    night = Night(clock=from_events(run, metrics) if metrics else Clock())
    status = read_status(run / 'status.json')
    known = [float(line['wall_s']) for line in (*metrics, *evaluations)]
    night.wall_s = max([status.wall_s if status else 0.0, *known], default=0.0)
    night.evaluations = [
        (float(line['wall_s']), line.get('success_rate'), line.get('success_rate_strict'))
        for line in evaluations
    ]
    night.steps = _steps(metrics)
    night.episodes, night.at_end = _episodes(metrics)
    night.phases = _phases(metrics, night)
    if night.phases and night.phases[-1].end < night.wall_s:
        rest = 'done' if status and status.finished else 'waiting'
        night.phases.append(Span(night.phases[-1].end, night.wall_s, rest))
    night.rates = [
        (line['wall_s'], rate)
        for line in metrics
        if isinstance(rate := line.get('time/control_rate'), int | float)
    ] or [
        (line['wall_s'], rate)
        for line in metrics
        if isinstance(rate := line.get('time/fps'), int | float)
    ]
    for line in read_lines(run / 'faults.jsonl'):
        moment = night.clock.wall(float(line.get('time', 0.0)))
        night.deaths.append(Event(moment, str(line.get('node', '?'))))
    night.held, night.untimed_holds = _held(read_lines(run / 'safety.jsonl'), night.wall_s)
    for line in read_lines(run / 'interventions.jsonl'):
        moment = wall_of_step(night, int(line['env_steps']))
        night.interventions.append(Event(moment, str(line.get('kind', '?'))))
    night.interventions += cleared(night.held, night.wall_s)
    night.coverage = _coverage(run / 'coverage.json', night)
    return night


def wall_of_step(night: Night, env_steps: int) -> float:
    """Return when a number of env steps was reached [s], between the lines that are known."""
    if not night.steps:
        return 0.0
    seconds, steps = zip(*night.steps, strict=True)
    return float(np.interp(env_steps, steps, seconds))


def step_of_wall(night: Night, wall_s: float) -> float:
    """Return the env steps at a moment [s]."""
    if not night.steps:
        return 0.0
    seconds, steps = zip(*night.steps, strict=True)
    return float(np.interp(wall_s, seconds, steps))


def _steps(metrics: Iterable[Line]) -> list[tuple[float, int]]:
    found: list[tuple[float, int]] = [(0.0, 0)]
    for line in metrics:
        # The classifier and the learner are a moment behind the agent.
        if line['env_steps'] > found[-1][1] and line['wall_s'] > found[-1][0]:
            found.append((float(line['wall_s']), int(line['env_steps'])))
    return found if len(found) > 1 else []


def _episodes(metrics: Iterable[Line]) -> tuple[list[Episode], bool]:
    by_prefix: dict[str, list[Episode]] = {prefix: [] for prefix in _PROBABILITIES}
    for line in metrics:
        for prefix, found in by_prefix.items():
            for kind in KINDS:
                value = line.get(prefix + kind)
                if isinstance(value, int | float):
                    found.append(Episode(float(line['wall_s']), kind, float(value)))
    at_end, means = by_prefix.values()
    # Records from before the ends were noted are better than none.
    return (at_end, True) if at_end else (means, not means)


def _phases(metrics: Sequence[Line], night: Night) -> list[Span]:
    """Tell by the lines of the episodes who moved the hand; gaps are waiting."""
    encoder = [float(line['wall_s']) for line in metrics if 'vae/step' in line]
    first = night.episodes[0].wall_s if night.episodes else night.wall_s
    gathered = min(encoder[0] if encoder else first, first)
    spans = [Span(0.0, gathered, 'warm-up')]
    if first > gathered:
        spans.append(Span(gathered, first, 'waiting'))
    lengths = [
        b.wall_s - a.wall_s for a, b in zip(night.episodes, night.episodes[1:], strict=False)
    ]
    usual = median(lengths) if lengths else 0.0
    for length, episode in zip(lengths, night.episodes[1:], strict=True):
        begin, end = episode.wall_s - length, episode.wall_s
        if length > max(_PAUSE * usual, _SHORTEST_PAUSE):
            spans.append(Span(begin, end - usual, 'waiting'))
            begin = end - usual
        spans.append(Span(begin, end, 'warm-up' if episode.kind == 'random' else episode.kind))
    return spans


def _held(lines: Sequence[Line], end: float) -> tuple[list[Span], int]:
    """Return when the hand was held, and how often it was without that one knows when."""
    spans: list[Span] = []
    untimed, begun, name = 0, None, ''
    moving = True
    for line in lines:
        moment, stopped = line.get('wall_s'), line.get('state') not in MOVING
        if stopped and moving:
            begun, name = moment, f'{line.get("state")} {line.get("code")}'.strip()
            untimed += begun is None
        elif moving is False and not stopped and begun is not None and moment is not None:
            spans.append(Span(float(begun), float(moment), name))
            begun = None
        moving = not stopped
    if not moving and begun is not None:
        spans.append(Span(float(begun), end, name))
    return spans, untimed


def cleared(held: Iterable[Span], end: float) -> list[Event]:
    """
    Return when a person ended what only a person can end.

    :param held: when the driver did not execute commands.
    :param end: of the run [s]: what lasts until then no one has ended.
    """
    stops = [span for span in held if span.name.startswith('stop')]
    return [Event(span.end, CLEARED) for span in stops if span.end < end]


def _coverage(path: Path, night: Night) -> list[tuple[float, float, float]]:
    from r3l_sim.core.coverage import maps_of

    try:
        saved = json.loads(path.read_text(encoding='utf-8'))
        maps = [one['blocks'] for one in maps_of(saved) if one['blocks']]
        block = int(saved['block_steps'])
    except (OSError, ValueError, KeyError, TypeError):
        return []
    if not maps:
        return []
    grids = [np.asarray(blocks, dtype=float) for blocks in maps]
    ever = (np.concatenate(grids, axis=1).cumsum(axis=0) > 0).mean(axis=1)
    even = np.mean([_evenness(grid) for grid in grids], axis=0)
    found = [
        (wall_of_step(night, block * (index + 1)), float(even[index]), float(ever[index]))
        for index in range(len(ever))
    ]
    # A block of a few steps at the end of a run has hardly been anywhere.
    sums = grids[0].sum(axis=1)
    return found[:-1] if len(found) > 1 and sums[-1] < 0.5 * sums[-2] else found


def _evenness(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """
    Return how many of the bins would hold the steps of a block if all held the same.

    The exponential of the entropy, divided by the number of bins.

    :param counts: steps in each bin, shape (blocks, bins).
    :return: shape (blocks,), 0 to 1.
    """
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
    entropy = -(share * np.log(np.where(share > 0.0, share, 1.0))).sum(axis=1)
    return np.where(counts.any(axis=1), np.exp(entropy) / counts.shape[1], 0.0)
