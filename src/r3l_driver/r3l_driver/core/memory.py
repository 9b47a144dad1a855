# SPDX-License-Identifier: Apache-2.0
"""What the driver must still know after a crash, a power cut or a restart."""

from dataclasses import asdict, dataclass
import json
import logging
from pathlib import Path

from r3l_node.core.files import write_atomic

FILE = 'driver.json'
BOOT_ID = Path('/proc/sys/kernel/random/boot_id')

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Memory:
    """
    Content of the file.

    :param emergency_stop: why the hand was stopped; empty: it is not.
    :param torque: whether torque was on, or was to come on.
    :param boot: the kernel's number of this start of the machine.
    """

    emergency_stop: str = ''
    torque: bool = False
    boot: str = ''


def boot_id() -> str:
    """Return what tells this start of the machine from others; empty if nothing does."""
    try:
        return BOOT_ID.read_text(encoding='ascii').strip()
    except OSError:
        return ''


def load(path: Path) -> Memory:
    """
    Read the file.

    :param path: a file that need not exist.
    :return: an emergency stop if the file is damaged: it may have said so.
    """
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
        memory = Memory(**content)
        texts = isinstance(memory.emergency_stop, str) and isinstance(memory.boot, str)
        if not texts or not isinstance(memory.torque, bool):
            raise TypeError('wrong types')
    except FileNotFoundError:
        return Memory()
    except (OSError, ValueError, TypeError) as error:
        _logger.error('%s cannot be read: %s', path, error)
        return Memory(emergency_stop=f'{path} is damaged: it may have held an emergency stop')
    return memory


def save(path: Path, memory: Memory) -> None:
    """Write the file, whole or not at all."""
    write_atomic(path, json.dumps(asdict(memory)) + '\n')


class Keeper:
    """
    Keep the memory in the folder of a run.

    ``before`` is what an earlier driver left there.

    :param folder: of the run; None: nothing is kept.
    :param boot: number of this start of the machine; None asks the kernel.
    """

    def __init__(self, folder: Path | None, boot: str | None = None) -> None:
        self._path = None if folder is None else folder / FILE
        self._boot = boot_id() if boot is None else boot
        self.before = self._last = load(self._path) if self._path is not None else Memory()

    @property
    def power_was_cut(self) -> bool:
        """Whether the machine went down while torque was on."""
        before = self.before
        return before.torque and bool(before.boot) and before.boot != self._boot

    def keep(self, emergency_stop: str, torque: bool) -> None:
        """
        Write what has changed.

        :param emergency_stop: why the hand was stopped; empty: it is not.
        :param torque: whether torque is on.
        :raises OSError: if it cannot be written.
        """
        now = Memory(emergency_stop, torque, self._boot)
        if self._path is not None and now != self._last:
            save(self._path, now)
            self._last = now
