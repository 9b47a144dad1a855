# SPDX-License-Identifier: Apache-2.0
"""The bus against a far end that misbehaves as it is told."""

import time

from hypothesis import given, HealthCheck, settings, strategies
import pytest
from r3l_driver.core.bus import Bus
from r3l_driver.core.bus_errors import NoReply, StatusError
from r3l_driver.core.control_table import table_of_model
from r3l_driver.core.late import LateReplies
from r3l_driver.core.packet import BROADCAST, Reply
from r3l_driver.core.port import SerialPort
from r3l_driver.emulator.wire import encode_fast_status, encode_status, Instruction
from r3l_node.core.errors import ConfigError

TABLE = table_of_model('XM430-W210')
PATIENT = 20.0  # [s]; only lost replies wait so long, and no test here loses one with it
SHORT = 0.2  # [s]


@pytest.fixture
def bus(peer):
    port = SerialPort(peer.path, 1_000_000, reply_timeout=PATIENT)
    yield Bus(port)
    port.close()


@pytest.fixture
def hasty(peer):
    port = SerialPort(peer.path, 1_000_000, reply_timeout=SHORT)
    yield Bus(port, late_reply=2.0)
    port.close()


def words(packet):
    """Return the 16-bit words that a read's parameters begin with: address and length."""
    return packet.parameters[0] | packet.parameters[1] << 8, packet.parameters[2]


def answer(packet, data=b'', error=0, ident=None):
    return encode_status(packet.ident if ident is None else ident, error, data)


def ramp(packet):
    """Answer reads with bytes that say where they come from, everything else with nothing."""
    if packet.code != Instruction.READ:
        return answer(packet)
    address, length = words(packet)
    return answer(packet, bytes(k & 0xFF for k in range(address, address + length)))


def test_a_ping_tells_model_and_firmware(peer, bus):
    peer.script = lambda packet: [(0.0, answer(packet, b'\x06\x04\x2d'))]
    assert bus.ping(11) == (1030, 45)


def test_an_item_is_read_with_its_sign(peer, bus):
    peer.script = lambda packet: [
        (0.0, answer(packet, b'\xfe\xff\xff\xff\0\0\0\0'[: words(packet)[1]]))
    ]
    assert bus.read(11, TABLE['present_position']) == -2
    assert peer.seen[-1].code == Instruction.READ
    assert words(peer.seen[-1])[0] == 132


def test_an_item_is_written_as_on_the_wire(peer, bus):
    peer.script = lambda packet: [(0.0, answer(packet))]
    bus.write(11, TABLE['goal_position'], -2)
    assert peer.seen[-1][:3] == (11, Instruction.WRITE, b'\x74\x00\xfe\xff\xff\xff')
    with pytest.raises(ConfigError, match='torque_enable is 2: expected 0 to 1'):
        bus.write(11, TABLE['torque_enable'], 2)


def test_what_looks_like_a_header_is_stuffed_on_its_way(peer, bus):
    peer.script = lambda packet: [(0.0, answer(packet))]
    bus.write_bytes(11, 224, b'\xff\xff\xfd\x00\xff\xff\xfd')
    assert peer.seen[-1].parameters == b'\xe0\x00\xff\xff\xfd\x00\xff\xff\xfd'


def test_an_error_of_the_servo_is_named(peer, bus):
    peer.script = lambda packet: [(0.0, answer(packet, error=0x84))]
    with pytest.raises(StatusError, match='servo 11 answers Data Range Error') as caught:
        bus.read(11, TABLE['present_position'])
    assert caught.value.code == 4
    assert bus.counters.refused == 1


def test_the_alert_bit_is_no_error_and_is_kept(peer, bus):
    peer.script = lambda packet: [(0.0, answer(packet, error=0x80))]
    bus.write(11, TABLE['led'], 1)
    peer.script = lambda packet: [
        (0.0, answer(packet, bytes(words(packet)[1]), error=alert, ident=ident))
        for ident, alert in ((11, 0x80), (12, 0))
    ]
    replies = bus.sync_read([11, 12], 224, 16)
    assert replies == {11: Reply(0x80, bytes(16)), 12: Reply(0, bytes(16))}


def test_silence_is_no_value(peer, hasty):
    with pytest.raises(NoReply, match='servo 11 does not answer'):
        hasty.read(11, TABLE['present_position'])
    assert hasty.sync_read([11, 12], 224, 16) == {}
    assert hasty.counters.timeouts == 2


def test_replies_of_other_ids_and_lengths_are_not_accepted(peer, bus):
    peer.script = lambda packet: [
        (0.0, answer(packet, b'\x01' * words(packet)[1], ident=12)),
        (0.0, answer(packet, b'\x02' * (words(packet)[1] + 1))),
        (0.0, answer(packet, b'\x03' * words(packet)[1])),
    ]
    assert bus.read(11, TABLE['torque_enable']) == 3
    assert bus.counters.foreign == 2


def test_damaged_packets_and_noise_are_passed_over(peer, bus):
    def script(packet):
        good = answer(packet, b'\x05' * words(packet)[1])
        return [(0.0, good[:-1] + bytes((good[-1] ^ 1,))), (0.0, b'\xff\xff\xfd\x00\x0b' + good)]

    peer.script = script
    assert bus.read(11, TABLE['present_temperature']) == 5
    assert bus.counters.damaged >= 1


def test_a_late_reply_is_not_taken_for_the_answer_to_the_next_request(peer, hasty):
    late = []

    def script(packet):
        reply = ramp(packet)
        if not late:
            late.append(reply)
            return []
        # The late one arrives just after the next request, in front of the true answer.
        return [(0.0, late[0] + reply)]

    peer.script = script
    with pytest.raises(NoReply):
        hasty.read_bytes(11, 100, 2)
    assert hasty.read_bytes(11, 200, 2) == bytes((200, 201))
    assert hasty.counters.foreign == 1


def test_a_doubled_reply_is_not_taken_for_the_answer_to_the_next_request(peer, bus):
    previous = [b'']

    def script(packet):
        reply = ramp(packet)
        doubled, previous[0] = previous[0], reply
        return [(0.0, doubled + reply)]

    peer.script = script
    for address in (10, 20, 30, 40):
        assert bus.read_bytes(11, address, 2) == bytes((address, address + 1))
    assert bus.counters.foreign == 3


def test_a_late_confirmation_is_not_believed_but_the_value_read_back(peer, hasty):
    memory = {}

    def script(packet):
        if packet.code == Instruction.READ:
            address, length = words(packet)
            return [(0.0, answer(packet, bytes([memory.get(address, 0)]) * length))]
        if len(peer.seen) == 1:
            return []
        # Confirms the lost write before; this one it does not carry out.
        return [(0.0, answer(packet))]

    peer.script = script
    with pytest.raises(NoReply):
        hasty.write(11, TABLE['led'], 1)
    with pytest.raises(NoReply, match='did not confirm a write to address 64'):
        hasty.write(11, TABLE['torque_enable'], 1)
    memory[64] = 1
    hasty.write(11, TABLE['torque_enable'], 1)


def test_where_every_length_may_come_late_a_read_waits(peer, hasty):
    def script(packet):
        return [] if len(peer.seen) <= 4 else [(0.0, ramp(packet))]

    peer.script = script
    for _ in range(4):
        with pytest.raises(NoReply):
            hasty.read_bytes(11, 100, 2)
    begun = time.monotonic()
    assert hasty.read_bytes(11, 100, 2) == bytes((100, 101))
    assert time.monotonic() - begun > 0.5
    assert {words(packet)[1] for packet in peer.seen[:4]} == {2, 3, 4, 5}


def test_a_sync_read_takes_each_servo_once_and_names_none_that_is_missing(peer, hasty):
    def script(packet):
        length = words(packet)[1]
        parts = [answer(packet, bytes((k,)) * length, ident=ident)
                 for k, ident in enumerate((11, 11, 13, 99))]  # fmt: skip
        return [(0.0, b''.join(parts))]

    peer.script = script
    replies = hasty.sync_read([11, 12, 13], 224, 16)
    assert replies == {11: Reply(0, bytes(16)), 13: Reply(0, b'\x02' * 16)}
    assert hasty.counters.foreign == 2
    assert peer.seen[-1].ident == BROADCAST


@pytest.mark.parametrize('silent', [11, 12, 13])
def test_of_a_fast_read_the_servos_in_front_of_a_gap_are_read(peer, hasty, silent):
    def script(packet):
        length = words(packet)[1]
        blocks = [(0, ident, bytes((ident,)) * length) for ident in (11, 12, 13)]
        size = 3 * (length + 4)
        pieces = encode_fast_status(blocks, size)
        return [(0.0, piece) for piece, (_, ident, _) in zip(pieces, blocks, strict=True)
                if ident != silent]  # fmt: skip

    peer.script = script
    replies = hasty.sync_read([11, 12, 13], 224, 16, fast=True)
    assert replies == {n: Reply(0, bytes((n,)) * 16) for n in (11, 12, 13) if n < silent}


def test_a_sync_write_is_one_packet_without_an_answer(peer, bus):
    bus.sync_write(116, {11: b'\x01\0\0\0', 12: b'\x02\0\0\0'})
    bus.sync_write(116, {})
    peer.script = lambda packet: [(0.0, answer(packet))]
    bus.write(11, TABLE['led'], 1)  # so that the first has arrived
    assert [packet.code for packet in peer.seen] == [Instruction.SYNC_WRITE, Instruction.WRITE]
    assert peer.seen[0].parameters == b'\x74\0\x04\0\x0b\x01\0\0\0\x0c\x02\0\0\0'


def test_servos_are_found_one_by_one_or_all_at_once(peer, hasty):
    def script(packet):
        if packet.ident == BROADCAST:
            return [(0.0, answer(packet, b'\x06\x04\x2d', ident=ident)) for ident in (13, 11)]
        return [(0.0, answer(packet, b'\x06\x04\x2d'))] if packet.ident == 11 else []

    peer.script = script
    assert hasty.scan([10, 11, 12]) == {11: (1030, 45)}
    assert list(hasty.scan().items()) == [(11, (1030, 45)), (13, (1030, 45))]


def test_reboot_and_factory_reset_are_confirmed(peer, bus):
    peer.script = lambda packet: [(0.0, answer(packet))]
    bus.reboot(11)
    bus.factory_reset(11)
    assert [packet[:3] for packet in peer.seen] == [
        (11, Instruction.REBOOT, b''), (11, Instruction.FACTORY_RESET, b'\x02'),
    ]  # fmt: skip
    with pytest.raises(ValueError, match='id is 254: expected 0 to 252'):
        bus.reboot(254)


@settings(max_examples=40, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(noise=strategies.binary(min_size=1, max_size=80), flip=strategies.integers(0, 200))
def test_no_noise_is_ever_a_value(peer, noise, flip):
    port = SerialPort(peer.path, 1_000_000, reply_timeout=0.004)
    bus = Bus(port, late_reply=0.0)

    def script(packet):
        # Right but for one bit, then noise.
        reply = bytearray(ramp(packet))
        bit = flip % (8 * len(reply))
        reply[bit // 8] ^= 1 << bit % 8
        return [(0.0, bytes(reply) + noise)]

    peer.script = script
    try:
        with pytest.raises(NoReply):
            bus.read_bytes(11, 132, 4)
        assert bus.sync_read([11, 12], 224, 16) == {}
        assert bus.sync_read([11, 12], 224, 17, fast=True) == {}
    finally:
        port.close()


def test_late_replies_are_waited_for_no_longer_than_the_horizon():
    now = [10.0]
    late = LateReplies(0.1, lambda: now[0])
    assert late.clear_length([11, 12], 16, 19) == 16
    late.asked([11, 12], 16)
    assert late.clear_length([11, 12], 16, 19) == 17
    late.asked([11, 12], 17)
    late.missed([12], 17)
    assert late.clear_length([11], 16, 19) == 16
    late.missed([12], 16)
    assert late.clear_length([11, 12], 16, 19) == 18
    assert late.clear_length([11, 12], 16, 17) is None
    assert late.remaining(12, 17) == pytest.approx(0.1)
    now[0] += 0.2
    assert late.clear_length([11, 12], 16, 17) == 16
    assert late.remaining(12, 17) == 0.0
    late.asked([11], 16)
    assert late.clear_length([11, 12], 16, 17) == 16  # 12 was asked for 17 last
