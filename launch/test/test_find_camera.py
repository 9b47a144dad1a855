# SPDX-License-Identifier: Apache-2.0
"""Cameras are listed and shown; the kernel's answers are played."""

import errno
from pathlib import Path
import struct

import cv2
import numpy as np
import pytest
from r3l_bringup.find_camera import find_camera
from r3l_perception.core.camera import v4l2
from r3l_perception.core.camera.source import Frame, SourceError


class FakeCamera:
    """Gives grey pictures, or none."""

    def __init__(self, path: str) -> None:
        self.name = path
        self._good = path.endswith('video0')

    def open(self) -> None:
        if not self._good:
            raise SourceError(f'{self.name} cannot be opened: another program uses it')

    def read(self) -> Frame:
        return Frame(np.full((48, 64, 3), 77, np.uint8), 0.0)

    def close(self) -> None:
        pass


def answer(handle: int, request: int, question: bytes) -> bytes:
    """Answer as a camera with two formats does; the second device of it has metadata only."""
    name = Path(f'/proc/self/fd/{handle}').resolve().name
    if request == 0x80685600:
        caps = 0x04200001 if name != 'video1' else 0x04A00000
        return struct.pack('16s32s32sIII12x', b'uvcvideo', b'Cam', b'usb', 1, 0x84A00001, caps)
    index, second = struct.unpack_from('II', question)
    if request == 0xC0405602 and index < 2:
        code = struct.unpack('<I', (b'YUYV', b'MJPG')[index])[0]
        return struct.pack('III32sI16x', index, second, 0, b'', code)
    if request == 0xC02C564A and index < 2:
        return struct.pack('IIIII24x', index, second, 1, 640 * (index + 1), 480)
    raise OSError(errno.EINVAL, 'Invalid argument')


def test_cameras_are_listed_with_formats_and_a_picture_of_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dev, sys = tmp_path / 'dev', tmp_path / 'sys'
    (dev / 'v4l' / 'by-id').mkdir(parents=True)
    for number in (0, 1, 10):
        (dev / f'video{number}').touch()
        (sys / f'video{number}').mkdir(parents=True)
        (sys / f'video{number}' / 'name').write_text(f'Camera {number}\n')
    (dev / 'video2.backup').touch()
    (dev / 'v4l' / 'by-id' / 'usb-Cam-index0').symlink_to('../../video0')
    monkeypatch.setattr(v4l2.fcntl, 'ioctl', answer)
    said: list[str] = []
    out = tmp_path / 'out'
    assert find_camera(out, dev=dev, sys=sys, open_camera=FakeCamera, say=said.append) == 1
    assert [line for line in said if not line.startswith((' ', '->'))] == [
        f'{dev}/video{number}  Camera {number}' for number in (0, 1, 10)
    ]
    assert said[1:5] == [
        f'    always as {dev}/v4l/by-id/usb-Cam-index0',
        '    YUYV 640x480 1280x480',
        '    MJPG 640x480 1280x480',
        f'    picture of 64x48 pixels: {out}/video0.png',
    ]
    assert '    gives no pictures: the data of another device' in said
    assert f'    no picture: {dev}/video10 cannot be opened: another program uses it' in said
    assert (cv2.imread(str(out / 'video0.png')) == 77).all()
    assert not (out / 'video10.png').exists()


def test_a_device_that_is_no_camera_is_named(tmp_path: Path) -> None:
    (tmp_path / 'video0').touch()
    said: list[str] = []
    assert find_camera(tmp_path / 'out', dev=tmp_path, sys=tmp_path, say=said.append) == 0
    assert said[0] == f'{tmp_path}/video0  unknown'
    assert said[1].startswith('    cannot be asked: Inappropriate ioctl')
    assert len(said) == 2


def test_no_camera_is_said_with_what_to_do(tmp_path: Path) -> None:
    said: list[str] = []
    assert find_camera(dev=tmp_path / 'none', sys=tmp_path, say=said.append) == 0
    assert said[0] == f'no camera: there is no {tmp_path}/none/video*'
    assert 'plug one in' in said[1]
