# SPDX-License-Identifier: Apache-2.0
"""
Faults that an emulated bus can have: how they are written down, and schedules of them.

One fault is one line: its kind, for some kinds a number, then pairs of a keyword and a value::

    drop 0.3 for 2           lose 30 % of the answers for 2 s
    delay 0.05 id 21 count 1 let the next answer of servo 21 come 50 ms late
    mute id 21 for 5         servo 21 neither hears nor answers
    sag 9.0 for 0.5          the supply falls to 9 V
    unplug for 3             the device vanishes and comes back under another name

Keywords: ``id`` (all servos without it, where a fault can concern all), ``p`` (probability per
answer), ``count`` (answers or reads), ``for`` (seconds) and, in schedules, ``at`` (seconds of
emulated time).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
import math

from r3l_node.core.errors import ConfigError


class Kind(StrEnum):
    """What can go wrong."""

    DROP = 'drop'
    DELAY = 'delay'
    DUPLICATE = 'duplicate'
    CORRUPT = 'corrupt'
    MUTE = 'mute'
    RESET = 'reset'
    OVERLOAD = 'overload'
    ELECTRICAL = 'electrical'
    ENCODER = 'encoder'
    HEAT = 'heat'
    SAG = 'sag'
    SPIKE = 'spike'
    UNPLUG = 'unplug'
    REPLUG = 'replug'
    CLEAR = 'clear'


# Faults of single answers on the wire.
WIRE = frozenset({Kind.DROP, Kind.DELAY, Kind.DUPLICATE, Kind.CORRUPT})
# Faults inside one servo, which therefore must be named.
OF_ONE_SERVO = frozenset(
    {
        Kind.MUTE,
        Kind.RESET,
        Kind.OVERLOAD,
        Kind.ELECTRICAL,
        Kind.ENCODER,
        Kind.HEAT,
        Kind.SPIKE,
    }
)
# Kinds that take a number: what it means, its least and greatest value, its default.
NUMBERS: dict[Kind, tuple[str, float, float, float | None]] = {
    Kind.DROP: ('probability', 0.0, 1.0, 1.0),
    Kind.DUPLICATE: ('probability', 0.0, 1.0, 1.0),
    Kind.CORRUPT: ('probability', 0.0, 1.0, 1.0),
    Kind.DELAY: ('delay [s]', 0.0, 10.0, None),
    Kind.HEAT: ('temperature [degC]', -20.0, 120.0, None),
    Kind.SAG: ('voltage [V]', 0.0, 30.0, None),
    Kind.SPIKE: ('angle [rad]', -1e3, 1e3, None),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """
    One fault.

    :param value: see `NUMBERS`; 0 where the kind has no number.
    :param ident: id of the servo, None for all.
    :param probability: per answer, of faults of the wire.
    :param count: answers or reads that it lasts for, None for no such end.
    :param duration: how long it lasts [s], None for no such end.
    """

    kind: Kind
    value: float = 0.0
    ident: int | None = None
    probability: float = 1.0
    count: int | None = None
    duration: float | None = None

    def __str__(self) -> str:
        """Return the line that `parse_fault` reads."""
        words = [self.kind.value]
        if self.kind in NUMBERS:
            words.append(f'{self.value:g}')
        if self.ident is not None:
            words.append(f'id {self.ident}')
        if self.kind is Kind.DELAY and self.probability != 1.0:
            words.append(f'p {self.probability:g}')
        if self.count is not None:
            words.append(f'count {self.count}')
        if self.duration is not None:
            words.append(f'for {self.duration:g}')
        return ' '.join(words)


def parse_fault(line: str) -> Fault:
    """
    Read a fault as a person types it.

    :raises ConfigError: naming the word that cannot be understood.
    """
    at, fault = _parse(line)
    if at is not None:
        raise ConfigError(f"fault is '{line.strip()}': expected no 'at' outside of a schedule")
    return fault


def parse_schedule(text: str) -> list[tuple[float, Fault]]:
    """
    Read a schedule: faults with ``at <seconds>``, one per line; ``#`` begins a comment.

    :return: times [s] and faults, sorted by time.
    :raises ConfigError: naming the line that cannot be understood.
    """
    schedule = []
    for line in text.splitlines():
        line = line.partition('#')[0].strip()
        if not line:
            continue
        at, fault = _parse(line)
        if at is None:
            raise ConfigError(f"line of the schedule is '{line}': expected 'at <seconds>' in it")
        schedule.append((at, fault))
    return sorted(schedule, key=lambda entry: entry[0])


def format_schedule(schedule: Sequence[tuple[float, Fault]]) -> str:
    """Return the text that `parse_schedule` reads."""
    return ''.join(f'at {at:.3f} {fault}\n' for at, fault in schedule)


def _parse(line: str) -> tuple[float | None, Fault]:
    words = line.split()
    pairs: dict[str, float] = {}
    plain: list[str] = []
    while words:
        word = words.pop(0)
        if word in ('at', 'id', 'p', 'count', 'for'):
            pairs[word] = _number(words.pop(0) if words else '', word, line)
        else:
            plain.append(word)
    kinds = ', '.join(Kind)
    if not plain or plain[0] not in list(Kind):
        raise ConfigError(f"fault is '{line.strip()}': expected it to begin with one of {kinds}")
    kind = Kind(plain[0])
    value = _value(kind, plain[1:], line)
    probability = pairs.get('p', value if kind in WIRE and kind is not Kind.DELAY else 1.0)
    if not 0.0 <= probability <= 1.0:
        raise ConfigError(f"p is {probability:g} in '{line}': expected 0 to 1")
    if kind in OF_ONE_SERVO and 'id' not in pairs:
        raise ConfigError(f"fault is '{line.strip()}': expected 'id <servo>' with {kind}")
    ident = pairs.get('id')
    count = pairs.get('count')
    return pairs.get('at'), Fault(
        kind,
        value,
        None if ident is None else int(ident),
        probability,
        None if count is None else int(count),
        pairs.get('for'),
    )


def _value(kind: Kind, words: list[str], line: str) -> float:
    if kind not in NUMBERS:
        if words:
            raise ConfigError(f"'{words[0]}' in '{line}': expected no number after {kind}")
        return 0.0
    meaning, low, high, default = NUMBERS[kind]
    if not words and default is not None:
        return default
    value = _number(words[0] if len(words) == 1 else '', meaning, line)
    if not low <= value <= high:
        raise ConfigError(f"{meaning} is {value:g} in '{line}': expected {low:g} to {high:g}")
    return value


def _number(word: str, meaning: str, line: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    whole = meaning in ('id', 'count')
    if not math.isfinite(value) or (whole and value != int(value)):
        kind = 'a whole number' if whole else 'a number'
        raise ConfigError(f"{meaning} is '{word}' in '{line.strip()}': expected {kind}")
    if meaning in ('at', 'id', 'count', 'for') and value < 0:
        raise ConfigError(f"{meaning} is {value:g} in '{line.strip()}': expected 0 or more")
    return value
