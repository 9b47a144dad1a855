# SPDX-License-Identifier: Apache-2.0
"""
The serial port as dynamixel-sdk's packet layer uses it, without its own port's traps.

Waits sleep in the kernel until bytes come or a monotonic deadline is reached; the device is
locked; a device that has gone is an exception. A port that was lost is not opened again: make
a new one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
import contextlib
import errno
import fcntl
import os
import select
import termios
import time

from r3l_driver.core.bus_errors import PortBusy, PortLost
import serial

BITS_PER_BYTE = 10  # a start bit, eight of data, a stop bit
_CHUNK = 4096
_GONE = select.POLLHUP | select.POLLERR | select.POLLNVAL
# Longest time for which a healthy device takes no bytes [s].
_WRITE_TIMEOUT = 1.0
_PTY_MAJORS = range(136, 144)


def _open(path: str, baud: int) -> serial.Serial:
    """Open and lock a device; pyserial knows the odd rates and locks with flock."""
    try:
        device = serial.Serial(path, baud, timeout=0, exclusive=True)
    except serial.SerialException as error:
        busy = error.errno in (errno.EBUSY, errno.EAGAIN)
        if busy or 'exclusively lock' in str(error):
            raise PortBusy(f'port is {path}: another process drives it') from error
        raise PortLost(error.errno, f'port is {path}: {_reason(error)}') from error
    except (OSError, termios.error) as error:
        raise PortLost(errno.EIO, f'port is {path}: {error}') from error
    try:
        # A pseudo-terminal would keep this mark after a kill -9 and so lock out the restart.
        if os.major(os.fstat(device.fileno()).st_rdev) not in _PTY_MAJORS:
            fcntl.ioctl(device.fileno(), termios.TIOCEXCL)
        with contextlib.suppress(OSError, ValueError):  # USB adapters have it, others need not
            device.set_low_latency_mode(True)
    except OSError as error:
        device.close()
        raise PortLost(error.errno, f'port is {path}: {error.strerror}') from error
    return device


def _reason(error: serial.SerialException) -> str:
    return os.strerror(error.errno) if error.errno else str(error)


class SerialPort:
    """
    One open serial device.

    :param path: of the device.
    :param baud: bits per second.
    :param reply_timeout: for a reply beyond the time of its bytes [s].
    :param clock: monotonic time [s].
    :raises PortBusy: if another process drives the device.
    :raises PortLost: if the device is not there or cannot be a serial port.
    """

    def __init__(
        self,
        path: str,
        baud: int,
        reply_timeout: float = 0.006,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.is_using = False  # belongs to the SDK's packet layer
        self.path = path
        self.baud = baud
        self.stray_bytes = 0
        self._clock = clock
        self._reply_timeout = reply_timeout
        self._device = _open(path, baud)
        self._fd = self._device.fileno()
        self._input, self._output = select.poll(), select.poll()
        self._input.register(self._fd, select.POLLIN)
        self._output.register(self._fd, select.POLLOUT)
        self._buffer = b''
        self._sent = self._deadline = clock()

    @property
    def byte_time(self) -> float:
        """Time of one byte on the wire [s]."""
        return BITS_PER_BYTE / self.baud

    def close(self) -> None:
        """Unlock and close the device; harmless when closed."""
        with contextlib.suppress(OSError, termios.error):
            self._device.close()
        self._fd = -1

    def send(self, packet: bytes) -> None:
        """
        Throw away what came unasked and write a packet.

        :raises PortLost: if the device has gone.
        """
        self.clear()
        rest = packet
        while rest:
            try:
                rest = rest[os.write(self._fd, rest) :]
            except BlockingIOError:
                if not self._wait(self._output, self._clock() + _WRITE_TIMEOUT):
                    raise self._lost('it takes no bytes') from None
            except (OSError, ValueError) as error:
                raise self._lost(error) from error
        # The kernel returns before the bytes are on the wire.
        self._sent = max(self._sent, self._clock()) + len(packet) * self.byte_time

    def expect(self, length: int, delay: float = 0.0) -> None:
        """
        Set the deadline of a reply to what was just sent.

        :param length: bytes of all replies.
        :param delay: of the servos before they answer, altogether [s].
        """
        self._deadline = self._sent + length * self.byte_time + delay + self._reply_timeout

    def receive(self) -> bytes:
        """
        Return bytes as soon as there are any, or none at the deadline.

        :raises PortLost: if the device has gone.
        """
        if self._buffer:
            data, self._buffer = self._buffer, b''
            return data
        if not self._wait(self._input, self._deadline):
            return b''
        return self._read()

    def clear(self) -> None:
        """Throw away what has arrived and count it."""
        self.stray_bytes += len(self._buffer)
        self._buffer = b''
        while self._poll(self._input, 0.0):
            self.stray_bytes += len(self._read())

    def drain(self, quiet: float, limit: float = 0.2) -> None:
        """
        Throw away what arrives until the line is quiet.

        :param quiet: time without a byte that ends it [s].
        :param limit: end even without [s].
        """
        self.clear()
        end = self._clock() + limit
        while self._wait(self._input, min(end, self._clock() + quiet)):
            self.stray_bytes += len(self._read())

    def _wait(self, poll: select.poll, deadline: float) -> bool:
        """Sleep until the device is ready; false at the deadline."""
        while True:
            remaining = deadline - self._clock()
            if self._poll(poll, max(0.0, remaining)):
                return True
            if remaining <= 0.0:
                return False

    def _poll(self, poll: select.poll, timeout: float) -> bool:
        try:
            ready = poll.poll(timeout * 1e3)
        except (OSError, ValueError) as error:
            raise self._lost(error) from error
        if not ready:
            return False
        if ready[0][1] & _GONE:
            raise self._lost('it has gone')
        return True

    def _read(self) -> bytes:
        try:
            data = os.read(self._fd, _CHUNK)
        except BlockingIOError:
            return b''
        except OSError as error:
            raise self._lost(error) from error
        if not data:  # ready, yet nothing to read: so Linux reports an unplugged adapter
            raise self._lost('it has gone')
        return data

    def _lost(self, reason: Exception | str) -> PortLost:
        if isinstance(reason, OSError) and reason.strerror:
            reason = reason.strerror
        return PortLost(errno.EIO, f'port is {self.path}: {reason}')

    # What the SDK's packet layer calls; its names.

    def clearPort(self) -> None:  # noqa: N802
        """Throw away what has arrived."""
        self.clear()

    def writePort(self, packet: Sequence[int]) -> int:  # noqa: N802
        """Write a packet and return its length."""
        self.send(bytes(packet))
        return len(packet)

    def readPort(self, length: int) -> bytes:  # noqa: N802
        """Return up to so many bytes, at least one unless the deadline is reached."""
        if length <= 0:
            return b''
        data = self.receive()
        self._buffer = data[length:]
        return data[:length]

    def setPacketTimeout(self, packet_length: int) -> None:  # noqa: N802
        """Set the deadline for so many bytes."""
        self.expect(packet_length)

    def setPacketTimeoutMillis(self, msec: float) -> None:  # noqa: N802
        """Set the deadline [ms] from now."""
        self._deadline = self._clock() + msec / 1e3

    def isPacketTimeout(self) -> bool:  # noqa: N802
        """Whether the deadline is reached and nothing is left to read."""
        return not self._buffer and self._clock() >= self._deadline

    def getBaudRate(self) -> int:  # noqa: N802
        """Return bits per second."""
        return self.baud
