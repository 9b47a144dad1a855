# SPDX-License-Identifier: Apache-2.0
"""A drill is judged by what the emulator saw."""

from itertools import pairwise

import pytest
from r3l_driver.emulator.drill import judge
from r3l_driver.emulator.faults import Kind
from r3l_driver.emulator.goal_limits import CENTRE, Limits, outside, RADIANS

LIMITS = Limits({11: -0.5}, {11: 0.5}, 6.0)


def goal(mono: float, angle: float) -> dict:
    return {'mono': mono, 'event': 'goal', 'goals': {'11': round(angle / RADIANS) + CENTRE}}


def torque(mono: float, on: bool = True) -> dict:
    return {'mono': mono, 'event': 'torque', 'id': 11, 'on': on}


def state(mono: float, angle: float, temperature: float = 30.0) -> dict:
    ticks = round(angle / RADIANS) + CENTRE
    return {
        'mono': mono, 'event': 'state', 'ids': [11], 'position': [ticks],
        'temperature': [temperature],
    }  # fmt: skip


def fault(mono: float, text: str) -> dict:
    return {'mono': mono, 'event': 'fault', 'fault': text, 'id': 11}


def over(mono: float, text: str) -> dict:
    return {'mono': mono, 'event': 'fault_over', 'fault': text}


def safety(*changes: tuple[float, bool]) -> list[dict]:
    return [{'mono': mono, 'moving': moving} for mono, moving in changes]


def swing(begin: float, end: float) -> list[dict]:
    """Goals that go to and fro at less than the limit."""
    count = round((end - begin) / 0.02)
    return [goal(begin + 0.02 * k, 0.1 * (1 if k % 2 else 0)) for k in range(count)]


def drill(still_until: float) -> list[dict]:
    text = 'mute id 11 for 2'
    return [torque(0.0), *swing(0.1, 10.0), fault(10.0, text), *swing(10.0, still_until),
            over(12.0, text), *swing(13.0, 15.0)]  # fmt: skip


def test_a_kept_promise_shows_the_times_measured() -> None:
    verdict = judge(drill(10.2), safety((0.0, True), (10.2, False), (12.9, True)), LIMITS)
    row = verdict.rows[0]
    assert (row.kind, row.count, row.held) == (Kind.MUTE, 1, 1)
    assert row.still == pytest.approx(0.18, abs=0.021)
    assert row.back == pytest.approx(0.9)
    assert verdict.kept
    assert 'mute | 1' in verdict.table()


def test_a_hand_that_moves_on_breaks_the_promise() -> None:
    verdict = judge(drill(11.0), safety((0.0, True), (10.2, False), (12.9, True)), LIMITS)
    assert 'still after 0.98 s' in verdict.rows[0].broken[0]
    assert not verdict.kept


def test_a_fault_that_was_not_noticed_breaks_the_promise() -> None:
    verdict = judge(drill(12.0), safety((0.0, True)), LIMITS)
    assert 'was not held' in verdict.rows[0].broken[0]


def test_a_hand_that_comes_back_late_or_never_breaks_the_promise() -> None:
    record = [event for event in drill(10.2) if event['mono'] <= 12.0]
    late = judge(record, safety((0.0, True), (10.2, False), (18.0, True)), LIMITS)
    never = judge(record, safety((0.0, True), (10.2, False)), LIMITS)
    assert late.rows[0].broken == ['mute id 11 for 2: back after 6.00 s']
    assert not never.moving
    assert not never.kept


def test_a_servo_on_its_way_counts_until_its_watchdog_stops_it() -> None:
    text = 'unplug for 2'
    stopped = {'mono': 10.25, 'event': 'watchdog', 'id': 11}
    plugged = {'mono': 12.0, 'event': 'plugged'}
    record = [torque(0.0), *swing(0.1, 10.0), fault(10.0, text), stopped, plugged]
    verdict = judge(record, safety((0.0, True), (10.1, False), (13.0, True)), LIMITS)
    assert verdict.rows[0].still == pytest.approx(0.25)
    assert verdict.rows[0].back == pytest.approx(1.0)


def test_warmth_below_the_limit_needs_no_hold() -> None:
    record = [torque(0.0), goal(0.1, 0.0), fault(10.0, 'heat 62 id 11')]
    assert judge(record, safety((0.0, True)), LIMITS).kept
    record = [torque(0.0), goal(0.1, 0.0), fault(10.0, 'heat 70 id 11')]
    assert not judge(record, safety((0.0, True)), LIMITS).kept


def test_goals_outside_the_limits_are_found() -> None:
    assert outside([goal(1.0, 0.5), goal(2.0, -0.5)], LIMITS) == []
    assert 'sent to 0.6' in outside([goal(1.0, 0.6)], LIMITS)[0]


def test_a_jump_is_found_but_not_where_the_hand_is_held_or_limp() -> None:
    away = [torque(0.0), state(1.0, -0.4), goal(1.0, -0.4), *[goal(1.02, -0.4)]]
    assert outside([*away, goal(1.04, 0.5)], Limits({11: -3}, {11: 3}, 0.5)) != []
    held = [torque(0.0), state(1.0, 0.5), goal(1.0, -0.4), goal(1.02, 0.5)]
    assert outside(held, Limits({11: -3}, {11: 3}, 0.5)) == []
    limp = [torque(0.0, on=False), state(1.0, -0.4), goal(1.0, -0.4), goal(1.02, 0.5)]
    assert outside(limp, Limits({11: -3}, {11: 3}, 0.5)) == []


def test_the_goals_of_the_examples_are_slow_enough() -> None:
    events = [event for event in drill(10.2) if event['event'] == 'goal']
    steps = [
        abs(b['goals']['11'] - a['goals']['11']) * RADIANS for a, b in pairwise(events)
    ]  # fmt: skip
    assert max(steps) <= 0.11


@pytest.mark.parametrize('name', ['brown_out', 'silent_reset', 'reboot'])
def test_a_goal_that_is_set_before_torque_comes_back_is_no_movement(name: str) -> None:
    text = 'sag 4 for 0.5'
    lost = {'mono': 10.01, 'event': name, 'id': 11}
    back = [goal(11.0, 0.3), torque(11.0)]
    record = [torque(0.0), *swing(0.1, 10.0), fault(10.0, text), lost, over(10.5, text), *back]
    verdict = judge(record, safety((0.0, True), (10.1, False), (11.5, True)), LIMITS)
    assert verdict.rows[0].still == 0.0
    assert verdict.kept


def test_the_first_goal_of_a_servo_that_its_watchdog_stopped_is_no_movement() -> None:
    text = 'mute id 11 for 2'
    stopped = {'mono': 10.2, 'event': 'watchdog', 'id': 11}
    again = [over(12.0, text), goal(12.1, 0.4)]
    record = [torque(0.0), *swing(0.1, 10.0), fault(10.0, text), stopped, *again]
    states = safety((0.0, True), (10.1, False), (12.2, True))
    assert judge(record, states, LIMITS).rows[0].still == pytest.approx(0.2)
    assert not judge([*record, goal(12.15, 0.0)], states, LIMITS).kept
