# SPDX-License-Identifier: Apache-2.0
"""The packets of the cycle against dynamixel-sdk's own packet layer."""

from dynamixel_sdk import BROADCAST_ID, COMM_SUCCESS, GroupSyncRead, Protocol2PacketHandler
from hypothesis import given, settings, strategies
import pytest
from r3l_driver.core import packet
from r3l_driver.core.packet import crc16, decode_fast, Reply, Scanner, Status

SDK = Protocol2PacketHandler()
# Many headers and pieces of them, which stuffing is about.
NASTY = strategies.binary(max_size=40) | strategies.lists(
    strategies.sampled_from([b'\xff\xff\xfd', b'\xff\xff', b'\xfd', b'\xff\xff\xfd\x00', b'\x55']),
    max_size=8,
).map(b''.join)
IDS = strategies.integers(0, 252)


class Line:
    """What the SDK needs of a port: takes what is written, gives what is told."""

    def __init__(self, data=b''):
        self.is_using = False
        self.written = b''
        self._data = data

    def clearPort(self):  # noqa: N802
        pass

    def writePort(self, data):  # noqa: N802
        self.written += bytes(data)
        return len(data)

    def readPort(self, length):  # noqa: N802
        data, self._data = self._data[:length], self._data[max(0, length) :]
        return data

    def setPacketTimeout(self, length):  # noqa: N802
        pass

    def isPacketTimeout(self):  # noqa: N802
        return not self._data


def sdk_encode(number, instruction, parameters):
    line, length = Line(), len(parameters) + 3
    request = [0, 0, 0, 0, number, length & 0xFF, length >> 8, instruction, *parameters, 0, 0]
    # By itself, txPacket drops the packet that addStuffing returns and sends the bare one.
    request = SDK.addStuffing(request)
    assert SDK.txPacket(line, request) == COMM_SUCCESS
    return line.written


def status(number, error, data):
    return sdk_encode(number, packet.STATUS, bytes((error,)) + data)


def fast_reply(length, parts):
    """Build the reply to a fast sync read with the SDK's check sum."""
    count = 1 + len(parts) * (length + 4)
    made = b'\xff\xff\xfd\x00\xfe' + count.to_bytes(2, 'little') + b'\x55'
    for number, (error, data) in parts.items():
        made += bytes((error, number)) + data
        made += SDK.updateCRC(0, list(made), len(made)).to_bytes(2, 'little')
    return made


@given(strategies.binary(max_size=300), strategies.integers(0, 0xFFFF), strategies.data())
def test_the_check_sum_is_that_of_the_sdk_in_any_pieces(data, start, draw):
    assert crc16(data, start) == SDK.updateCRC(start, list(data), len(data))
    cut = draw.draw(strategies.integers(0, len(data)))
    assert crc16(data[cut:], crc16(data[:cut], start)) == crc16(data, start)


@given(IDS, strategies.sampled_from([0x02, 0x03, 0x55, 0x83]), NASTY)
def test_an_instruction_is_encoded_as_by_the_sdk(number, instruction, parameters):
    assert packet.encode(number, instruction, parameters) == sdk_encode(
        number, instruction, parameters
    )


@given(
    strategies.lists(IDS, min_size=1, max_size=20, unique=True),
    strategies.integers(0, 661),
    strategies.integers(1, 200),
    strategies.booleans(),
)
def test_a_sync_read_is_that_of_the_sdk(ids, address, length, fast):
    line = Line()
    group = GroupSyncRead(line, SDK, address, length)
    for number in ids:
        group.addParam(number)
    (group.fastSyncReadTxPacket if fast else group.txPacket)()
    assert packet.sync_read(ids, address, length, fast) == line.written


@settings(max_examples=40)
@given(
    strategies.dictionaries(
        IDS, strategies.binary(min_size=4, max_size=4) | strategies.just(b'\xff\xff\xfd\xff'),
        min_size=1, max_size=20,
    ),
)  # fmt: skip
def test_a_sync_write_is_that_of_the_sdk(values):
    line = Line()
    parameters = [b for number, value in values.items() for b in (number, *value)]
    SDK.syncWriteTxOnly(line, 116, 4, parameters, len(parameters))
    ours = packet.sync_write(116, values)
    if b'\xff\xff\xfd' not in bytes(parameters):  # else the SDK forgets to stuff
        assert ours == line.written
    where = b'\x74\x00\x04\x00'
    assert ours == sdk_encode(packet.BROADCAST, packet.SYNC_WRITE, where + bytes(parameters))


def test_a_sync_write_of_unequal_values_is_refused():
    with pytest.raises(ValueError, match=r'\[1, 2\] bytes: expected one number'):
        packet.sync_write(116, {1: b'a', 2: b'bc'})


@settings(max_examples=40)
@given(
    strategies.lists(strategies.tuples(IDS, strategies.integers(0, 255), NASTY), max_size=6),
    strategies.data(),
)
def test_status_packets_of_the_sdk_are_read_however_the_stream_is_cut(made, draw):
    stream = b''.join(status(*fields) for fields in made)
    scanner, found = Scanner(), []
    while stream:
        cut = draw.draw(strategies.integers(1, len(stream)))
        found += scanner.feed(stream[:cut])
        stream = stream[cut:]
    assert found == [Status(*fields) for fields in made]
    assert scanner.damaged == 0


@given(IDS, strategies.integers(0, 255), NASTY)
def test_a_status_packet_is_read_as_by_the_sdk(number, error, data):
    stream = status(number, error, data)
    received, result = SDK.rxPacket(Line(stream), False)
    assert result == COMM_SUCCESS
    length = received[5] | received[6] << 8
    theirs = Status(received[4], received[8], bytes(received[9 : 7 + length - 2]))
    found = Scanner().feed(stream)
    assert found == [Status(number, error, data)]
    if data.count(b'\xff\xff\xfd') <= 1:  # having removed one stuffing, the SDK sees others
        assert found == [theirs]


@given(strategies.binary(max_size=60), strategies.tuples(IDS, strategies.just(0), NASTY))
def test_a_packet_after_noise_is_read(noise, fields):
    # The gap ends what noise may have begun; a header could still be cut by what follows.
    good = status(*fields)
    found = Scanner().feed(noise + bytes(packet.MAX_LENGTH) + good)
    assert found[-1:] == [Status(*fields)]


@given(IDS, strategies.binary(min_size=1, max_size=20), strategies.data())
def test_a_damaged_packet_is_never_read_as_whole(number, data, draw):
    good = bytearray(status(number, 0, data))
    bit = draw.draw(strategies.integers(0, 8 * len(good) - 1))
    good[bit // 8] ^= 1 << bit % 8
    assert Scanner().feed(bytes(good)) == []


@settings(max_examples=40)
@given(strategies.data(), strategies.integers(1, 24))
def test_a_fast_reply_is_read_as_by_the_sdk(draw, length):
    parts = draw.draw(
        strategies.dictionaries(
            IDS,
            strategies.tuples(
                strategies.sampled_from([0, 128]),
                strategies.binary(min_size=length, max_size=length),
            ),
            min_size=1, max_size=9,
        )
    )  # fmt: skip
    stream = fast_reply(length, parts)
    group = GroupSyncRead(Line(stream), SDK, 224, length)
    for number in parts:
        group.addParam(number)
    assert group.fastSyncReadRxPacket() == COMM_SUCCESS
    found = decode_fast(stream, list(parts), length)
    assert found == {number: Reply(*part) for number, part in parts.items()}
    assert {number: bytes(data) for number, data in group.data_dict.items()} == {
        number: reply.data for number, reply in found.items()
    }
    assert packet.fast_reply_size(len(parts), length) == len(stream)
    assert packet.BROADCAST == BROADCAST_ID


@given(strategies.data())
def test_of_a_fast_reply_only_what_is_in_front_of_the_damage_is_used(draw):
    parts = {number: (0, bytes([number] * 16)) for number in (11, 12, 13, 21)}
    stream = bytearray(fast_reply(16, parts))
    place = draw.draw(strategies.integers(8, len(stream) - 1))
    stream[place] ^= draw.draw(strategies.integers(1, 255))
    found = decode_fast(stream, list(parts), 16)
    whole = (place - 8) // 20
    assert found == {n: Reply(*part) for n, part in list(parts.items())[:whole]}


def test_a_fast_reply_to_another_request_is_not_used():
    parts = {number: (0, bytes(16)) for number in (11, 12)}
    stream = fast_reply(16, parts)
    assert decode_fast(stream, [11, 12], 17) == {}
    assert decode_fast(stream, [12, 11], 16) == {}
    assert decode_fast(b'\x01\xff' + stream, [11, 12], 16).keys() == {11, 12}
