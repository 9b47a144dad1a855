# SPDX-License-Identifier: Apache-2.0
"""Live sources: a V4L2 camera and a network stream, through OpenCV."""

from __future__ import annotations

from collections.abc import Iterator
import os
from pathlib import Path
import time

# Read by OpenCV when it first opens a camera: one that gives nothing for so long is lost [s].
os.environ.setdefault('OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT', '3')

import cv2
import numpy as np
from r3l_perception.core.camera.config import DeviceConfig, PIXEL_FORMATS
from r3l_perception.core.camera.source import as_colours, Clock, Frame, SourceError

# What the driver may keep: a reader that pauses finds frames at most this old [frames].
_BUFFERS = 2
_MANUAL_EXPOSURE, _AUTO_EXPOSURE = 1, 3  # of V4L2_CID_EXPOSURE_AUTO, as UVC cameras have it
_OPEN_TIMEOUT, _READ_TIMEOUT = 4000, 1000  # of a stream [ms]
# Stamps of another clock than the monotonic one are hours away, not seconds.
_OLDEST_STAMP = 10.0  # [s]


def capture_time(milliseconds: float, grabbed: float, previous: float) -> float:
    """
    Return when a frame was captured.

    Most drivers stamp a buffer when its first byte arrives, by the monotonic clock; OpenCV hands
    that on as ``CAP_PROP_POS_MSEC``. Where a driver gives nothing, repeats itself or has another
    clock, the time at which the frame was grabbed has to do: it is late by the transfer.

    :param milliseconds: what OpenCV says [ms].
    :param grabbed: monotonic time after the grab [s].
    :param previous: what was returned for the frame before [s].
    :return: monotonic time [s].
    """
    stamp = milliseconds / 1000.0
    sound = previous < stamp <= grabbed and grabbed - stamp <= _OLDEST_STAMP
    return stamp if sound else grabbed


class V4l2Source:
    """A camera at a device file of V4L2."""

    def __init__(self, config: DeviceConfig, clock: Clock = time.monotonic) -> None:
        """
        Prepare; nothing is opened.

        :param config: which camera, and how it is set.
        :param clock: monotonic time, as the kernel's [s].
        """
        self._config = config
        self._clock = clock
        self._capture: cv2.VideoCapture | None = None
        self._previous = -np.inf
        self.buffer_stamps = 0  # frames that the driver stamped
        self.grab_stamps = 0  # frames that we had to stamp

    @property
    def name(self) -> str:
        """The device file."""
        return self._config.video_device

    def open(self) -> None:
        """Open the device and ask for the wanted format and controls."""
        self.close()
        path = Path(self._config.video_device)
        # Asked first: OpenCV would write two lines to stderr, every time, all night.
        if not path.exists():
            raise SourceError(f'{path} is not there: is the camera plugged in? (r3l find-camera)')
        if not os.access(path, os.R_OK | os.W_OK):
            raise SourceError(f'{path} may not be opened: is this user in the group video?')
        capture = cv2.VideoCapture(str(path), cv2.CAP_V4L2)
        if not capture.isOpened():
            capture.release()
            raise SourceError(f'{path} cannot be opened: another program uses it, or no camera')
        for what, value in _settings(self._config):
            capture.set(what, value)
        self._capture = capture

    def read(self) -> Frame:
        """Wait for the next frame."""
        capture = self._capture
        if capture is None or not capture.grab():
            raise SourceError(f'{self.name} gives no frames any more')
        grabbed = self._clock()
        stamp = capture_time(capture.get(cv2.CAP_PROP_POS_MSEC), grabbed, self._previous)
        self._previous = stamp
        if stamp == grabbed:
            self.grab_stamps += 1
        else:
            self.buffer_stamps += 1
        good, pixels = capture.retrieve()
        if not good:
            raise SourceError(f'{self.name} gives frames that cannot be decoded')
        return Frame(as_colours(pixels), stamp)

    def close(self) -> None:
        """Close the device."""
        if self._capture is not None:
            self._capture.release()
            self._capture = None


def _settings(config: DeviceConfig) -> Iterator[tuple[int, float]]:
    """Yield OpenCV's properties in the order in which they have to be set."""
    yield cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*PIXEL_FORMATS[config.pixel_format])
    yield cv2.CAP_PROP_FRAME_WIDTH, config.image_width
    yield cv2.CAP_PROP_FRAME_HEIGHT, config.image_height
    yield cv2.CAP_PROP_FPS, config.framerate
    yield cv2.CAP_PROP_BUFFERSIZE, _BUFFERS
    plain = {
        cv2.CAP_PROP_BRIGHTNESS: config.brightness,
        cv2.CAP_PROP_CONTRAST: config.contrast,
        cv2.CAP_PROP_SATURATION: config.saturation,
        cv2.CAP_PROP_SHARPNESS: config.sharpness,
        cv2.CAP_PROP_GAIN: config.gain,
    }
    for what, value in plain.items():
        if value >= 0:
            yield what, value
    yield cv2.CAP_PROP_AUTO_WB, int(config.auto_white_balance)
    if not config.auto_white_balance and config.white_balance >= 0:
        yield cv2.CAP_PROP_WB_TEMPERATURE, config.white_balance
    yield cv2.CAP_PROP_AUTO_EXPOSURE, _AUTO_EXPOSURE if config.autoexposure else _MANUAL_EXPOSURE
    if not config.autoexposure and config.exposure >= 0:
        yield cv2.CAP_PROP_EXPOSURE, config.exposure
    yield cv2.CAP_PROP_AUTOFOCUS, int(config.autofocus)
    if not config.autofocus and config.focus >= 0:
        yield cv2.CAP_PROP_FOCUS, config.focus


class StreamSource:
    """A network stream, such as rtsp:// or the MJPEG of an IP camera; stamped on arrival."""

    def __init__(self, url: str, clock: Clock = time.monotonic) -> None:
        """
        Prepare; nothing is opened.

        :param url: with a scheme that FFmpeg knows.
        :param clock: monotonic time [s].
        """
        self._url = url
        self._clock = clock
        self._capture: cv2.VideoCapture | None = None

    @property
    def name(self) -> str:
        """The URL, without the password that it may hold."""
        scheme, _, rest = self._url.partition('://')
        return f'{scheme}://{rest.rpartition("@")[2]}'

    def open(self) -> None:
        """Connect."""
        self.close()
        limits = [
            cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _OPEN_TIMEOUT,
            cv2.CAP_PROP_READ_TIMEOUT_MSEC, _READ_TIMEOUT,
        ]  # fmt: skip
        capture = cv2.VideoCapture(self._url, cv2.CAP_FFMPEG, limits)
        if not capture.isOpened():
            capture.release()
            raise SourceError(f'{self.name} does not answer: expected a video stream')
        self._capture = capture

    def read(self) -> Frame:
        """Wait for the next frame."""
        capture = self._capture
        if capture is None or not capture.grab():
            raise SourceError(f'{self.name} gives no frames any more')
        stamp = self._clock()
        good, pixels = capture.retrieve()
        if not good:
            raise SourceError(f'{self.name} gives frames that cannot be decoded')
        return Frame(as_colours(pixels), stamp)

    def close(self) -> None:
        """Disconnect."""
        if self._capture is not None:
            self._capture.release()
            self._capture = None
