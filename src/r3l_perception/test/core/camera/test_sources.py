# SPDX-License-Identifier: Apache-2.0
"""Sources of frames: recordings, a stream from this machine, a camera played by a stand-in."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
import threading
from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray
import pytest
from r3l_node.core.errors import ConfigError
from r3l_perception.core.camera import device
from r3l_perception.core.camera.choice import choose_source
from r3l_perception.core.camera.config import CameraConfig
from r3l_perception.core.camera.device import capture_time, StreamSource, V4l2Source
from r3l_perception.core.camera.source import (
    EndOfRecording,
    FolderSource,
    SourceError,
    VideoSource,
)


class FakeClock:
    """Monotonic time that only waiting lets go by."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds


def shade(value: int) -> NDArray[np.uint8]:
    return np.full((48, 64, 3), value, np.uint8)


def folder(path: Path, values: tuple[int, ...]) -> Path:
    path.mkdir(exist_ok=True)
    for number, value in enumerate(values):
        cv2.imwrite(str(path / f'{number:03}.png'), shade(value))
    return path


def video(path: Path, values: tuple[int, ...]) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'MJPG'), 10.0, (64, 48))
    assert writer.isOpened()
    for value in values:
        writer.write(shade(value))
    writer.release()
    return path


@pytest.mark.parametrize('kind', [FolderSource, VideoSource])
def test_a_recording_gives_its_frames_in_order_at_an_even_rate_and_again(
    tmp_path: Path, kind: type[FolderSource | VideoSource]
) -> None:
    values = (40, 120, 200)
    is_folder = kind is FolderSource
    path = folder(tmp_path, values) if is_folder else video(tmp_path / 'a.avi', values)
    clock = FakeClock()
    source = kind(path, 20.0, clock=clock, wait=clock.wait)
    source.open()
    frames = [source.read() for _ in range(7)]
    found = [int(frame.pixels.mean().round(-1)) for frame in frames]
    assert found == [40, 120, 200, 40, 120, 200, 40]
    np.testing.assert_allclose(np.diff([frame.stamp for frame in frames]), 0.05)
    assert frames[0].pixels.shape == (48, 64, 3)
    source.close()


def test_a_recording_ends_if_it_is_not_to_be_repeated(tmp_path: Path) -> None:
    clock = FakeClock()
    path = folder(tmp_path, (1, 2))
    source = FolderSource(path, 20.0, loop=False, clock=clock, wait=clock.wait)
    source.open()
    source.read()
    source.read()
    with pytest.raises(EndOfRecording, match='is over'):
        source.read()


def test_a_reader_that_fell_behind_gets_no_burst(tmp_path: Path) -> None:
    clock = FakeClock()
    source = FolderSource(folder(tmp_path, (1, 2)), 10.0, clock=clock, wait=clock.wait)
    source.open()
    source.read()
    clock.now += 5.0
    stamps = [source.read().stamp for _ in range(3)]
    np.testing.assert_allclose(stamps, [105.0, 105.1, 105.2])


def test_a_torn_picture_is_left_out(tmp_path: Path) -> None:
    folder(tmp_path, (10, 20, 30))
    whole = (tmp_path / '001.png').read_bytes()
    (tmp_path / '001.png').write_bytes(whole[:40])
    (tmp_path / '0015.png').write_bytes(b'')
    (tmp_path / 'notes.txt').write_text('no picture')
    clock = FakeClock()
    source = FolderSource(tmp_path, 10.0, clock=clock, wait=clock.wait)
    source.open()
    assert [int(source.read().pixels.mean()) for _ in range(3)] == [10, 30, 10]


def test_a_recording_that_shows_nothing_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match='holds no pictures'):
        FolderSource(tmp_path, 10.0).open()
    with pytest.raises(SourceError, match='is not there'):
        FolderSource(tmp_path / 'none', 10.0).open()
    (tmp_path / 'a.avi').write_bytes(b'no video')
    with pytest.raises(SourceError, match=r'a\.avi cannot be read'):
        VideoSource(tmp_path / 'a.avi', 10.0).open()
    (tmp_path / 'a.png').write_bytes(b'no picture')
    source = FolderSource(tmp_path, 10.0)
    source.open()
    with pytest.raises(SourceError, match='holds nothing that can be shown'):
        source.read()


def test_the_parameter_says_which_source_it_is(tmp_path: Path) -> None:
    path = video(tmp_path / 'a.avi', (1,))
    assert isinstance(choose_source(CameraConfig(source=str(path))), VideoSource)
    assert isinstance(choose_source(CameraConfig(source=str(tmp_path))), FolderSource)
    assert isinstance(choose_source(CameraConfig(source='rtsp://camera/1')), StreamSource)
    assert isinstance(choose_source(CameraConfig()), V4l2Source)
    with pytest.raises(ConfigError, match=r"source is '/none/at\.all': expected a video file"):
        choose_source(CameraConfig(source='/none/at.all'))


def test_the_password_of_a_stream_is_not_told() -> None:
    assert StreamSource('rtsp://me:secret@camera/1').name == 'rtsp://camera/1'


class MjpegHandler(BaseHTTPRequestHandler):
    """What an IP camera answers with."""

    ended: ClassVar[threading.Event]

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header('Content-Type', 'multipart/x-mixed-replace; boundary=frame')
        self.end_headers()
        for number in range(200):
            if self.ended.wait(0.01):
                return
            data = cv2.imencode('.jpg', shade(50 + number % 2 * 100))[1].tobytes()
            head = f'--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n'
            try:
                self.wfile.write(head.encode() + data + b'\r\n')
            except OSError:
                return

    def log_message(self, format: str, *args: object) -> None:
        """Be quiet."""


@contextmanager
def mjpeg_server() -> Iterator[str]:
    MjpegHandler.ended = threading.Event()
    server = ThreadingHTTPServer(('127.0.0.1', 0), MjpegHandler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f'http://127.0.0.1:{server.server_port}/video.mjpg'
    finally:
        MjpegHandler.ended.set()
        server.shutdown()
        server.server_close()


def test_a_stream_is_read_and_its_end_is_told() -> None:
    with mjpeg_server() as url:
        source = StreamSource(url)
        source.open()
        frames = [source.read() for _ in range(4)]
        assert {int(frame.pixels.mean().round(-1)) for frame in frames} == {50, 150}
        assert all(one.stamp < then.stamp for one, then in pairwise(frames))
    # What is still on its way is given first.
    with pytest.raises(SourceError, match='gives no frames any more'):
        list(iter(source.read, None))
    source.close()
    with pytest.raises(SourceError, match='does not answer'):
        source.open()


class FakeCapture:
    """Stands in for cv2.VideoCapture of a camera."""

    opened: ClassVar[list[tuple[object, ...]]] = []
    stamps: ClassVar[list[float]] = []

    def __init__(self, *arguments: object) -> None:
        self.opened.append(arguments)
        self.settings: dict[int, float] = {}
        self.left = list(self.stamps)

    def isOpened(self) -> bool:  # noqa: N802
        return True

    def set(self, what: int, value: float) -> bool:
        self.settings[what] = value
        return True

    def grab(self) -> bool:
        return bool(self.left)

    def get(self, what: int) -> float:
        assert what == cv2.CAP_PROP_POS_MSEC
        return self.left.pop(0)

    def retrieve(self) -> tuple[bool, NDArray[np.uint8]]:
        return True, np.zeros((48, 64), np.uint8)

    def release(self) -> None:
        self.left.clear()


@pytest.fixture
def camera_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(device.cv2, 'VideoCapture', FakeCapture)
    FakeCapture.opened = []
    path = tmp_path / 'video0'
    path.touch()
    return path


def test_a_camera_is_asked_for_what_the_parameters_say(camera_file: Path) -> None:
    config = CameraConfig(
        video_device=str(camera_file), pixel_format='mjpeg2rgb', gain=7, autoexposure=False,
        exposure=150, focus=30, auto_white_balance=False,
    )  # fmt: skip
    source = V4l2Source(config)
    source.open()
    assert FakeCapture.opened == [(str(camera_file), cv2.CAP_V4L2)]
    assert source._capture is not None
    settings = source._capture.settings
    assert settings[cv2.CAP_PROP_FOURCC] == cv2.VideoWriter.fourcc(*'MJPG')
    assert settings[cv2.CAP_PROP_GAIN] == 7
    assert (settings[cv2.CAP_PROP_AUTO_EXPOSURE], settings[cv2.CAP_PROP_EXPOSURE]) == (1, 150)
    assert (settings[cv2.CAP_PROP_AUTO_WB], settings[cv2.CAP_PROP_WB_TEMPERATURE]) == (0, 4000)
    assert (settings[cv2.CAP_PROP_AUTOFOCUS], settings[cv2.CAP_PROP_FOCUS]) == (0, 30)
    assert cv2.CAP_PROP_BRIGHTNESS not in settings


def test_frames_of_a_camera_carry_the_stamps_of_its_driver(camera_file: Path) -> None:
    FakeCapture.stamps = [0.0, 99_970.0, 99_970.0, 99_990.0]
    clock = FakeClock()
    source = V4l2Source(CameraConfig(video_device=str(camera_file)), clock)
    source.open()
    frames = [source.read() for _ in range(2)]
    assert [frame.stamp for frame in frames] == [100.0, 100.0]
    assert source.grab_stamps == 2  # nothing, then a stamp before the one that was given out
    clock.now = 100.04
    FakeCapture.stamps = [100_010.0, 100_010.0]
    source.open()
    assert [source.read().stamp for _ in range(2)] == [100.01, 100.04]
    assert source.buffer_stamps == 1
    assert frames[0].pixels.shape == (48, 64, 3)  # of a camera without colours, too
    with pytest.raises(SourceError, match='video0 gives no frames any more'):
        source.read()


@pytest.mark.parametrize(
    ('milliseconds', 'expected'),
    [
        (99_950.0, 99.95),
        (0.0, 100.0),  # no stamps
        (100_001.0, 100.0),  # of the future
        (99_000.0, 100.0),  # not after the one before
        (1.7e12, 100.0),  # of the wall clock
        (float('nan'), 100.0),
    ],
)
def test_a_stamp_that_is_not_sound_is_replaced(milliseconds: float, expected: float) -> None:
    assert capture_time(milliseconds, 100.0, 99.9) == expected


def test_a_camera_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / 'video7'
    with pytest.raises(SourceError, match=r'video7 is not there: is the camera plugged in'):
        V4l2Source(CameraConfig(video_device=str(path))).open()
