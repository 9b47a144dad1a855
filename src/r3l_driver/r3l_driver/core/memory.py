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


def power_was_cut(before: Memory, boot: str) -> bool:
    """Say whether the machine went down while torque was on."""
    return before.torque and bool(before.boot) and before.boot != boot
