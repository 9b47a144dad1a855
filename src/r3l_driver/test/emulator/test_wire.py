# SPDX-License-Identifier: Apache-2.0
"""The wire format: round trips, noise, and the SDK's checksum."""

from dynamixel_sdk import Protocol2PacketHandler
from hypothesis import given, settings
from hypothesis import strategies as st
import pytest
from r3l_driver.emulator.wire import (
    BROADCAST,
    crc16,
    Decoder,
    encode,
    encode_fast_status,
    encode_status,
    HEADER,
    Instruction,
    MAX_LENGTH,
    STATUS,
)

# Bytes that headers are made of, more often than chance would have them.
BYTES = st.lists(
    st.one_of(st.integers(0, 255), st.sampled_from([0xFF, 0xFF, 0xFD, 0x00])), max_size=60
).map(bytes)
IDS = st.one_of(st.integers(0, 0xFC), st.just(BROADCAST))
CODES = st.sampled_from([*Instruction, STATUS])
quick = settings(max_examples=60, deadline=None)
PACKETS = st.lists(st.tuples(IDS, CODES, BYTES), min_size=1, max_size=4)


def test_packets_are_those_of_the_protocols_description() -> None:
    assert encode(1, Instruction.PING).hex(' ') == 'ff ff fd 00 01 03 00 01 19 4e'
    status = encode_status(1, 0, bytes([0x06, 0x04, 0x26]))
    assert status.hex(' ') == 'ff ff fd 00 01 07 00 55 00 06 04 26 65 5d'
    sync = encode(BROADCAST, Instruction.SYNC_READ, bytes([0x84, 0, 4, 0, 1, 2]))
    assert sync[-2:].hex(' ') == 'ce fa'


@quick
@given(BYTES, BYTES)
def test_the_crc_is_the_sdks_and_can_be_continued(head, tail) -> None:
    whole = head + tail
    assert crc16(whole) == Protocol2PacketHandler().updateCRC(0, whole, len(whole))
    assert crc16(tail, crc16(head)) == crc16(whole)


@quick
@given(IDS, CODES, BYTES)
def test_decoding_gives_back_what_was_encoded(ident, code, parameters) -> None:
    raw = encode(ident, code, parameters)
    (packet,) = Decoder().feed(raw)
    assert packet == (ident, code, parameters, len(raw), True)


@quick
@given(IDS, CODES, BYTES)
def test_no_header_is_hidden_in_a_body(ident, code, parameters) -> None:
    assert HEADER not in encode(ident, code, parameters)[len(HEADER) : -2]


@quick
@given(PACKETS, st.data())
def test_how_a_stream_is_cut_makes_no_difference(packets, data) -> None:
    stream = b''.join(encode(*packet) for packet in packets)
    decoder = Decoder()
    decoded = []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        decoded += decoder.feed(stream[:size])
        stream = stream[size:]
    assert [packet[:3] for packet in decoded] == packets
    assert decoder.pending == 0


@quick
@given(st.binary(max_size=300), st.data())
def test_noise_gives_the_same_packets_however_it_is_cut(noise, data) -> None:
    whole = Decoder().feed(noise)
    cut = data.draw(st.integers(0, len(noise)))
    decoder = Decoder()
    assert decoder.feed(noise[:cut]) + decoder.feed(noise[cut:]) == whole


@quick
@given(BYTES, IDS, CODES, BYTES)
def test_a_packet_behind_noise_is_found(noise, ident, code, parameters) -> None:
    raw = encode(ident, code, parameters)
    # Noise that ends like a packet that has just begun takes the next packets with it at most.
    decoded = Decoder().feed(noise + raw * 3 + bytes(MAX_LENGTH))
    assert (ident, code, parameters, len(raw), True) in decoded


@quick
@given(IDS, CODES, BYTES, st.data())
def test_a_wrong_bit_is_never_taken_for_a_whole_packet(ident, code, parameters, data) -> None:
    raw = bytearray(encode(ident, code, parameters))
    bit = data.draw(st.integers(0, 8 * len(raw) - 1))
    raw[bit // 8] ^= 1 << bit % 8
    assert not any(packet.intact for packet in Decoder().feed(bytes(raw)))


@quick
@given(BYTES, IDS, CODES, BYTES, st.data())
def test_a_packet_that_was_cut_short_does_not_hide_the_next(
    first, ident, code, second, data
) -> None:
    short = encode(1, Instruction.WRITE, first)
    short = short[: data.draw(st.integers(1, len(short) - 1))]
    raw = encode(ident, code, second)
    decoded = Decoder().feed(short + raw + bytes(MAX_LENGTH))
    assert (ident, code, second, len(raw), True) in decoded


@quick
@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 0xFC), BYTES), min_size=1, max_size=9))
def test_every_piece_of_a_fast_answer_ends_with_the_crc_of_all_before(blocks) -> None:
    size = sum(len(data) + 4 for _, _, data in blocks)
    pieces = encode_fast_status(blocks, size)
    raw = b''.join(pieces)
    assert raw[:7] == HEADER + bytes((BROADCAST, (size + 1) & 0xFF, (size + 1) >> 8))
    assert len(raw) == size + 8
    end = 0
    for piece in pieces:
        end += len(piece)
        assert crc16(raw[: end - 2]) == raw[end - 2] | raw[end - 1] << 8


def test_a_half_packet_waits_and_is_forgotten_on_reset() -> None:
    raw = encode(1, Instruction.PING)
    decoder = Decoder()
    assert decoder.feed(raw[:-1]) == []
    assert decoder.pending == len(raw) - 1
    decoder.reset()
    assert decoder.feed(raw[-1:]) == []


def test_a_length_that_no_packet_has_is_not_waited_for() -> None:
    absurd = HEADER + bytes((1, 0xFF, 0xFF))
    assert len(Decoder().feed(absurd + encode(1, Instruction.PING))) == 1


@pytest.mark.parametrize(('ident', 'size'), [(255, 0), (-1, 0), (1, MAX_LENGTH)])
def test_a_packet_that_cannot_be_is_refused(ident, size) -> None:
    with pytest.raises(ValueError, match='expected ids 0 to 254'):
        encode(ident, Instruction.WRITE, bytes(size))
