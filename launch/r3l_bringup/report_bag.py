# SPDX-License-Identifier: Apache-2.0
"""What the bags of a run add to its lines of JSON: exact phases, holds and times of day."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
import time
from typing import Any

from r3l_bringup.report_clock import Clock, clock_of
from r3l_bringup.report_night import (
    CLEARED,
    cleared,
    Holds,
    Night,
    read_night,
    Span,
)
from r3l_node.core.records import read_lines
from r3l_node.core.status import phase_name, safety_name

_GROWING = 10.0  # [s] since a file was written: its recorder is still at it, and it has no end
_SILENT = 10.0  # [s] without a word of the agent: it is not moving the hand


def night_of(run: Path) -> Night:
    """
    Read a night from all that a run has.

    :param run: folder of the run, with or without ``bags/``.
    """
    night = read_night(run)
    if any((run / 'bags').glob('*/*.mcap')):
        try:
            _add_bags(night, run)
        except Exception as error:  # a report without the bags is better than none
            night.notes.append(f'The bags could not be read: {error}')
    return night


def _add_bags(night: Night, run: Path) -> None:
    from r3l_bag.core.reader import Bag

    folders = sorted({path.parent for path in (run / 'bags').glob('*/*.mcap')})
    if not night.clock.known:
        night.clock = _clock(run, folders)
    if not night.clock.known:
        night.notes.append('The bags could not be placed on the time of the run.')
        return
    bag = Bag(run)
    told = _Told()
    status, safety = bag.find('agent/status'), bag.find('driver/safety')
    for message in bag.messages([topic for topic in (status, safety) if topic is not None]):
        moment = night.clock.wall(message.time * 1e-9)
        if moment is not None:
            take = told.phase if message.topic == status else told.safety
            take(moment, bag.decode(message))
    told.close()
    if told.phases:
        start = Span(0.0, told.phases[0].begin, 'waiting')
        night.phases = [start, *told.phases]
    if safety is not None:
        night.held, night.untimed_holds = told.holds.spans, 0
        others = [one for one in night.interventions if one.name != CLEARED]
        night.interventions = [*others, *cleared(told.holds.spans, night.wall_s)]
    night.rates = told.rates or night.rates
    night.steps = night.steps or told.steps
    growing = time.time() - bag.files[-1].stat().st_mtime < _GROWING
    for problem in bag.problems:
        if not (growing and problem.startswith(bag.files[-1].name)):
            night.notes.append(f'Bag: {problem}')


def _clock(run: Path, folders: Iterable[Path]) -> Clock:
    """Set the clock by what both the bags and ``metrics.jsonl`` name, once for each start."""
    from r3l_bag.core.reader import Bag

    lines = [line for line in read_lines(run / 'metrics.jsonl') if 'wall_s' in line]
    known = {
        (line.get('source'), line.get('env_steps'), name): float(line['wall_s'])
        for line in lines
        for name in line
    }
    found = []
    for folder in folders:
        bag = Bag(folder)
        for message in bag.messages(['metrics']):
            one = bag.decode(message)
            moment = known.get((one.source, one.env_steps, one.names[0] if one.names else ''))
            if moment is not None:
                found.append((moment, message.time * 1e-9))
                break
    return clock_of(found, [float(line['wall_s']) for line in lines])


@dataclass(slots=True)
class _Told:
    """What the agent and the driver said, gathered into spans."""

    phases: list[Span] = field(default_factory=list)
    holds: Holds = field(default_factory=Holds)
    rates: list[tuple[float, float]] = field(default_factory=list)
    steps: list[tuple[float, int]] = field(default_factory=list)
    _phase: tuple[float, str] | None = None
    _heard: float = 0.0
    _last: float = 0.0  # word of the driver

    def phase(self, moment: float, status: Any) -> None:
        """Take a status of the agent."""
        name = phase_name(status.phase)
        if self._phase is not None and moment - self._heard > _SILENT:
            self._end_phase(self._heard)
            self.phases.append(Span(self._heard, moment, 'waiting'))
        if self._phase is None or self._phase[1] != name:
            self._end_phase(moment)
            self._phase = moment, name
            if status.control_rate > 0.0:
                self.rates.append((moment, float(status.control_rate)))
            self.steps.append((moment, int(status.env_steps)))
        self._heard = moment

    def safety(self, moment: float, state: Any) -> None:
        """Take a state of the driver."""
        self.holds.take(moment, safety_name(state.state), str(state.code))
        self._last = moment

    def close(self) -> None:
        """End what was going on when the bag ended."""
        self._end_phase(self._heard)
        self.holds.close(self._last)

    def _end_phase(self, moment: float) -> None:
        if self._phase is not None and moment > self._phase[0]:
            self.phases.append(Span(self._phase[0], moment, self._phase[1]))
        self._phase = None
