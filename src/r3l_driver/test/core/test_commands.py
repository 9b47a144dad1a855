# SPDX-License-Identifier: Apache-2.0
"""A command is taken whole or not at all."""

import contextlib
import math

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from r3l_driver.core.commands import CommandError, CommandGate
from r3l_driver.core.config import DriverConfig
from r3l_driver.core.safety import Fault

CONFIG = DriverConfig()
NAMES = list(CONFIG.joint_names)
GOOD = np.linspace(-0.4, 0.4, 9)
NOW = 50.0


def changed(index: int, value: float) -> np.ndarray:
    """Return a good command with one value of another kind."""
    command = GOOD.copy()
    command[index] = value
    return command


@pytest.fixture
def gate() -> CommandGate:
    return CommandGate(CONFIG, NOW)


def test_a_command_is_taken_by_name(gate):
    order = np.random.default_rng(1).permutation(9)
    gate.offer([NAMES[k] for k in order], GOOD[order], NOW)
    assert np.array_equal(gate.target, GOOD)


@pytest.mark.parametrize(
    ('names', 'positions', 'words'),
    [
        (NAMES, changed(3, math.nan), 'finger2_joint1 to nan: expected a number'),
        (NAMES, changed(8, math.inf), 'finger3_joint3 to inf'),
        (NAMES, changed(0, 1e30), r'finger1_joint1 to 1e\+30 rad: expected -0.4800 to 0.4800'),
        (NAMES, changed(1, -1.2), 'finger1_joint2 to -1.2 rad'),
        (NAMES, GOOD[:8], '8 positions: expected 9'),
        (NAMES, [], '0 positions: expected 9'),
        (NAMES[:8], GOOD, 'joints finger1_joint1'),
        ([*NAMES[:8], NAMES[0]], GOOD, 'joints finger1_joint1'),
        ([*NAMES[:8], 'thumb'], GOOD, 'thumb'),
    ],
)
def test_a_wrong_command_changes_nothing(gate, names, positions, words):
    gate.offer(NAMES, 0.5 * GOOD, NOW)
    with pytest.raises(CommandError, match=words):
        gate.offer(names, positions, NOW + 0.1)
    assert np.array_equal(gate.target, 0.5 * GOOD)
    assert gate.received == NOW
    assert gate.rejected == 1
    assert gate.conditions(NOW + 0.1)[0].fault is Fault.COMMAND_INVALID
    assert not gate.conditions(NOW + 0.1)[0].reason.endswith('.')


def test_an_old_command_and_one_from_the_future_are_rejected(gate):
    for age in (0.31, -0.11, 3600.0, -3600.0):
        with pytest.raises(CommandError, match='stamp'):
            gate.offer(NAMES, GOOD, NOW, age=age)
    gate.offer(NAMES, GOOD, NOW, age=0.2)


def test_a_limit_that_was_rounded_is_taken_as_the_limit(gate):
    gate.offer(NAMES, changed(2, math.pi / 2 + 5e-4), NOW)
    assert gate.target[2] == CONFIG.position_high[2]


def test_commands_are_stale_before_the_first_and_a_timeout_after_one_was_due(gate):
    assert gate.stale(NOW)
    assert gate.conditions(NOW)[0].fault is Fault.COMMAND_STALE
    gate.offer(NAMES, GOOD, NOW)
    assert not gate.stale(NOW + 0.2 + 0.09)
    assert gate.stale(NOW + 0.2 + 0.11)
    gate.offer(NAMES, GOOD, NOW + 1.0)
    gate.forget()
    assert gate.stale(NOW + 1.0)


def test_a_second_sender_is_heard_only_when_the_first_is_silent(gate):
    gate.offer(NAMES, GOOD, NOW, source=b'one')
    with pytest.raises(CommandError, match='second sender'):
        gate.offer(NAMES, -GOOD, NOW + 0.1, source=b'two')
    gate.offer(NAMES, -GOOD, NOW + 1.0, source=b'two')
    assert np.array_equal(gate.target, -GOOD)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(allow_nan=True, allow_infinity=True, width=64), max_size=12),
    st.lists(st.sampled_from([*NAMES, 'x']), max_size=10),
)
def test_whatever_is_sent_the_target_stays_inside(positions, names):
    gate = CommandGate(CONFIG, NOW)
    for given_names in (names, NAMES):
        with contextlib.suppress(CommandError):
            gate.offer(given_names, positions, NOW)
        target = gate.target
        assert target is None or (
            (target >= CONFIG.position_low).all() and (target <= CONFIG.position_high).all()
        )


def test_what_is_left_of_a_command_ends_with_its_period(gate):
    gate.offer(NAMES, GOOD, NOW)
    assert gate.left(NOW + 0.05) == pytest.approx(0.15)
    assert gate.left(NOW + 1.0) == 0.0
