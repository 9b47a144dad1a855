# SPDX-License-Identifier: Apache-2.0
"""How faults are written, drawn and put to work."""

from hypothesis import given, settings
from hypothesis import strategies as st
import pytest
from r3l_driver.emulator.faults import (
    Fault,
    format_schedule,
    Kind,
    parse_fault,
    parse_schedule,
)
from r3l_driver.emulator.schedules import DRILL, random_schedule
from r3l_driver.emulator.servo import BOOT_TIME
from r3l_driver.emulator.wire import Instruction
from r3l_node.core.errors import ConfigError


def test_a_line_says_kind_number_and_keywords() -> None:
    assert parse_fault('drop 0.3 for 2') == Fault(Kind.DROP, 0.3, None, 0.3, None, 2.0)
    late = parse_fault('delay 0.05 id 21 p 0.5 count 1')
    assert late == Fault(Kind.DELAY, 0.05, 21, 0.5, 1, None)
    assert parse_fault(' unplug for 3 ') == Fault(Kind.UNPLUG, duration=3.0)
    assert parse_fault('corrupt').probability == 1.0


@pytest.mark.parametrize(
    ('line', 'message'),
    [
        ('', 'expected it to begin with one of drop'),
        ('explode', 'expected it to begin with one of drop'),
        ('drop 2', 'probability is 2 in .*: expected 0 to 1'),
        ('delay', "delay .* is '' in .*: expected a number"),
        ('delay x', "delay .* is ''|delay .* is 'x'"),
        ('mute', "expected 'id <servo>' with mute"),
        ('mute id 2.5', "id is '2.5' in .*: expected a whole number"),
        ('mute 3 id 2', "'3' in .*: expected no number after mute"),
        ('drop for -1', 'for is -1 in .*: expected 0 or more'),
        ('drop p 1.5', 'p is 1.5 in .*: expected 0 to 1'),
        ('drop at 3', "expected no 'at' outside of a schedule"),
        ('sag nan', "voltage .* is 'nan'"),
    ],
)
def test_a_line_that_cannot_be_understood_is_told(line, message) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_fault(line)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 60))
def test_a_schedule_is_the_same_for_a_seed_and_survives_being_written(seed, count) -> None:
    schedule = random_schedule(seed, 600.0, (11, 12), count)
    assert schedule == random_schedule(seed, 600.0, (11, 12), count)
    assert len(schedule) == count
    assert all(10.0 <= at < 600.0 for at, _ in schedule)
    assert parse_schedule(format_schedule(schedule)) == schedule


def test_a_drill_has_every_kind() -> None:
    kinds = [fault.kind for _, fault in random_schedule(1, 1200.0, (11,), 60)]
    assert set(kinds) == set(DRILL)
    assert min(kinds.count(kind) for kind in DRILL) >= 60 // len(DRILL)


def test_a_schedule_needs_room_and_times() -> None:
    with pytest.raises(ConfigError, match='expected more than 10 s'):
        random_schedule(1, 5.0, (11,), 3)
    with pytest.raises(ConfigError, match="expected 'at <seconds>'"):
        parse_schedule('# nothing\ndrop 0.5')
    assert parse_schedule('at 3 drop  # late\n\nat 1 reset id 11')[0][1].kind is Kind.RESET


def _ask(host, ident=11):
    return host.send(ident, Instruction.PING)


def test_dropped_answers_are_lost_and_the_next_is_not(host) -> None:
    host.bus.inject(parse_fault('drop count 2'))
    assert [len(_ask(host)) for _ in range(4)] == [0, 0, 1, 1]


def test_a_fault_of_one_servo_leaves_the_others_alone(host) -> None:
    host.bus.inject(parse_fault('drop id 12'))
    assert _ask(host, 12) == []
    assert len(_ask(host, 11)) == 1
    assert [i for i, _, _ in host.sync_read((11, 12, 13), 'id', 1)] == [11, 13]


def test_probabilities_are_those_of_the_seed(make_host) -> None:
    counts = []
    for _ in range(2):
        host = make_host(seed=5)
        host.bus.inject(parse_fault('drop 0.3'))
        counts.append([len(_ask(host)) for _ in range(200)])
    assert counts[0] == counts[1]
    assert 110 <= sum(counts[0]) <= 170


def test_corrupt_answers_have_a_wrong_bit(host) -> None:
    whole = host.bus.feed(b'\xff\xff\xfd\x00\x0b\x03\x00\x01' + _crc_of_ping())[0][1]
    host.bus.inject(parse_fault('corrupt'))
    wrong = host.bus.feed(b'\xff\xff\xfd\x00\x0b\x03\x00\x01' + _crc_of_ping())[0][1]
    assert sum((a ^ b).bit_count() for a, b in zip(whole, wrong, strict=True)) == 1


def _crc_of_ping() -> bytes:
    from r3l_driver.emulator.wire import encode

    return encode(11, Instruction.PING)[-2:]


def test_a_fault_ends_after_its_time(host) -> None:
    host.bus.inject(parse_fault('mute id 11 for 0.5'))
    assert _ask(host) == []
    host.wait(0.4)
    assert _ask(host) == []
    host.wait(0.2)
    assert len(_ask(host)) == 1
    assert host.bus.injector.quiet


def test_clear_ends_what_is_at_work(host) -> None:
    host.bus.inject(parse_fault('mute id 11'))
    host.bus.inject(parse_fault('mute id 12'))
    host.bus.inject(parse_fault('clear id 12'))
    assert (len(_ask(host, 11)), len(_ask(host, 12))) == (0, 1)
    host.bus.inject(parse_fault('clear'))
    assert len(_ask(host)) == 1


def test_a_silent_reset_loses_the_ram_without_a_word(host) -> None:
    host.write(11, 'torque_enable', 1)
    host.bus.inject(parse_fault('reset id 11'))
    host.wait(BOOT_TIME + 0.02)
    assert host.read(11, 'torque_enable') == 0
    assert host.error(11, Instruction.PING) == 0


@pytest.mark.parametrize(
    ('kind', 'bit', 'torque'), [('overload', 0x20, 0), ('electrical', 0x10, 0), ('encoder', 8, 1)]
)
def test_errors_of_the_hardware_can_be_injected(host, kind, bit, torque) -> None:
    host.write(11, 'torque_enable', 1)
    host.bus.inject(parse_fault(f'{kind} id 11'))
    assert host.read(11, 'hardware_error_status') == bit
    assert host.read(11, 'torque_enable') == torque


def test_a_spike_shows_for_its_reads_only(host) -> None:
    host.bus.inject(parse_fault('spike 1.5 id 11 count 2'))
    positions = [host.read(11, 'present_position') for _ in range(4)]
    assert positions == [2048 + 978, 2048 + 978, 2048, 2048]


def test_a_schedule_happens_at_its_times(make_host) -> None:
    schedule = parse_schedule('at 0.5 mute id 11 for 0.2\nat 0.2 reset id 12')
    host = make_host(schedule=schedule)
    host.wait(0.25)
    assert (len(_ask(host, 11)), len(_ask(host, 12))) == (1, 0)
    host.wait(0.3)
    assert (len(_ask(host, 11)), len(_ask(host, 12))) == (0, 1)


def test_a_fault_of_a_servo_that_is_not_there_is_refused(host) -> None:
    with pytest.raises(ConfigError, match='servo 99: expected one of 11, 12, 13'):
        host.bus.inject(parse_fault('mute id 99'))
