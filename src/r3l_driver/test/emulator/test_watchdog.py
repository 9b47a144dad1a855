# SPDX-License-Identifier: Apache-2.0
"""The servo's own dead-man's handle."""

import pytest
from r3l_driver.emulator.wire import BROADCAST, Error, Instruction


def _armed(host) -> None:
    host.write(11, 'profile_velocity', 30)
    host.write(11, 'torque_enable', 1)
    host.write(11, 'goal_position', 3000)
    assert host.write(11, 'bus_watchdog', 10) == Error.NONE


def test_it_stops_the_motor_in_time_and_keeps_the_torque(host) -> None:
    _armed(host)
    host.wait(0.19)
    assert host.bus.servos[0].registers.get('bus_watchdog') == 10
    assert host.bus.servos[0].velocity > 0.1
    host.wait(0.03)
    stopped = host.bus.servos[0].angle
    host.wait(1.0)
    assert host.read(11, 'bus_watchdog') == -1
    assert host.read(11, 'torque_enable') == 1
    assert host.bus.servos[0].angle == pytest.approx(stopped, abs=0.02)
    assert abs(host.bus.servos[0].velocity) < 1e-3


def test_after_a_trip_goals_are_refused_until_0_is_written(host) -> None:
    _armed(host)
    host.wait(0.5)
    for goal, value in (('goal_position', 2100), ('goal_current', 5), ('goal_pwm', 5)):
        assert host.write(11, goal, value) == Error.DATA_RANGE
    assert host.write(11, 'bus_watchdog', 10) == Error.DATA_RANGE
    assert host.write(11, 'bus_watchdog', 0) == Error.NONE
    stopped = host.bus.servos[0].angle
    host.wait(0.5)
    assert host.bus.servos[0].angle == pytest.approx(stopped, abs=0.01)
    assert host.write(11, 'goal_position', 2100) == Error.NONE


@pytest.mark.parametrize(
    ('ident', 'code', 'parameters'),
    [
        (11, Instruction.PING, b''),
        (11, Instruction.READ, b'\x84\x00\x04\x00'),
        (BROADCAST, Instruction.PING, b''),
        (BROADCAST, Instruction.SYNC_READ, b'\x84\x00\x04\x00\x0b'),
        (BROADCAST, Instruction.FAST_SYNC_READ, b'\x84\x00\x04\x00\x0d\x0b'),
        (BROADCAST, Instruction.SYNC_WRITE, b'\x41\x00\x01\x00\x0b\x01'),
    ],
)
def test_any_packet_for_the_servo_feeds_it(host, ident, code, parameters) -> None:
    _armed(host)
    for _ in range(8):
        host.wait(0.1)
        host.send(ident, code, parameters)
    assert host.read(11, 'bus_watchdog') == 10


def test_packets_for_others_do_not_feed_it(host) -> None:
    _armed(host)
    for _ in range(4):
        host.wait(0.1)
        host.send(12, Instruction.PING)
    assert host.read(11, 'bus_watchdog') == -1


def test_it_does_not_count_without_torque(host) -> None:
    assert host.write(11, 'bus_watchdog', 1) == Error.NONE
    host.wait(0.5)
    assert host.read(11, 'bus_watchdog') == 1
    host.write(11, 'torque_enable', 1)
    host.wait(0.01)
    assert host.read(11, 'bus_watchdog') == 1


def test_old_firmware_has_none(make_host) -> None:
    assert make_host(firmware=37).write(11, 'bus_watchdog', 10) == Error.ACCESS
