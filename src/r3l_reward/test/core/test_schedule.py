# SPDX-License-Identifier: Apache-2.0
"""Rounds of training are named by env steps alone."""

from r3l_reward.core.schedule import Schedule


def test_the_first_round_waits_for_enough_negatives() -> None:
    schedule = Schedule(100, 150)
    assert schedule.due(199, 0) == []
    assert not schedule.started
    assert schedule.due(200, 0) == [200]
    assert schedule.due(299, 0) == []
    assert schedule.due(520, 0) == [300, 400, 500]


def test_the_first_round_comes_at_the_end_of_the_time_without_encoder() -> None:
    late, early = Schedule(100, 150), Schedule(100, 150)
    assert early.due(570, 570) == [500]
    assert late.due(600, 570) == [500, 600]
    assert early.due(600, 570) == [600]


def test_a_resumed_schedule_goes_on_after_its_last_round() -> None:
    schedule = Schedule(100, 150)
    schedule.resume(700)
    assert schedule.started
    assert schedule.due(799, 0) == []
    assert schedule.due(800, 0) == [800]
