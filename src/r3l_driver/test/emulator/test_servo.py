# SPDX-License-Identifier: Apache-2.0
"""What a servo answers, and what it refuses."""

import pytest
from r3l_driver.core.control_table import HardwareError
from r3l_driver.emulator.servo import BOOT_TIME
from r3l_driver.emulator.wire import ALERT, BROADCAST, Error, Instruction
from r3l_node.core.errors import ConfigError


def test_a_ping_tells_model_and_firmware(host) -> None:
    assert host.send(11, Instruction.PING) == [(11, 0, bytes((0x06, 0x04, 45)))]
    assert host.send(14, Instruction.PING) == []


def test_all_answer_a_broadcast_ping_in_the_order_of_their_ids(make_host) -> None:
    answers = make_host((33, 11, 21)).send(BROADCAST, Instruction.PING)
    assert [ident for ident, _, _ in answers] == [11, 21, 33]


def test_the_eeprom_is_locked_while_torque_is_on(host) -> None:
    assert host.write(11, 'return_delay_time', 5) == Error.NONE
    assert host.write(11, 'torque_enable', 1) == Error.NONE
    assert host.write(11, 'return_delay_time', 6) == Error.ACCESS
    assert host.write(11, 'profile_velocity', 6) == Error.NONE
    assert host.write(11, 'torque_enable', 0) == Error.NONE
    assert host.write(11, 'return_delay_time', 6) == Error.NONE
    assert host.read(11, 'return_delay_time') == 6


@pytest.mark.parametrize(
    ('name', 'value', 'error'),
    [
        ('goal_position', 4096, Error.DATA_LIMIT),
        ('goal_position', -1, Error.DATA_LIMIT),
        ('goal_position', 1_048_576, Error.DATA_RANGE),
        ('goal_current', 1194, Error.DATA_LIMIT),
        ('goal_current', -1194, Error.DATA_LIMIT),
        ('goal_velocity', 331, Error.DATA_LIMIT),
        ('baud_rate', 8, Error.DATA_RANGE),
        ('operating_mode', 2, Error.DATA_RANGE),
        ('torque_enable', 2, Error.DATA_RANGE),
        ('bus_watchdog', 128, Error.DATA_RANGE),
        ('bus_watchdog', -1, Error.DATA_RANGE),
        ('present_position', 1, Error.ACCESS),
        ('model_number', 1, Error.ACCESS),
    ],
)
def test_what_a_servo_cannot_take_is_refused_and_changes_nothing(host, name, value, error) -> None:
    before = host.read(11, name)
    assert host.write(11, name, value) == error
    assert host.read(11, name) == before


def test_position_limits_bind_only_in_the_position_mode(host) -> None:
    host.write(11, 'max_position_limit', 3000)
    assert host.write(11, 'goal_position', 3001) == Error.DATA_LIMIT
    assert host.write(11, 'goal_position', 3000) == Error.NONE
    host.write(11, 'operating_mode', 5)
    assert host.write(11, 'goal_position', 3001) == Error.NONE


def test_a_write_is_done_whole_or_not_at_all(host) -> None:
    # profile_acceleration, profile_velocity and, past its limit, goal_position.
    data = (7).to_bytes(4, 'little') * 2 + (5000).to_bytes(4, 'little')
    at = host.span('profile_acceleration', 0)[:2]
    assert host.error(11, Instruction.WRITE, at + data) == Error.DATA_LIMIT
    assert host.read(11, 'profile_velocity') == 0
    assert host.error(11, Instruction.WRITE, at + data[:8]) == Error.NONE
    assert host.read(11, 'profile_velocity') == 7


@pytest.mark.parametrize(
    ('address', 'length', 'error'),
    [
        (116, 2, Error.DATA_LENGTH),
        (118, 2, Error.DATA_LENGTH),
        (116, 6, Error.ACCESS),
        (14, 1, Error.ACCESS),
        (700, 1, Error.ACCESS),
    ],
)
def test_half_items_and_no_items_cannot_be_written(host, address, length, error) -> None:
    data = address.to_bytes(2, 'little') + bytes(length)
    assert host.error(11, Instruction.WRITE, data) == error


def test_a_read_past_the_table_is_refused(host) -> None:
    span = (660).to_bytes(2, 'little') + (4).to_bytes(2, 'little')
    assert host.send(11, Instruction.READ, span) == [(11, Error.ACCESS, b'')]
    assert host.error(11, Instruction.READ, b'\0\0') == Error.DATA_LENGTH


def test_indirect_data_are_the_registers_that_they_point_to(host) -> None:
    position = host.table['present_position'].address
    for k in range(4):
        assert host.write(11, f'indirect_address_{k + 1}', position + k) == Error.NONE
    assert host.write(11, 'indirect_address_5', host.table['led'].address) == Error.NONE
    ((_, _, data),) = host.sync_read([11], 'indirect_data_1', 5)
    assert data == (2048).to_bytes(4, 'little') + b'\0'
    assert host.write(11, 'indirect_data_5', 1) == Error.NONE
    assert host.read(11, 'led') == 1
    assert host.write(11, 'indirect_data_5', 2) == Error.DATA_RANGE
    assert host.write(11, 'indirect_data_1', 2) == Error.DATA_LENGTH


def test_a_registered_write_waits_for_the_action(host) -> None:
    at = host.span('goal_position', 0)[:2]
    data = at + (2100).to_bytes(4, 'little')
    assert host.error(11, Instruction.ACTION) == Error.INSTRUCTION
    assert host.error(11, Instruction.REG_WRITE, data) == Error.NONE
    assert host.read(11, 'registered_instruction') == 1
    assert host.read(11, 'goal_position') == 2048
    assert host.send(BROADCAST, Instruction.ACTION) == []
    assert host.read(11, 'goal_position') == 2100
    assert host.read(11, 'registered_instruction') == 0


@pytest.mark.parametrize(('level', 'reads', 'writes'), [(0, 0, 0), (1, 1, 0), (2, 1, 1)])
def test_the_status_return_level_says_what_is_answered(host, level, reads, writes) -> None:
    host.send(11, Instruction.WRITE, host.span('status_return_level', level)[:3])
    assert len(host.send(11, Instruction.PING)) == 1
    assert len(host.send(11, Instruction.READ, host.span('id', 1))) == reads
    assert len(host.sync_read([11], 'id', 1)) == reads
    assert len(host.send(11, Instruction.WRITE, host.span('led', 1)[:3])) == writes


def test_an_unknown_instruction_and_a_wrong_checksum_are_told(host) -> None:
    assert host.error(11, 0x77) == Error.INSTRUCTION
    raw = bytearray(b'\xff\xff\xfd\x00\x0b\x03\x00\x01\x00\x00')
    ((_, answer),) = host.bus.feed(bytes(raw))
    assert answer[8] == Error.CRC


def test_a_reboot_loses_the_ram_and_keeps_the_eeprom(host) -> None:
    host.write(11, 'shutdown', 53)
    host.write(11, 'profile_velocity', 50)
    host.write(11, 'torque_enable', 1)
    host.wait(1.0)
    assert host.read(11, 'realtime_tick') >= 990
    assert host.error(11, Instruction.REBOOT) == Error.NONE
    assert host.send(11, Instruction.PING) == []
    host.wait(BOOT_TIME + 0.02)
    assert host.read(11, 'shutdown') == 53
    assert host.read(11, 'profile_velocity') == 0
    assert host.read(11, 'torque_enable') == 0
    assert host.read(11, 'realtime_tick') < 500


@pytest.mark.parametrize(('option', 'ident', 'baud'), [(0xFF, 1, 1), (1, 11, 1), (2, 11, 3)])
def test_a_factory_reset_keeps_what_it_is_told_to(make_host, option, ident, baud) -> None:
    host = make_host((11,))
    host.write(11, 'shutdown', 53)
    assert host.error(11, Instruction.FACTORY_RESET, bytes((option,))) == Error.NONE
    host.wait(BOOT_TIME + 0.02)
    assert host.send(BROADCAST, Instruction.PING)[0][0] == ident
    assert host.read(ident, 'shutdown') == 52
    assert host.read(ident, 'baud_rate') == baud


def test_a_factory_reset_of_everything_at_once_is_refused(host) -> None:
    host.send(BROADCAST, Instruction.FACTORY_RESET, b'\xff')
    assert len(host.send(BROADCAST, Instruction.PING)) == 3
    assert host.error(11, Instruction.FACTORY_RESET, b'\x07') == Error.DATA_RANGE


def test_clear_forgets_whole_turns(make_host) -> None:
    host = make_host((11,), settings={'operating_mode': 4})
    host.write(11, 'torque_enable', 1)
    host.write(11, 'goal_position', 2048 + 4096)
    host.wait(3.0)
    assert host.read(11, 'present_position') == pytest.approx(6144, abs=3)
    assert host.error(11, Instruction.CLEAR, b'\x01DXL\x22') == Error.NONE
    assert host.read(11, 'present_position') == pytest.approx(2048, abs=3)
    assert host.error(11, Instruction.CLEAR, b'\x02DXL\x22') == Error.DATA_RANGE


def test_a_new_id_is_answered_to_at_once(host) -> None:
    assert host.write(11, 'id', 40) == Error.NONE
    assert host.send(11, Instruction.PING) == []
    assert host.read(40, 'id') == 40


def test_an_error_of_the_hardware_shows_in_every_answer_until_a_reboot(host) -> None:
    host.write(11, 'torque_enable', 1)
    host.bus.servos[0].fail(HardwareError.OVERLOAD)
    assert host.error(11, Instruction.PING) == ALERT
    assert host.read(11, 'torque_enable') == 0
    assert host.write(11, 'torque_enable', 1) == ALERT | Error.RESULT_FAIL
    assert host.read(11, 'hardware_error_status') == 0x20
    host.error(11, Instruction.REBOOT)
    host.wait(BOOT_TIME + 0.02)
    assert host.write(11, 'torque_enable', 1) == Error.NONE


def test_an_error_outside_of_the_shutdown_mask_leaves_the_torque_on(host) -> None:
    host.write(11, 'torque_enable', 1)
    host.bus.servos[0].fail(HardwareError.ENCODER)
    assert host.error(11, Instruction.PING) == ALERT
    assert host.read(11, 'torque_enable') == 1


def test_a_setting_that_is_none_is_refused(make_host) -> None:
    with pytest.raises(ConfigError, match="'torque_enable': expected an EEPROM item"):
        make_host(settings={'torque_enable': 1})
    with pytest.raises(ConfigError, match='shutdown is 99'):
        make_host(settings={'shutdown': 99})
