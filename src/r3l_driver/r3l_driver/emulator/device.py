# SPDX-License-Identifier: Apache-2.0
"""A pseudo-terminal behind a link: what stands in for a USB adapter."""

import contextlib
import os
from pathlib import Path
import secrets
import select
import termios

from r3l_node.core.errors import ConfigError

_CHUNK = 4096
# Index of the output speed in what termios returns, and its codes to bits per second.
_OSPEED = 5
_SPEEDS = {
    getattr(termios, name): int(name[1:])
    for name in dir(termios)
    if name.startswith('B') and name[1:].isdecimal()
}


class Device:
    """
    The emulator's end of a pseudo-terminal.

    :ivar connected: whether somebody had the other end open when last looked at.
    """

    def __init__(self, link: Path) -> None:
        """
        Take a path; there is no device before `plug`.

        :param link: path that the driver opens; replaced where it is a link already.
        :raises ConfigError: if something else is there.
        """
        if link.exists() and not link.is_symlink():
            raise ConfigError(f'link of the emulated bus is {link}: expected a path that is free')
        self.link = link
        self.connected = False
        self._master: int | None = None
        self._name = ''

    @property
    def plugged(self) -> bool:
        """Whether there is a device."""
        return self._master is not None

    @property
    def name(self) -> str:
        """Path of the pseudo-terminal; empty while there is none."""
        return self._name if self.plugged else ''

    @property
    def waitable(self) -> int | None:
        """What to wait at for bytes; None while nobody could send any."""
        return self._master if self.connected else None

    def plug(self) -> None:
        """Open a pseudo-terminal with another name than the last one, and link to it."""
        master, slave = os.openpty()
        spare: tuple[int, ...] = ()
        if os.ttyname(slave) == self._name:
            spare = (master, slave)
            master, slave = os.openpty()
        self._name = os.ttyname(slave)
        # Held open, it would keep the driver's exclusive access beyond the driver's death.
        for descriptor in (slave, *spare):
            os.close(descriptor)
        os.set_blocking(master, False)
        self.link.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.link.with_name(f'.{self.link.name}.{secrets.token_hex(4)}')
        fresh.symlink_to(self._name)
        fresh.replace(self.link)
        # Only now: whoever sees the device in another thread must find the link, too.
        self._master, self.connected = master, False

    def unplug(self) -> None:
        """Take the device and its link away."""
        if self._master is None:
            return
        with contextlib.suppress(OSError):
            if os.readlink(self.link) == self._name:
                self.link.unlink()
        os.close(self._master)
        self._master, self.connected = None, False

    def look(self) -> bool:
        """Return whether somebody has the other end open now."""
        if self._master is not None and not self.connected:
            poll = select.poll()
            poll.register(self._master, select.POLLIN)
            self.connected = not any(events & select.POLLHUP for _, events in poll.poll(0))
        return self.connected

    def read(self) -> bytes | None:
        """Return what has come, None for nothing yet; empty if the other end was closed."""
        if self._master is None:
            return None
        try:
            data = os.read(self._master, _CHUNK)
        except BlockingIOError:
            return None
        except OSError:
            data = b''
        if not data:
            self.connected = False
        return data

    def write(self, data: bytes) -> None:
        """Send; what nobody takes is lost, as with a real adapter."""
        if self._master is not None and self.look():
            with contextlib.suppress(OSError):
                os.write(self._master, data)

    def speed(self) -> int | None:
        """Return the speed that the other end is set to [bit/s], None for an unusual one."""
        if self._master is None:
            return None
        return _SPEEDS.get(termios.tcgetattr(self._master)[_OSPEED])
