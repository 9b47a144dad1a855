# SPDX-License-Identifier: Apache-2.0
"""Which cameras this machine has and which formats they offer, asked of V4L2 itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
import fcntl
import os
from pathlib import Path
import re
import struct

DEV = Path('/dev')
SYS = Path('/sys/class/video4linux')
# Of linux/videodev2.h, the same on all architectures of Linux that ROS runs on.
_QUERYCAP = 0x80685600
_ENUM_FMT = 0xC0405602
_ENUM_FRAMESIZES = 0xC02C564A
_CAPABILITY = struct.Struct('16s 32s 32s I I I 12x')
_FORMAT = struct.Struct('I I I 32s I 16x')
_SIZE = struct.Struct('I I I I I 24x')
_CAPTURES = 0x1  # capability, and the type of buffer
_HAS_DEVICE_CAPS = 0x80000000
_DISCRETE = 1
_MOST = 64  # formats or sizes that are asked for


@dataclass(frozen=True, slots=True)
class Device:
    """
    A video device.

    :param path: device file.
    :param name: as its driver says.
    :param stable: link of /dev/v4l/by-id that stays when it is plugged in elsewhere, if any.
    :param captures: whether it gives pictures; None if it could not be asked.
    :param formats: 'MJPG 1280x720 640x480' and the like.
    :param problem: why it could not be asked.
    """

    path: Path
    name: str
    stable: Path | None
    captures: bool | None = None
    formats: tuple[str, ...] = ()
    problem: str = ''


def devices(dev: Path = DEV, sys: Path = SYS) -> list[Device]:
    """
    List the video devices by number. A camera has one that captures, and often one that does not.

    :param dev: folder of the device files.
    :param sys: folder in which the kernel describes them.
    """
    numbers = []
    for path in dev.glob('video*') if dev.is_dir() else ():
        match = re.fullmatch(r'video(\d+)', path.name)
        if match:
            numbers.append((int(match[1]), path))
    return [_device(path, dev, sys) for _, path in sorted(numbers)]


def _device(path: Path, dev: Path, sys: Path) -> Device:
    try:
        name = (sys / path.name / 'name').read_text(encoding='utf-8', errors='replace').strip()
    except OSError:
        name = 'unknown'
    stable = next((link for link in sorted((dev / 'v4l' / 'by-id').glob('*'))
                   if link.resolve() == path.resolve()), None)  # fmt: skip
    try:
        handle = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    except OSError as error:
        return Device(path, name, stable, problem=error.strerror or str(error))
    try:
        captures = _captures(handle)
        return Device(path, name, stable, captures, tuple(_formats(handle)) if captures else ())
    except OSError as error:
        return Device(path, name, stable, problem=error.strerror or str(error))
    finally:
        os.close(handle)


def _captures(handle: int) -> bool:
    answer = _CAPABILITY.unpack(fcntl.ioctl(handle, _QUERYCAP, bytes(_CAPABILITY.size)))
    of_all, of_this = answer[4:6]
    return bool((of_this if of_all & _HAS_DEVICE_CAPS else of_all) & _CAPTURES)


def _formats(handle: int) -> Iterator[str]:
    for index in range(_MOST):
        try:
            question = _FORMAT.pack(index, _CAPTURES, 0, b'', 0)
            answer = _FORMAT.unpack(fcntl.ioctl(handle, _ENUM_FMT, question))
        except OSError:  # EINVAL: that was all
            return
        code = answer[4]
        name = struct.pack('<I', code).decode('ascii', 'replace').strip()
        yield ' '.join([name, *_sizes(handle, code)])


def _sizes(handle: int, code: int) -> Iterator[str]:
    for index in range(_MOST):
        try:
            question = _SIZE.pack(index, code, 0, 0, 0)
            answer = _SIZE.unpack(fcntl.ioctl(handle, _ENUM_FRAMESIZES, question))
        except OSError:
            return
        if answer[2] != _DISCRETE:
            return
        yield f'{answer[3]}x{answer[4]}'
