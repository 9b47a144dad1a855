# SPDX-License-Identifier: Apache-2.0
"""Finds goals outside of the limits in the emulator's record."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import math
from typing import Any

RADIANS = 2.0 * math.pi / 4096  # per tick
CENTRE = 2048  # [ticks]
# A goal that is set anew at the measured position moves by what the load bends the joint.
RESEED = 0.05  # [rad]
# Positions in the record are up to one line of state old.
RESTARTS = frozenset({'reboot', 'silent_reset', 'brown_out', 'factory_reset'})
STATE_AGE = 0.15  # [s]

Event = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Limits:
    """
    Where the hand may be sent, by servo id.

    :param low: least goals [rad], as the servo counts.
    :param high: greatest goals [rad].
    :param speed: largest speed of a goal [rad/s].
    """

    low: Mapping[int, float]
    high: Mapping[int, float]
    speed: float


def note_torque(event: Event, torque: dict[int, bool]) -> None:
    """
    Keep track of which servos have torque.

    :param torque: id to torque; changed in place.
    """
    name = event['event']
    if name == 'torque':
        torque[event['id']] = bool(event['on'])
    elif name in RESTARTS or (name == 'hardware_error' and event['shutdown']):
        torque[event['id']] = False


def outside(record: Sequence[Event], limits: Limits) -> list[str]:
    """
    Return the goals that break the limits, a sentence each.

    A goal may jump only towards the measured position: that is how a hand is held.
    """
    found = []
    states = [event for event in record if event['event'] == 'state']
    times = [event['mono'] for event in states]
    last: dict[int, tuple[float, float]] = {}
    torque: dict[int, bool] = {}
    for event in record:
        note_torque(event, torque)
        if event['event'] != 'goal':
            continue
        now = event['mono']
        for text, ticks in event['goals'].items():
            ident, goal = int(text), (ticks - CENTRE) * RADIANS
            if not limits.low[ident] - RADIANS <= goal <= limits.high[ident] + RADIANS:
                found.append(f'servo {ident} was sent to {goal:.3f} rad at {now:.3f} s')
            if ident in last and torque.get(ident, False):
                before, old = last[ident]
                reach = limits.speed * (now - before + STATE_AGE) + RESEED
                state = states[max(0, bisect_right(times, now) - 1)] if states else None
                if abs(goal - old) > reach and not _towards(state, ident, old, goal):
                    found.append(
                        f'goal of servo {ident} jumped by {goal - old:.3f} rad at {now:.3f} s'
                    )
            last[ident] = (now, goal)
    return found


def _towards(state: Event | None, ident: int, old: float, new: float) -> bool:
    """Whether a goal came nearer to where the joint is."""
    if state is None:
        return False
    here = (state['position'][state['ids'].index(ident)] - CENTRE) * RADIANS
    return bool(abs(new - here) < abs(old - here))
