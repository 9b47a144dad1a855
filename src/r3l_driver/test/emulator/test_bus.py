# SPDX-License-Identifier: Apache-2.0
"""Group instructions, times on the wire and the record."""

import pytest
from r3l_driver.core.config import IDS
from r3l_driver.emulator.faults import parse_fault
from r3l_driver.emulator.main import make_bus
from r3l_driver.emulator.record import read_record, Record
from r3l_driver.emulator.timing import WireTiming
from r3l_driver.emulator.wire import BROADCAST, encode, Instruction
from r3l_node.core.errors import ConfigError


@pytest.mark.parametrize('fast', [False, True])
def test_behind_a_silent_servo_nobody_answers_a_group_read(make_host, fast) -> None:
    host = make_host(IDS)
    raw = encode(
        BROADCAST,
        Instruction.FAST_SYNC_READ if fast else Instruction.SYNC_READ,
        host.span('present_position', 4) + bytes(IDS),
    )
    whole = b''.join(data for _, data in host.bus.feed(raw))
    host.bus.inject(parse_fault('mute id 21'))
    cut = b''.join(data for _, data in host.bus.feed(raw))
    assert len(whole) == (8 + 9 * 8 if fast else 9 * 15)
    assert cut == whole[: 8 + 3 * 8 if fast else 3 * 15]


def test_a_sync_write_reaches_each_servo_with_its_own_value(host) -> None:
    assert host.sync_write('goal_position', {11: 2100, 12: 2200, 99: 1}) == []
    assert [host.read(i, 'goal_position') for i in (11, 12, 13)] == [2100, 2200, 2048]


def test_a_bulk_write_and_read_have_an_address_per_servo(host) -> None:
    led, goal = host.span('led', 1), host.span('goal_position', 4)
    body = b'\x0b' + led + b'\x01' + b'\x0c' + goal + (2100).to_bytes(4, 'little')
    assert host.send(BROADCAST, Instruction.BULK_WRITE, body) == []
    answers = host.send(BROADCAST, Instruction.BULK_READ, b'\x0b' + led + b'\x0c' + goal)
    assert answers == [(11, 0, b'\x01'), (12, 0, (2100).to_bytes(4, 'little'))]


def test_answers_come_when_the_wire_is_through_with_them() -> None:
    bus = make_bus((11, 12), settings={'return_delay_time': 250}, baud=1_000_000)
    request = encode(BROADCAST, Instruction.SYNC_READ, b'\x84\x00\x04\x00\x0b\x0c')
    (first, one), (second, two) = bus.feed(request)
    assert (len(request), len(one), len(two)) == (16, 15, 15)
    assert first == pytest.approx((16 + 15) * 10e-6 + 500e-6)
    assert second - first == pytest.approx(15 * 10e-6 + 500e-6)


def test_the_speed_of_the_wire_counts() -> None:
    bus = make_bus((11,), settings={'return_delay_time': 0}, baud=4_000_000)
    ((delay, answer),) = bus.feed(encode(11, Instruction.PING))
    assert delay == pytest.approx((10 + len(answer)) * 2.5e-6)


def test_a_delayed_answer_is_late_and_a_duplicated_comes_twice() -> None:
    bus = make_bus((11,), timing=False)
    bus.inject(parse_fault('delay 0.05 count 1'))
    bus.inject(parse_fault('duplicate count 1'))
    answers = bus.feed(encode(11, Instruction.PING))
    assert [delay for delay, _ in answers] == [0.05, 0.05]
    assert answers[0][1] == answers[1][1]


def test_a_servo_at_another_speed_hears_nothing() -> None:
    bus = make_bus((11,), baud=1_000_000, timing=False)
    bus.line_baud = 57_600
    assert bus.feed(encode(11, Instruction.PING)) == []
    bus.line_baud = 1_000_000
    assert len(bus.feed(encode(11, Instruction.PING))) == 1


def test_goals_are_told_before_the_packet_behind_them_is_done(host) -> None:
    seen = []
    host.bus.on_goals = lambda: seen.append(host.bus.servos[0].registers.get('led'))
    goal = encode(BROADCAST, Instruction.SYNC_WRITE, b'\x74\x00\x04\x00\x0b\x00\x08\x00\x00')
    host.bus.feed(goal + encode(11, Instruction.WRITE, b'\x41\x00\x01') + goal)
    assert seen == [0, 1]


def test_the_record_has_what_a_drill_needs(tmp_path, make_host) -> None:
    path = tmp_path / 'sub' / 'emulator.jsonl'
    with Record(path, clock=lambda: 7.0) as record:
        host = make_host(record=record)
        host.write(11, 'torque_enable', 1)
        host.write(11, 'bus_watchdog', 5)
        host.sync_write('goal_position', {11: 2100, 12: 2200})
        host.write(12, 'goal_position', 9999)
        host.wait(0.3)
        host.bus.inject(parse_fault('reset id 12'))
        host.error(11, Instruction.REBOOT)
    events = read_record(path)
    kinds = [event['event'] for event in events]
    for kind in ('torque', 'setting', 'goal', 'refused', 'watchdog', 'state', 'reboot'):
        assert kind in kinds
    goal = next(event for event in events if event['event'] == 'goal')
    assert goal['goals'] == {'11': 2100, '12': 2200}
    trip = next(event for event in events if event['event'] == 'watchdog')
    assert trip['t'] == pytest.approx(0.11)
    assert (trip['id'], trip['mono']) == (11, 7.0)
    assert host.bus.goal_range[12] == (2200, 2200)
    assert kinds[-3:] == ['fault', 'silent_reset', 'reboot']


def test_a_line_cut_short_is_not_read(tmp_path) -> None:
    path = tmp_path / 'record.jsonl'
    path.write_text('{"event":"a"}\n{"eve')
    assert read_record(path) == [{'event': 'a'}]


def test_ids_must_be_different_and_speeds_known() -> None:
    with pytest.raises(ConfigError, match='expected each once'):
        make_bus((11, 11))
    with pytest.raises(ConfigError, match='baud rate is 12345'):
        WireTiming(12345)
