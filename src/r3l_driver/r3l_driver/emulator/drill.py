# SPDX-License-Identifier: Apache-2.0
"""
Judges a fault drill: what was promised for each fault, and what the emulator's record shows.

Where the hand was told to go, when it stopped and whether torque was on comes from the record of
the emulated bus.  From the driver comes only when it said that commands are executed again.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
import math

from r3l_driver.emulator.faults import Kind, parse_fault
from r3l_driver.emulator.goal_limits import (
    Event,
    Limits,
    note_torque,
    outside,
    RADIANS,
    RESEED,
    STATE_AGE,
)

ARRIVAL = 0.5  # from the last movement of a goal until the joint is there [s]
SETTLING = 0.3  # from the end of a fault to the end of what it may still cause [s]


@dataclass(frozen=True, slots=True)
class Promise:
    """
    What holds for every fault of a kind.

    :param text: for people.
    :param still: longest time from the fault to the last movement of a goal [s]; None where the
        hand may go on.
    :param back: longest time from the end of the fault until commands are executed again [s].
    """

    text: str
    still: float | None
    back: float


PROMISES: dict[Kind, Promise] = {
    Kind.DROP: Promise('retried in the cycle; held after 5 misses', None, 1.5),
    Kind.DELAY: Promise('never taken for another answer', None, 1.5),
    Kind.DUPLICATE: Promise('never taken for another answer', None, 1.5),
    Kind.CORRUPT: Promise('never published', None, 1.5),
    Kind.MUTE: Promise('held within 0.3 s', 0.3, 5.0),
    Kind.RESET: Promise('held within 0.3 s, set up again', 0.3, 5.0),
    Kind.OVERLOAD: Promise('held within 0.3 s, servo rebooted', 0.3, 5.0),
    Kind.HEAT: Promise('torque off from 65 degC, back at 55 degC', 0.3, 5.0),
    Kind.SAG: Promise('held within 0.3 s', 0.3, 5.0),
    Kind.SPIKE: Promise('rejected; held after 3 in a row', None, 2.0),
    Kind.UNPLUG: Promise('the servos stop within 0.3 s; reopened', 0.3, 5.0),
}


@dataclass(slots=True)
class Row:
    """
    What was measured for the faults of a kind.

    :ivar still: longest time from a fault to the last movement of a goal [s], where it held.
    :ivar back: longest time from the end of a fault until commands were executed again [s].
    """

    kind: Kind
    count: int = 0
    held: int = 0
    still: float = 0.0
    back: float = 0.0
    broken: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    The outcome of a drill.

    :param rows: one per kind of fault that occurred.
    :param outside: goals that broke the limits, a sentence each.
    :param moving: whether commands were executed at the end.
    """

    rows: tuple[Row, ...]
    outside: tuple[str, ...]
    moving: bool

    @property
    def faults(self) -> int:
        """Faults that were injected."""
        return sum(row.count for row in self.rows)

    @property
    def kept(self) -> bool:
        """Whether every promise was kept."""
        return self.moving and not self.outside and not any(row.broken for row in self.rows)

    def table(self) -> str:
        """Return fault, promise and measurement as a Markdown table."""
        lines = [
            '| fault | times | promise | held | still after [s] | back after [s] | kept |',
            '|---|---|---|---|---|---|---|',
        ]
        for row in self.rows:
            still = f'{row.still:.2f}' if row.held else '-'
            back = f'{row.back:.2f}' if row.held else '-'
            kept = 'no' if row.broken else 'yes'
            lines.append(
                f'| {row.kind} | {row.count} | {PROMISES[row.kind].text} | {row.held} | {still} | '
                f'{back} | {kept} |'
            )
        return '\n'.join(lines) + '\n'


@dataclass(frozen=True, slots=True)
class _Fault:
    kind: Kind
    value: float
    start: float
    end: float
    text: str


def judge(record: Sequence[Event], safety: Sequence[Event], limits: Limits) -> Verdict:
    """
    Compare what was promised with what happened.

    :param record: of the emulated bus, as `record.read_record` returns it.
    :param safety: changes of the driver's state, with ``mono`` [s] of the same clock and
        ``moving``: whether commands are executed.
    :param limits: of the goals.
    """
    faults = _faults(record)
    moves = _moves(record)
    pauses = _pauses(safety)
    rows: dict[Kind, Row] = {}
    for number, fault in enumerate(faults):
        row = rows.setdefault(fault.kind, Row(fault.kind))
        row.count += 1
        until = faults[number + 1].start if number + 1 < len(faults) else math.inf
        _measure(row, fault, until, pauses, moves)
    return Verdict(
        tuple(rows[kind] for kind in PROMISES if kind in rows),
        tuple(outside(record, limits)),
        bool(safety) and bool(safety[-1]['moving']),
    )


def _measure(
    row: Row,
    fault: _Fault,
    until: float,
    pauses: Sequence[tuple[float, float]],
    moves: Sequence[float],
) -> None:
    """
    Measure one fault.

    :param until: time of the next fault [s].
    :param pauses: intervals without commands [s].
    :param moves: times of movements of goals [s], sorted.
    """
    promise = PROMISES[fault.kind]
    latest = min(fault.end + SETTLING + (promise.still or 0.0), until)
    pause = next((p for p in pauses if p[1] > fault.start and p[0] < latest), None)
    if pause is None:
        if promise.still is not None and not _harmless(fault):
            row.broken.append(f'{fault.text}: the hand was not held')
        return
    row.held += 1
    if promise.still is not None and pause[0] >= fault.start - SETTLING:
        index = bisect_left(moves, min(pause[1], until)) - 1
        still = max(0.0, moves[index] - fault.start) if index >= 0 else 0.0
        row.still = max(row.still, still)
        if still > promise.still:
            row.broken.append(f'{fault.text}: still after {still:.2f} s')
    if pause[1] > until:
        return  # The next fault came before: it is judged with that one.
    back = pause[1] - fault.end
    row.back = max(row.back, back)
    if back > promise.back:
        row.broken.append(f'{fault.text}: back after {back:.2f} s')


def _harmless(fault: _Fault) -> bool:
    """Whether a fault is too weak for a hold."""
    return fault.kind is Kind.HEAT and fault.value < 65.0


def _faults(record: Sequence[Event]) -> list[_Fault]:
    """Return the faults with their ends."""
    found = []
    for index, event in enumerate(record):
        if event['event'] != 'fault':
            continue
        fault = parse_fault(event['fault'])
        if fault.kind not in PROMISES:
            continue
        end = _end(record[index + 1 :], event, fault.kind)
        found.append(_Fault(fault.kind, fault.value, event['mono'], end, event['fault']))
    return found


def _end(later: Iterable[Event], start: Event, kind: Kind) -> float:
    """Return when a fault was over."""
    text, ident = start['fault'], start['id']
    for event in later:
        name = event['event']
        if name == 'fault_over' and event['fault'] == text:
            return float(event['mono'])
        if kind is Kind.UNPLUG and name == 'plugged':
            return float(event['mono'])
        if kind is Kind.HEAT and name == 'state':
            warmth = event['temperature'][event['ids'].index(ident)]
            if event['mono'] - start['mono'] > 2 * STATE_AGE and warmth <= 55.0:
                return float(event['mono'])
    return float(start['mono'])


def _moves(record: Sequence[Event]) -> list[float]:
    """Return the times at which a goal of an energised servo moved, or a shaft without goals."""
    torque: dict[int, bool] = {}
    goals: dict[int, int] = {}
    moved: dict[int, float] = {}
    stopped: set[int] = set()
    times = []
    for event in record:
        note_torque(event, torque)
        now = event['mono']
        if event['event'] == 'watchdog':
            # A servo whose goal has just moved was still on its way there.
            stopped.add(event['id'])
            if torque.get(event['id'], False) and now - moved.get(event['id'], -1.0) < ARRIVAL:
                times.append(now)
        elif event['event'] == 'goal':
            for text, goal in event['goals'].items():
                ident = int(text)
                step = abs(goal - goals.get(ident, goal)) * RADIANS
                # A servo that its watchdog stopped is held where it stands by the next goal.
                if torque.get(ident, False) and step > RESEED and ident not in stopped:
                    times.append(now)
                    moved[ident] = now
                stopped.discard(ident)
                goals[ident] = goal
    return times


def _pauses(safety: Sequence[Event]) -> list[tuple[float, float]]:
    """Return the intervals in which commands were not executed [s]."""
    pauses = []
    begin: float | None = None
    for event in safety:
        if not event['moving'] and begin is None:
            begin = event['mono']
        elif event['moving'] and begin is not None:
            pauses.append((begin, float(event['mono'])))
            begin = None
    if begin is not None:
        pauses.append((begin, math.inf))
    return pauses
