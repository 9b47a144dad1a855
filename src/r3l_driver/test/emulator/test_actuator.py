# SPDX-License-Identifier: Apache-2.0
"""Motion, heat, voltage and overload of the servos."""

import math

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from r3l_driver.core.control_table import TABLES
from r3l_driver.emulator.dynamics import Drive, SecondOrder
from r3l_driver.emulator.faults import parse_fault
from r3l_driver.emulator.motor import follow, Heat, HEATING
from r3l_driver.emulator.servo import BOOT_TIME

TICK = 2 * math.pi / 4096  # [rad]


@settings(max_examples=60, deadline=None)
@given(
    st.floats(-6.0, 6.0),
    st.floats(0.1, 8.0),
    st.floats(0.5, 60.0),
    st.sampled_from([0.002, 0.01, 0.02]),
)
def test_a_profile_keeps_its_limits_and_arrives(goal, max_speed, max_acceleration, dt) -> None:
    setpoint = speed = 0.0
    change = max_acceleration * dt * (1.0 + 1e-9) + 1e-12
    for _ in range(round((abs(goal) / max_speed + 2.0 * max_speed / max_acceleration + 2.0) / dt)):
        before = speed
        setpoint, speed = follow(setpoint, speed, goal, dt, max_speed, max_acceleration)
        assert abs(speed) <= max_speed + 1e-9
        assert abs(speed - before) <= change
        assert abs(setpoint) <= abs(goal) + max_acceleration * dt * dt
    assert setpoint == pytest.approx(goal, abs=1e-3)


def test_a_profile_without_limits_jumps() -> None:
    assert follow(0.0, 0.0, 2.0, 0.01, 0.0, 0.0) == (2.0, 0.0)
    assert follow(0.0, 0.0, 2.0, 0.01, 1.0, 0.0) == (0.01, 1.0)


def test_a_goal_is_reached_at_the_speed_of_the_profile(host) -> None:
    host.write(11, 'profile_velocity', 44)
    host.write(11, 'torque_enable', 1)
    host.write(11, 'goal_position', 3048)
    host.wait(0.5)
    speed = 44 * host.table.velocity_unit
    assert host.read(11, 'present_velocity') == pytest.approx(44, abs=1)
    assert host.read(11, 'moving') == 1
    assert host.read(11, 'present_position') == pytest.approx(2048 + 0.5 * speed / TICK, abs=40)
    host.wait(1.5)
    assert host.read(11, 'present_position') == pytest.approx(3048, abs=1)
    assert host.read(11, 'moving') == 0
    assert host.read(11, 'moving_status') & 1


def test_without_torque_nothing_moves_and_the_first_torque_goes_for_the_register(host) -> None:
    host.write(11, 'goal_position', 3000)
    host.wait(0.5)
    assert host.read(11, 'present_position') == 2048
    host.write(11, 'torque_enable', 1)
    host.wait(1.0)
    assert host.read(11, 'present_position') == pytest.approx(3000, abs=1)


def test_a_time_based_profile_takes_its_time(make_host) -> None:
    host = make_host((11,), settings={'drive_mode': 4})
    host.write(11, 'profile_velocity', 1000)
    host.write(11, 'profile_acceleration', 200)
    host.write(11, 'torque_enable', 1)
    host.write(11, 'goal_position', 3048)
    host.wait(0.5)
    assert host.read(11, 'position_trajectory') == pytest.approx(2548, abs=30)
    host.wait(0.55)
    assert host.read(11, 'position_trajectory') == pytest.approx(3048, abs=2)


def test_reverse_mode_and_homing_offset_change_what_positions_mean(make_host) -> None:
    eeprom = {'drive_mode': 1, 'homing_offset': 100}
    host = make_host((11,), angles=[0.5], settings=eeprom)
    assert host.read(11, 'present_position') == 2048 + 100 - round(0.5 / TICK)
    host.write(11, 'torque_enable', 1)
    host.write(11, 'goal_position', 2148)
    host.wait(1.0)
    assert host.bus.servos[0].angle == pytest.approx(0.0, abs=2 * TICK)


@pytest.mark.parametrize('mode', [3, 5])
def test_the_current_limit_of_the_mode_bounds_the_torque(make_host, mode) -> None:
    host = make_host((11,), settings={'operating_mode': mode, 'current_limit': 200})
    if mode == 5:
        host.write(11, 'goal_current', 100)
    host.bus.plant.dynamics.load[:] = -5.0
    host.write(11, 'torque_enable', 1)
    host.wait(0.1)
    assert host.read(11, 'present_current') == pytest.approx(200 if mode == 3 else 100, abs=1)


def test_other_modes_give_no_torque(make_host) -> None:
    host = make_host((11,), settings={'operating_mode': 0})
    host.write(11, 'torque_enable', 1)
    host.write(11, 'goal_position', 3000)
    host.wait(0.3)
    assert host.read(11, 'present_position') == 2048


def test_a_load_beyond_the_motors_strength_trips_overload(make_host) -> None:
    host = make_host((11,))
    host.bus.plant.dynamics.load[:] = -2.9
    host.write(11, 'torque_enable', 1)
    host.wait(1.0)
    assert host.read(11, 'torque_enable') == 1
    host.wait(2.0)
    assert host.read(11, 'hardware_error_status') == 0x20
    assert host.read(11, 'torque_enable') == 0


def test_current_heats_the_case_towards_its_final_temperature() -> None:
    heat = Heat()
    for _ in range(6000):
        heat.advance(1.0, 1.0)
    assert heat.temperature == pytest.approx(25.0 + HEATING, abs=0.1)


def test_injected_heat_trips_at_the_limit_and_goes_again(host) -> None:
    host.write(12, 'torque_enable', 1)
    host.bus.inject(parse_fault('heat 70 id 12'))
    host.wait(0.1)
    assert host.read(12, 'present_temperature') == pytest.approx(70, abs=1)
    assert host.read(12, 'torque_enable') == 1
    host.bus.inject(parse_fault('heat 85 id 12'))
    host.wait(0.1)
    assert host.read(12, 'hardware_error_status') == 0x04
    assert host.read(12, 'torque_enable') == 0
    host.wait(60.0, 0.1)
    assert host.read(12, 'present_temperature') < 30


def test_a_sag_shows_and_a_deep_one_restarts_the_servos(host) -> None:
    host.write(11, 'torque_enable', 1)
    host.bus.inject(parse_fault('sag 9 for 0.5'))
    host.wait(0.1)
    assert host.read(11, 'present_input_voltage') == pytest.approx(90, abs=1)
    # The factory's shutdown mask has not this bit.
    assert host.read(11, 'hardware_error_status') == 0x01
    assert host.read(11, 'torque_enable') == 1
    host.wait(1.0)
    host.bus.inject(parse_fault('sag 4 for 0.5'))
    host.wait(0.1)
    assert host.send(11, 1) == []
    host.wait(0.5 + BOOT_TIME)
    assert host.read(11, 'hardware_error_status') == 0
    assert host.read(11, 'torque_enable') == 0
    assert host.read(11, 'realtime_tick') < 700


@pytest.mark.parametrize('model', sorted(TABLES))
def test_every_model_holds_and_moves(make_host, model) -> None:
    host = make_host((1,), model=model)
    host.write(1, 'torque_enable', 1)
    host.write(1, 'goal_position', 2500)
    host.wait(2.0)
    assert host.read(1, 'present_position') == pytest.approx(2500, abs=2)


def test_free_shafts_come_to_rest_by_friction() -> None:
    shafts = SecondOrder(np.zeros(1), np.ones(1), np.full(1, 0.3))
    shafts.load[:] = 1.0
    off = Drive(np.zeros(1), np.zeros(1), np.zeros(1, dtype=bool), np.ones(1), np.full(1, 14.0))
    moving = shafts.advance(0.1, off)
    assert moving.velocity[0] > 1.0
    assert moving.current[0] == 0.0
    shafts.load[:] = 0.0
    assert abs(shafts.advance(20.0, off).velocity[0]) < 1e-6
