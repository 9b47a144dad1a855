# SPDX-License-Identifier: Apache-2.0
"""What a source of frames is, and the recordings among them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
import time
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from r3l_node.core.errors import ConfigError

PICTURES = frozenset({'.png', '.jpg', '.jpeg', '.bmp', '.tif', '.tiff', '.webp', '.ppm', '.pgm'})
Clock = Callable[[], float]
Wait = Callable[[float], object]


class SourceError(ConfigError):
    """A source that gives no frames; it may again after it was opened anew."""


class EndOfRecording(SourceError):  # noqa: N818 - the end is foreseen
    """A recording that is over."""


@dataclass(frozen=True, slots=True)
class Frame:
    """
    What a source captured.

    :param pixels: blue, green, red; shape (height, width, 3).
    :param stamp: monotonic time of the capture [s].
    """

    pixels: NDArray[np.uint8]
    stamp: float


class Source(Protocol):
    """Gives frames. Used by one thread; may be opened again after it was closed."""

    @property
    def name(self) -> str:
        """What it is, for a person."""

    def open(self) -> None:
        """
        Begin to capture.

        :raises SourceError: one sentence why that is not possible now.
        """

    def read(self) -> Frame:
        """
        Wait for the next frame.

        :raises SourceError: one sentence why none will come.
        """

    def close(self) -> None:
        """Stop; nothing happens if it is closed already."""


def as_colours(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a picture of any usual kind as (height, width, 3), blue, green, red."""
    if pixels.ndim == 2 or pixels.shape[2] == 1:
        return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR), np.uint8)
    return pixels[:, :, :3]


class Recording:
    """Frames of a recording at an even rate; subclasses say where the next one comes from."""

    def __init__(
        self,
        path: Path,
        rate: float,
        *,
        loop: bool = True,
        clock: Clock = time.monotonic,
        wait: Wait = time.sleep,
    ) -> None:
        """
        Prepare; nothing is opened.

        :param path: of the recording.
        :param rate: frames per second, whatever the recording was made with [Hz].
        :param loop: begin again at the end.
        :param clock: monotonic time [s].
        :param wait: lets that much time go by [s].
        """
        self.path = path
        self._period = 1.0 / rate
        self._loop = loop
        self._clock = clock
        self._wait = wait
        self._due = -np.inf
        self._given = 0

    @property
    def name(self) -> str:
        """The file or folder."""
        return str(self.path)

    def open(self) -> None:
        """Begin at the first frame."""
        self.close()
        self._given = 0
        self._begin()

    def read(self) -> Frame:
        """Wait until the next frame is due."""
        now = self._clock()
        # A reader that fell behind goes on from here: a camera would not catch up either.
        due = max(self._due + self._period, now)
        if due > now:
            self._wait(due - now)
        self._due = stamp = due
        pixels = self._next()
        if pixels is None and self._loop and self._given:
            self._given = 0
            self._begin()
            pixels = self._next()
        if pixels is None and not self._given:
            raise SourceError(f'{self.path} holds nothing that can be shown')
        if pixels is None:
            raise EndOfRecording(f'{self.path} is over')
        self._given += 1
        return Frame(as_colours(pixels), stamp)

    def close(self) -> None:
        """Let go of the recording."""

    def _begin(self) -> None:
        raise NotImplementedError

    def _next(self) -> NDArray[np.uint8] | None:
        raise NotImplementedError


class FolderSource(Recording):
    """The pictures of a folder in the order of their names."""

    _left: Iterator[Path] = iter(())

    def _begin(self) -> None:
        if not self.path.is_dir():
            raise SourceError(f'{self.path} is not there: expected a folder of pictures')
        found = (path for path in self.path.iterdir() if path.suffix.lower() in PICTURES)
        paths = sorted(found)
        if not paths:
            raise SourceError(f'{self.path} holds no pictures: expected .png or .jpg files')
        self._left = iter(paths)

    def _next(self) -> NDArray[np.uint8] | None:
        for path in self._left:
            # One that is torn, gone or none at all is left out.
            try:
                data = np.frombuffer(path.read_bytes(), np.uint8)
                pixels = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
            except (OSError, cv2.error):
                continue
            if pixels is not None:
                return np.asarray(pixels, np.uint8)
        return None


class VideoSource(Recording):
    """A video file, in any format that OpenCV reads."""

    _video: cv2.VideoCapture | None = None

    def close(self) -> None:
        """Close the file."""
        if self._video is not None:
            self._video.release()
            self._video = None

    def _begin(self) -> None:
        self.close()
        if not self.path.is_file():
            raise SourceError(f'{self.path} is not there: expected a video file')
        self._video = cv2.VideoCapture(str(self.path))
        if not self._video.isOpened():
            raise SourceError(f'{self.path} cannot be read: expected a video file')

    def _next(self) -> NDArray[np.uint8] | None:
        if self._video is None:
            raise SourceError(f'{self.path} is not open')
        good, pixels = self._video.read()
        return np.asarray(pixels, np.uint8) if good else None
