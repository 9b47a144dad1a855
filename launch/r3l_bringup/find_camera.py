# SPDX-License-Identifier: Apache-2.0
"""Shows a person which cameras there are, and what each of them sees."""

from __future__ import annotations

from collections.abc import Callable
import os
from pathlib import Path

import cv2
from r3l_node.core.files import write_atomic
from r3l_perception.core.camera.config import CameraConfig
from r3l_perception.core.camera.device import V4l2Source
from r3l_perception.core.camera.source import Source, SourceError
from r3l_perception.core.camera.v4l2 import DEV, Device, devices, SYS

FOLDER = Path('cameras')
SETTLE = 10  # frames that a camera needs to find its exposure


def find_camera(
    out: Path | None = None,
    *,
    dev: Path = DEV,
    sys: Path = SYS,
    open_camera: Callable[[str], Source] | None = None,
    say: Callable[[str], None] = print,
) -> int:
    """
    List the cameras, with formats, and write a picture of each.

    :param out: folder of the pictures; None: ``cameras`` in the current one.
    :param dev: folder of the device files.
    :param sys: folder in which the kernel describes them.
    :param open_camera: makes the source of a device file.
    :return: number of cameras that gave a picture.
    """
    folder = out or FOLDER
    found = devices(dev, sys)
    good = 0
    for device in found:
        say(f'{device.path}  {device.name}')
        if device.stable is not None:
            say(f'    always as {device.stable}')
        if device.problem:
            say(f'    cannot be asked: {device.problem}{_advice(device)}')
        for line in device.formats:
            say(f'    {line}')
        if device.captures is False:
            say('    gives no pictures: the data of another device')
        elif device.captures:
            good += _picture(device, folder, open_camera or _open, say)
    if not found:
        say(f'no camera: there is no {dev}/video*')
        say('    -> plug one in; in a container, pass it on: docker run --device /dev/video0')
    elif good:
        say('-> name it with camera.video_device, by the path that never changes if it has one')
    return good


def _open(path: str) -> Source:
    return V4l2Source(CameraConfig(video_device=path))


def _advice(device: Device) -> str:
    if os.access(device.path, os.R_OK | os.W_OK):
        return ''
    return '; add this user to its group: sudo usermod -aG video $USER, then log in again'


def _picture(
    device: Device, folder: Path, open_camera: Callable[[str], Source], say: Callable[[str], None]
) -> bool:
    source = open_camera(str(device.path))
    try:
        source.open()
        for _ in range(SETTLE):
            frame = source.read()
    except (SourceError, OSError, cv2.error) as error:
        say(f'    no picture: {error}')
        return False
    finally:
        source.close()
    path = folder / f'{device.path.name}.png'
    write_atomic(path, cv2.imencode('.png', frame.pixels)[1].tobytes())
    height, width = frame.pixels.shape[:2]
    say(f'    picture of {width}x{height} pixels: {path}')
    return True
