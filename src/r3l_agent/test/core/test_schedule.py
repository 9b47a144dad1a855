# SPDX-License-Identifier: Apache-2.0
"""Updates are due exactly, and with a classifier that does not depend on timing."""

from hypothesis import given, settings
from hypothesis import strategies as st
import pytest
from r3l_agent.core.schedule import ClassifierSchedule, Model, updates_due


@pytest.mark.parametrize(
    ('ratio', 'warmup', 'steps', 'due'),
    [(1.0, 10, 10, 0), (1.0, 10, 5, 0), (1.0, 10, 12, 2), (0.5, 0, 3, 1), (0.1, 0, 30, 3),
     (4.0, 6000, 6003, 12), (0.0, 0, 100, 0)],
)  # fmt: skip
def test_updates_are_due_by_the_ratio(ratio: float, warmup: int, steps: int, due: int) -> None:
    assert updates_due(ratio, warmup, steps) == due


def model(env_steps: int) -> Model:
    return Model(1 + env_steps, env_steps, {}, {})


def test_a_classifier_is_used_two_rounds_after_its_data() -> None:
    schedule = ClassifierSchedule(250)
    for steps in (500, 750, 1000):
        schedule.add(model(steps))
    assert schedule.choose(999).env_steps == 500
    assert schedule.choose(1000).env_steps == 500
    assert schedule.choose(1249).env_steps == 500
    assert schedule.choose(1250).env_steps == 750
    assert schedule.choose(1500).env_steps == 1000
    assert not schedule.late(1749)
    assert schedule.late(1750)


def test_the_first_classifier_serves_until_one_is_old_enough() -> None:
    schedule = ClassifierSchedule(250)
    assert schedule.choose(6001) is None
    assert schedule.late(6001)
    schedule.add(model(6000))
    assert not schedule.late(6001)
    assert schedule.choose(6001).env_steps == 6000


def test_nothing_is_late_once_given_up_until_there_is_news() -> None:
    schedule = ClassifierSchedule(10)
    schedule.add(model(0))
    assert schedule.late(30)
    schedule.give_up()
    assert not schedule.late(30)
    schedule.add(model(5))
    assert schedule.late(35)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 30), st.data())
def test_the_choice_does_not_depend_on_how_early_a_version_arrives(
    rounds: int, data: st.DataObject
) -> None:
    punctual, early = ClassifierSchedule(10), ClassifierSchedule(10)
    sent = 0
    early_sent = 0
    for steps in range(0, 10 * rounds, 5):
        while punctual.late(steps):
            punctual.add(model(10 * sent))
            sent += 1
        ahead = data.draw(st.integers(0, 3))
        while early.late(steps) or early_sent < min(sent + ahead, steps // 10 + 1):
            early.add(model(10 * early_sent))
            early_sent += 1
        assert punctual.choose(steps) == early.choose(steps)
