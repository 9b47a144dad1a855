# SPDX-License-Identifier: Apache-2.0
"""The pseudo-terminal: opening, vanishing, coming back, and both kinds of time."""

import errno
import fcntl
import os
import select
import termios
import time
import tty

import pytest
from r3l_driver.emulator.faults import parse_fault
from r3l_driver.emulator.main import make_bus
from r3l_driver.emulator.pty import PtyBus
from r3l_driver.emulator.record import read_record, Record
from r3l_driver.emulator.wire import BROADCAST, Decoder, encode, Instruction
from r3l_node.core.errors import ConfigError

PATIENCE = 20.0  # [s]; what a busy machine may take
GOALS = encode(BROADCAST, Instruction.SYNC_WRITE, b'\x74\x00\x04\x00\x0b\x34\x08\x00\x00')


def _open(path, baud=termios.B1000000) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY)
    tty.setraw(descriptor)
    attributes = termios.tcgetattr(descriptor)
    attributes[4] = attributes[5] = baud
    termios.tcsetattr(descriptor, termios.TCSANOW, attributes)
    return descriptor


def _ask(descriptor, request, patience=PATIENCE):
    """Return the first whole answer, None if none came in time."""
    os.write(descriptor, request)
    decoder = Decoder()
    end = time.monotonic() + patience
    while (left := end - time.monotonic()) > 0:
        if select.select([descriptor], [], [], left)[0]:
            packets = decoder.feed(os.read(descriptor, 4096))
            if packets:
                return packets[0]
    return None


def _until(condition) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        select.select([], [], [], 0.005)


@pytest.fixture
def pty(tmp_path):
    with PtyBus(make_bus((11, 12)), tmp_path / 'dev' / 'bus') as served:
        yield served


def test_it_answers_one_host_after_the_other(pty) -> None:
    for _ in range(3):
        descriptor = _open(pty.link)
        assert _ask(descriptor, encode(11, Instruction.PING)).ident == 11
        os.close(descriptor)


def test_a_host_that_died_leaves_neither_bytes_nor_its_exclusive_access(pty) -> None:
    descriptor = _open(pty.link)
    fcntl.ioctl(descriptor, termios.TIOCEXCL)
    assert _ask(descriptor, encode(11, Instruction.PING)).ident == 11
    os.write(descriptor, encode(11, Instruction.PING)[:-2])
    os.close(descriptor)
    # The serving thread must have seen that nobody has it open.
    _until(lambda: not pty.connected)
    descriptor = _open(pty.link)
    assert _ask(descriptor, encode(12, Instruction.PING)).ident == 12
    os.close(descriptor)


def test_what_a_host_sends_just_before_it_closes_is_done(pty) -> None:
    for value in (1, 0):
        descriptor = _open(pty.link)
        os.write(descriptor, encode(11, Instruction.WRITE, bytes((0x41, 0, value))))
        os.close(descriptor)
        _until(lambda: pty.bus.servos[0].registers.get('led') == value)  # noqa: B023


def test_time_passes_by_the_clock_and_not_faster(tmp_path) -> None:
    before = time.monotonic()
    with PtyBus(make_bus((11,)), tmp_path / 'bus') as pty:
        _until(lambda: pty.bus.time >= 0.2)
        assert time.monotonic() - before >= 0.19


def test_a_host_at_another_speed_gets_no_answer(pty) -> None:
    descriptor = _open(pty.link, termios.B57600)
    assert _ask(descriptor, encode(11, Instruction.PING), patience=0.2) is None
    os.close(descriptor)


def test_unplugged_it_is_gone_and_comes_back_under_another_name(pty) -> None:
    before = pty.device
    descriptor = _open(pty.link)
    pty.inject(parse_fault('unplug for 0.2'))
    _until(lambda: pty.device == '')
    assert not pty.link.is_symlink()
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        os.write(descriptor, b'x')
    os.close(descriptor)
    _until(lambda: pty.device != '')
    assert pty.device != before
    assert os.readlink(pty.link) == pty.device
    descriptor = _open(pty.link)
    assert _ask(descriptor, encode(11, Instruction.PING)).ident == 11
    os.close(descriptor)


def test_unplugged_for_good_it_waits_for_the_replugging(pty) -> None:
    pty.inject(parse_fault('unplug'))
    _until(lambda: pty.device == '')
    pty.inject(parse_fault('replug'))
    _until(lambda: pty.device != '')


def test_an_answer_is_not_earlier_than_the_wire_allows(tmp_path) -> None:
    bus = make_bus((11,), baud=57_600, settings={'return_delay_time': 250})
    with PtyBus(bus, tmp_path / 'bus') as pty:
        descriptor = _open(pty.link, termios.B57600)
        start = time.monotonic()
        assert _ask(descriptor, encode(11, Instruction.PING)) is not None
        # 10 bytes there, 0.5 ms of return delay, 14 bytes back.
        assert time.monotonic() - start >= 24 * 10 / 57_600 + 0.0005
        os.close(descriptor)


def test_in_lockstep_time_passes_with_goals_only(tmp_path) -> None:
    steps = []
    bus = make_bus((11,), timing=False)
    with PtyBus(
        bus, tmp_path / 'bus', lockstep=True, period=0.02, on_step=lambda: steps.append(bus.time)
    ) as pty:
        descriptor = _open(pty.link)
        torque = encode(11, Instruction.WRITE, b'\x40\x00\x01')
        assert _ask(descriptor, torque).parameters == b'\0'
        assert bus.time == 0.0
        # Written at once: time passes between the goals and the question behind them.
        position = encode(11, Instruction.READ, b'\x84\x00\x04\x00')
        answer = _ask(descriptor, GOALS * 20 + position)
        assert steps == pytest.approx([0.02 * k for k in range(1, 21)])
        assert int.from_bytes(answer.parameters[1:], 'little') == pytest.approx(2100, abs=2)
        os.close(descriptor)


def test_the_same_lockstep_session_has_the_same_answers(tmp_path) -> None:
    def session(name) -> list[bytes]:
        bus = make_bus((11,), timing=False, seed=3)
        bus.inject(parse_fault('corrupt 0.2'))
        with PtyBus(bus, tmp_path / name, lockstep=True, period=0.02) as pty:
            descriptor = _open(pty.link)
            os.write(descriptor, encode(11, Instruction.WRITE, b'\x40\x00\x01'))
            data = b''
            for _ in range(30):
                os.write(descriptor, GOALS + encode(11, Instruction.READ, b'\x84\x00\x04\x00'))
                assert select.select([descriptor], [], [], PATIENCE)[0]
                data += os.read(descriptor, 4096)
            os.close(descriptor)
        return [data[:300]]

    assert session('a') == session('b')


def test_the_record_tells_of_plugs(tmp_path) -> None:
    record = Record(tmp_path / 'record.jsonl')
    with record, PtyBus(make_bus((11,), record=record), tmp_path / 'bus') as pty:
        pty.inject(parse_fault('unplug for 0.05'))
        _until(lambda: pty.device == '')
        _until(lambda: pty.device != '')
    events = [event['event'] for event in read_record(tmp_path / 'record.jsonl')]
    plugs = [event for event in events if event in ('plugged', 'unplugged', 'fault')]
    assert plugs == ['plugged', 'fault', 'unplugged', 'plugged', 'unplugged']


def test_closed_it_leaves_nothing_behind(tmp_path) -> None:
    before = len(os.listdir('/proc/self/fd'))
    for _ in range(3):
        with PtyBus(make_bus((11,)), tmp_path / 'bus'):
            pass
    assert not (tmp_path / 'bus').is_symlink()
    assert len(os.listdir('/proc/self/fd')) == before


def test_waiting_takes_next_to_no_processor(tmp_path) -> None:
    with PtyBus(make_bus((11,), timing=False), tmp_path / 'bus', lockstep=True) as pty:
        descriptor = _open(pty.link)
        assert _ask(descriptor, encode(11, Instruction.PING)) is not None
        used = time.process_time()
        select.select([], [], [], 0.5)
        # Nothing to do: no loop may run hot.
        assert time.process_time() - used < 0.25
        os.close(descriptor)


def test_a_file_in_the_way_is_not_replaced(tmp_path) -> None:
    (tmp_path / 'bus').write_text('mine')
    with pytest.raises(ConfigError, match='expected a path that is free'):
        PtyBus(make_bus((11,)), tmp_path / 'bus')


def test_a_request_waits_for_the_bytes_that_were_sent_before_it(tmp_path) -> None:
    bus = make_bus((11,), baud=57_600, settings={'return_delay_time': 0})
    with PtyBus(bus, tmp_path / 'bus') as pty:
        descriptor = _open(pty.link, termios.B57600)
        start = time.monotonic()
        for _ in range(20):
            os.write(descriptor, GOALS)
        assert _ask(descriptor, encode(11, Instruction.PING)) is not None
        assert time.monotonic() - start >= (20 * len(GOALS) + 24) * 10 / 57_600
        os.close(descriptor)
