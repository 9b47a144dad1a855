# SPDX-License-Identifier: Apache-2.0
"""Files that are either whole or absent, and folders that one process has."""

import contextlib
import fcntl
import os
from pathlib import Path
import secrets

from r3l_node.core.errors import ConfigError


def write_atomic(path: str | os.PathLike[str], data: bytes | str) -> None:
    """
    Replace a file in one step: readers and a crash see the old content or the new.

    :param path: file to write; its folder is made if it is absent.
    :param data: new content; text is encoded as UTF-8.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    content = data.encode() if isinstance(data, str) else data
    # Not tempfile: its files are private, and others may read a run as the umask allows.
    fresh = target.with_name(f'.{target.name}.{secrets.token_hex(6)}')
    try:
        with fresh.open('xb') as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(target)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Make renames within a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def lock_folder(folder: Path, expected: str) -> int:
    """
    Take a folder for this process; it is free again when the process ends.

    :param folder: gets a file ``lock``.
    :param expected: what the folder should be, for the sentence of the error.
    :return: a file descriptor that holds the lock.
    :raises ConfigError: if another process has it.
    """
    descriptor = os.open(folder / 'lock', os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise ConfigError(f'{folder} is in use: expected {expected}') from None
    return descriptor


def mark_written(descriptor: int) -> None:
    """
    Say of a file that it is being written, as long as it is open.

    :param descriptor: of the file; a file system without locks is let be.
    """
    with contextlib.suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_written(path: Path) -> bool:
    """
    Tell whether a process said with :func:`mark_written` that it writes a file, and still does.

    :param path: of the file.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False
