# SPDX-License-Identifier: Apache-2.0
"""What happened in a run and when, from the lines of JSON that it leaves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from r3l_bringup.report_clock import Clock, from_events
from r3l_bringup.report_coverage import coverage_of
from r3l_node.core.records import MOVING, read_lines
from r3l_node.core.status import read_status, SAFETY_STATES

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
    night.coverage = coverage_of(run / 'coverage.json', lambda steps: wall_of_step(night, steps))
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
    holds, untimed, moving, started = Holds(), 0, True, False
    for line in lines:
        moment, state = line.get('wall_s'), str(line.get('state'))
        untimed += started and moving and state not in MOVING and moment is None
        started |= state in MOVING
        moving = state in MOVING
        if moment is not None:
            holds.take(float(moment), state, str(line.get('code', '')))
    holds.close(end)
    return holds.spans, untimed


@dataclass(slots=True)
class Holds:
    """
    Gathers the times at which the driver did not execute commands, by their worst state.

    What comes before it executes the first ones is its start, and no fault.
    """

    spans: list[Span] = field(default_factory=list)
    _started: bool = False
    _open: Span | None = None

    def take(self, moment: float, state: str, code: str) -> None:
        """Take a state of the driver at a moment [s]."""
        if state in MOVING:
            self._started = True
            self.close(moment)
            return
        if not self._started:
            return
        name = f'{state} {code}'.strip()
        if self._open is None:
            self._open = Span(moment, moment, name)
        elif _severity(state) > _severity(self._open.name.partition(' ')[0]):
            self._open = Span(self._open.begin, moment, name)

    def close(self, moment: float) -> None:
        """End a hold, if there is one."""
        if self._open is not None:
            begin = self._open.begin
            self.spans.append(Span(begin, max(begin, moment), self._open.name))
            self._open = None


def _severity(state: str) -> int:
    return SAFETY_STATES.index(state) if state in SAFETY_STATES else 0


def cleared(held: Iterable[Span], end: float) -> list[Event]:
    """
    Return when a person ended what only a person can end.

    :param held: when the driver did not execute commands.
    :param end: of the run [s]: what lasts until then no one has ended.
    """
    stops = [span for span in held if span.name.startswith('stop')]
    return [Event(span.end, CLEARED) for span in stops if span.end < end]
