# SPDX-License-Identifier: Apache-2.0
"""Joints turned by servos that are controlled elsewhere."""

import numpy as np
import pytest
from r3l_driver.core.control_table import TABLES
from r3l_driver.emulator.dynamics import Drive
from r3l_sim.core.hand import HOME
from r3l_sim.core.scene import JOINTS, Scene
from r3l_sim.core.servo import BACK_EMF, STIFFNESS
from r3l_sim.core.servo_dynamics import HandDynamics

TABLE = TABLES['XM430-W210']
CYCLE = 0.02
CURRENT = 1.0 / TABLE.torque_constant  # of 1 N m
ONES = np.ones(JOINTS)


@pytest.fixture
def scene() -> Scene:
    return Scene('valve', control_rate=5.0)


def hand(scene: Scene) -> HandDynamics:
    return HandDynamics(scene, TABLE, (1,) * JOINTS, (0.0,) * JOINTS)


def drive(start: np.ndarray, end: np.ndarray, on: bool = True, current: float = CURRENT) -> Drive:
    return Drive(start, end, np.full(JOINTS, on), current * ONES, STIFFNESS * ONES)


def test_a_servo_that_is_driven_moves_as_the_simulators_own(scene: Scene) -> None:
    target = np.array(HOME) + 0.3
    own = scene.twin()
    own.step(target)
    setpoint = np.array(HOME)
    dynamics = hand(scene)
    for _ in range(10):
        end = setpoint + 0.03
        motion = dynamics.advance(CYCLE, drive(setpoint, end))
        setpoint = end
    assert TABLE.stall_torque / TABLE.no_load_speed == pytest.approx(BACK_EMF, rel=0.02)
    assert motion.position == pytest.approx(own.joint_position, abs=5e-3)
    assert motion.current * TABLE.torque_constant == pytest.approx(own.joint_effort, abs=0.05)
    assert scene.time == pytest.approx(0.2)


def test_without_torque_a_finger_falls(scene: Scene) -> None:
    dynamics = hand(scene)
    home = np.array(HOME)
    for _ in range(100):
        motion = dynamics.advance(CYCLE, drive(home, home, on=False))
        assert not motion.current.any()
    assert np.abs(motion.position - home).max() > 0.3


def test_the_current_limit_is_a_torque_limit(scene: Scene) -> None:
    dynamics = hand(scene)
    home = np.array(HOME)
    largest = 0.0
    for _ in range(20):
        motion = dynamics.advance(CYCLE, drive(home, home + 1.0, current=0.1))
        largest = max(largest, np.abs(motion.current).max())
    assert largest == pytest.approx(0.1)


def test_servos_that_are_mounted_otherwise_move_the_same_joints(scene: Scene) -> None:
    other = scene.twin()
    directions = np.array([1, -1] * 4 + [1])
    offsets = np.linspace(-0.5, 0.5, JOINTS)
    plain, mounted = hand(scene), HandDynamics(other, TABLE, directions, offsets)
    a, b = np.array(HOME), np.array(HOME) + 0.2
    assert mounted.position == pytest.approx(directions * (a - offsets))
    straight = plain.advance(CYCLE, drive(a, b))
    turned = mounted.advance(CYCLE, drive(directions * (a - offsets), directions * (b - offsets)))
    assert other.joint_position == pytest.approx(scene.joint_position, abs=1e-12)
    assert turned.velocity == pytest.approx(directions * straight.velocity)
    assert turned.current == pytest.approx(directions * straight.current)


@pytest.mark.parametrize('dt', [0.001, 0.0137, 0.2])
def test_any_time_can_pass(scene: Scene, dt: float) -> None:
    home = np.array(HOME)
    hand(scene).advance(dt, drive(home, home))
    assert scene.time == pytest.approx(dt)
