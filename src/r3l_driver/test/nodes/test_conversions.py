# SPDX-License-Identifier: Apache-2.0
"""Messages and what the driver computes with."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from r3l_driver.core.commands import CommandError
from r3l_driver.core.config import DriverConfig
from r3l_driver.nodes.conversions import (
    actuator_states,
    age_of,
    by_name,
    command_of,
    joint_state,
    safety_state,
    to_stamp,
)
from r3l_driver.nodes.workbench import Workbench
from r3l_driver.testing import VirtualHand
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

CONFIG = DriverConfig(
    ids=(11, 12),
    joint_names=('a', 'b'),
    directions=(1, -1),
    offsets=(0.0, 0.1),
    position_low=(-1.0, -1.0),
    position_high=(1.0, 1.0),
)


@pytest.fixture
def hand() -> VirtualHand:
    return VirtualHand(CONFIG)


def test_a_command_has_one_point():
    point = JointTrajectoryPoint(positions=[0.1, math.nan])
    names, positions = command_of(JointTrajectory(joint_names=['a', 'b'], points=[point]))
    assert names == ['a', 'b']
    assert positions[0] == 0.1
    with pytest.raises(CommandError, match='2 points: expected 1'):
        command_of(JointTrajectory(points=[point, point]))


def test_a_stamp_of_zero_has_no_age():
    assert age_of(to_stamp(0), 10**18) == 0.0
    assert age_of(to_stamp(10**18 - 5 * 10**8), 10**18) == 0.5


def test_only_joints_that_were_read_are_in_the_joint_states(hand):
    driver = hand.driver()
    assert joint_state(driver, to_stamp(1), 1.3) is None
    driver.request_torque(True)
    hand.run(driver, 0.2)
    message = joint_state(driver, to_stamp(5), 1.3)
    assert list(message.name) == ['a', 'b']
    assert message.position.tolist() == pytest.approx([0.2, -0.1], abs=0.01)
    assert message.effort[0] == pytest.approx(driver.readings.current[0] * 1.3)
    hand.fault('mute id 11 for 5')
    hand.run(driver, 0.6)
    message = joint_state(driver, to_stamp(6), 1.3)
    assert list(message.name) == ['b']
    states = actuator_states(driver, to_stamp(6), hand.chain.counters)
    assert math.isnan(states.temperature[0])
    assert states.temperature[1] > 10.0
    assert states.bus_errors[0] > 0
    safety = safety_state(driver, 10 * 10**9, hand.now)
    assert safety.code == 'servo_missing'
    assert safety.since.sec >= 9


def test_joint_states_of_a_larger_robot_are_taken_by_name():
    message = JointState(name=['x', 'b', 'a'], position=[1.0, 2.0, 3.0], effort=[0.0])
    chosen = by_name(message, ['a', 'b'])
    assert chosen.position.tolist() == [3.0, 2.0]
    assert len(chosen.effort) == 0
    assert by_name(message, ['a', 'c']) is None


def test_the_workbench_topic_speaks_in_the_units_of_the_servos(hand):
    driver = hand.driver()
    hand.run(driver, 0.2)
    sent = []
    fields = {'name': '', 'id': 0, 'present_position': 0, 'present_current': 0}
    workbench = Workbench(
        SimpleNamespace(publish=sent.append),
        SimpleNamespace,
        lambda: SimpleNamespace(**fields),
        CONFIG,
    )
    workbench.publish(driver.readings, np.zeros(2, np.bool_))
    first, second = sent[0].dynamixel_state
    assert (first.name, first.id) == ('a', 11)
    # Both shafts stand at the same angle, whatever direction and offset make of it.
    assert first.present_position == second.present_position == 2048 + round(0.2 * 4096 / 6.2832)
