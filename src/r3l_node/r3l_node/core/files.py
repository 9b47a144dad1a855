# SPDX-License-Identifier: Apache-2.0
"""Files that are either whole or absent."""

from contextlib import suppress
import os
from pathlib import Path
import tempfile


def write_atomic(path: str | os.PathLike[str], data: bytes | str) -> None:
    """
    Replace a file in one step: readers and a crash see the old content or the new.

    :param path: file to write; its folder is made if it is absent.
    :param data: new content; text is encoded as UTF-8.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    content = data.encode() if isinstance(data, str) else data
    descriptor, name = tempfile.mkstemp(prefix=f'.{target.name}.', dir=target.parent)
    try:
        with os.fdopen(descriptor, 'wb') as file:
            file.write(content)
            file.flush()
            # mkstemp makes a private file; others may read a run as the umask allows.
            os.fchmod(file.fileno(), 0o666 & ~_umask())
            os.fsync(file.fileno())
        os.replace(name, target)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(name)
        raise
    sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Make renames within a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    # The kernel offers no way to read the mask without setting it, except here.
    for line in Path('/proc/self/status').read_text(encoding='ascii').splitlines():
        if line.startswith('Umask:'):
            return int(line.split()[1], 8)
    return 0o022
