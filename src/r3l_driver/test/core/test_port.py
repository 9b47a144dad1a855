# SPDX-License-Identifier: Apache-2.0
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from r3l_driver.core.bus_errors import PortBusy, PortLost
from r3l_driver.core.packet import encode
from r3l_driver.core.port import SerialPort

HOLDER = """
import sys
from r3l_driver.core.port import SerialPort
port = SerialPort(sys.argv[1], 1_000_000)
print('open', flush=True)
sys.stdin.read()
"""


@pytest.fixture
def port(peer):
    it = SerialPort(peer.path, 1_000_000, reply_timeout=0.05)
    yield it
    it.close()


def test_a_port_sends_and_receives(peer, port):
    peer.script = lambda packet: [(0.0, bytes((packet.ident,)) + b'bc')]
    port.send(encode(ord('a'), 1, b''))
    port.setPacketTimeoutMillis(20_000)
    assert port._wait(port._input, time.monotonic() + 20.0)
    assert port.readPort(2) == b'ab'
    assert not port.isPacketTimeout()
    assert port.readPort(2) == b'c'
    assert port.readPort(0) == b''


def test_a_wait_ends_at_the_deadline_without_burning_the_processor(port):
    port.setPacketTimeoutMillis(300)
    begun, busy = time.monotonic(), time.thread_time()
    assert port.receive() == b''
    assert port.isPacketTimeout()
    assert time.monotonic() - begun >= 0.3
    assert time.thread_time() - busy < 0.1


def test_a_deadline_is_that_of_the_bytes_of_request_and_reply(peer):
    port = SerialPort(peer.path, 57_600, reply_timeout=0.5, clock=lambda: 100.0)
    port.send(bytes(5760))
    port.expect(5760, delay=0.25)
    # One second for each, half a second allowed and a quarter of delay.
    assert port._deadline == pytest.approx(102.75)
    assert port.byte_time == pytest.approx(1 / 5760)
    port.close()


def test_what_came_unasked_is_thrown_away_before_a_request(peer, port):
    peer.write(b'late')
    assert port._wait(port._input, time.monotonic() + 20.0)
    port.send(b'x')
    port.setPacketTimeoutMillis(10)
    assert port.receive() == b''
    assert port.stray_bytes == 4


def test_draining_ends_when_the_line_is_quiet(peer, port):
    peer.write(b'noise')
    port.drain(0.05)
    port.setPacketTimeoutMillis(0)
    assert port.receive() == b''
    assert port.stray_bytes == 5


def test_a_device_that_vanishes_is_a_lost_port_in_every_operation(peer):
    port = SerialPort(peer.path, 1_000_000)
    peer.vanish()
    for operation in (
        lambda: port.send(b'x'),
        port.receive,
        port.clear,
        port.clearPort,
        lambda: port.writePort([1]),
        lambda: port.readPort(1),
        lambda: port.drain(0.01),
    ):
        port.setPacketTimeoutMillis(1000)
        with pytest.raises(PortLost, match=f'port is {peer.path}: '):
            operation()
    port.close()
    port.close()


def test_a_waiting_read_is_woken_when_the_device_vanishes(peer):
    port = SerialPort(peer.path, 1_000_000)
    port.setPacketTimeoutMillis(60_000)
    threading.Timer(0.1, peer.vanish).start()
    with pytest.raises(PortLost):
        port.receive()
    port.close()


def test_a_closed_port_is_lost(peer):
    port = SerialPort(peer.path, 1_000_000)
    port.close()
    with pytest.raises(PortLost):
        port.send(b'x')


def test_a_port_that_is_not_there_is_lost(tmp_path):
    with pytest.raises(PortLost, match='nothing: No such file or directory'):
        SerialPort(str(tmp_path / 'nothing'), 1_000_000)
    (tmp_path / 'file').write_text('')
    with pytest.raises(PortLost, match='file'):
        SerialPort(str(tmp_path / 'file'), 1_000_000)


@pytest.mark.parametrize('baud', [57_600, 1_000_000, 4_000_000, 4_500_000])
def test_every_speed_of_a_servo_can_be_set(peer, baud):
    port = SerialPort(peer.path, baud)
    assert port.getBaudRate() == baud
    port.close()


def test_a_second_process_is_refused_until_the_first_is_killed(peer):
    holder = subprocess.Popen(
        [sys.executable, '-c', HOLDER, peer.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert holder.stdout.readline() == b'open\n'
        with pytest.raises(PortBusy, match=f'port is {peer.path}: another process drives it'):
            SerialPort(peer.path, 1_000_000)
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.communicate()
    SerialPort(peer.path, 1_000_000).close()


def test_a_lock_of_any_program_is_respected(peer):
    other = os.open(peer.path, os.O_RDWR | os.O_NOCTTY)
    fcntl.flock(other, fcntl.LOCK_EX)
    with pytest.raises(PortBusy):
        SerialPort(peer.path, 1_000_000)
    os.close(other)
