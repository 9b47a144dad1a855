# SPDX-License-Identifier: Apache-2.0
from struct import pack

from hypothesis import given, strategies
import numpy as np
import pytest
from r3l_driver.core.chain_config import ChainConfig
from r3l_driver.core.packet import Reply
from r3l_driver.core.state_block import Units

CONFIG = ChainConfig(
    '/dev/x',
    (11, 12),
    directions=(1, -1),
    offsets=(0.0, 0.25),
    lower=(-0.5, -1.0),
    upper=(0.7, 1.0),
)
UNITS = Units(CONFIG)
TICK = 2 * np.pi / 4096


def reply(position=2048, velocity=0, current=0, error=0, degrees=30, volts=120, tick=7, alert=0):
    data = pack('<iihBBHH', position, velocity, current, error, degrees, volts, tick)
    return Reply(alert, data + b'spare')


def test_a_block_becomes_joint_units():
    replies = {11: reply(2148, 10, 100, 0x20, 41, 121, 500, 0x80), 12: reply(2148, 10, 100)}
    found = UNITS.readings(replies)
    assert found.ok.all()
    assert found.position == pytest.approx([100 * TICK, 0.25 - 100 * TICK])
    speed = 10 * 0.229 * 2 * np.pi / 60
    assert found.velocity == pytest.approx([speed, -speed])
    assert found.current == pytest.approx([0.269, -0.269])
    assert found.temperature == pytest.approx([41.0, 30.0])
    assert found.voltage == pytest.approx([12.1, 12.0])
    assert found.error.tolist() == [0x20, 0]
    assert found.alert.tolist() == [True, False]
    assert found.tick.tolist() == [500, 7]
    assert not found.restarted.any()


def test_a_missing_servo_has_no_values():
    found = UNITS.readings({12: reply()})
    assert found.ok.tolist() == [False, True]
    assert np.isnan([found.position[0], found.velocity[0], found.current[0]]).all()
    assert np.isnan([found.temperature[0], found.voltage[0]]).all()
    assert found.position[1] == pytest.approx(0.25)
    assert (found.error[0], found.alert[0], found.tick[0]) == (0, False, 0)
    assert not found.restarted.any()


def test_the_empty_block_of_a_restarted_servo_is_no_position():
    found = UNITS.readings({11: Reply(0, bytes(16)), 12: reply()})
    assert found.ok.tolist() == [False, True]
    assert found.restarted.tolist() == [True, False]
    assert np.isnan(found.position[0])


@given(strategies.floats(-0.5, 0.7), strategies.floats(-1.0, 1.0))
def test_goals_are_within_half_a_tick_and_never_outside_of_the_limits(first, second):
    goal = np.array([first, second])
    ticks = UNITS.ticks(goal)
    back = UNITS.readings({11: reply(ticks[0]), 12: reply(ticks[1])}).position
    assert np.abs(back - goal).max() <= TICK
    assert (back >= UNITS.lower - 1e-9).all()
    assert (back <= UNITS.upper + 1e-9).all()
