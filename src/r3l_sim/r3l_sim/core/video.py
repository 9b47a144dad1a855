# SPDX-License-Identifier: Apache-2.0
"""Video of a deployed evaluation: every start in a grid, as time goes by."""

from collections.abc import Callable, Sequence
import math
import os
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from r3l_node.core.errors import ConfigError
from r3l_sim.core.evaluation import EvaluationResult
from r3l_sim.core.mjcf import TASK_CAMERA
from r3l_sim.core.pictures import BAD, errors_text, GOOD, INK
from r3l_sim.core.scene import Scene
from r3l_sim.core.tasks import State, Task

CELL = 128  # side of the view of one start [px]
HEADER, LABEL, GAP = 18, 14, 4  # [px]
AFTERMATH = 1.5  # for which the last frame stays [s]
_WHITE = (255, 255, 255)


class VideoError(ConfigError):
    """A video that cannot be written."""


class Writer(Protocol):
    """Takes one frame after another."""

    def add(self, frame: NDArray[np.uint8]) -> None:
        """Append a frame, shape (height, width, 3), RGB."""

    def close(self) -> None:
        """Finish the file."""


class Mp4:
    """
    An MPEG-4 video, which the players of all systems know.

    :param path: the file.
    :param rate: frames per second.
    """

    def __init__(self, path: Path, rate: float) -> None:
        self._path, self._rate = path, rate
        self._writer: cv2.VideoWriter | None = None

    def add(self, frame: NDArray[np.uint8]) -> None:
        """Append a frame, shape (height, width, 3), RGB; height and width even."""
        height, width = frame.shape[:2]
        if self._writer is None:
            code = cv2.VideoWriter.fourcc(*'mp4v')
            self._writer = cv2.VideoWriter(str(self._path), code, self._rate, (width, height))
            if not self._writer.isOpened():
                raise VideoError(f'{self._path}: OpenCV cannot write MP4 here: expected a .gif')
        self._writer.write(np.ascontiguousarray(frame[..., ::-1]))

    def close(self) -> None:
        """Finish the file."""
        if self._writer is not None:
            self._writer.release()


class Gif:
    """
    An animated GIF, which a README can show.

    :param path: the file.
    :param rate: frames per second.
    """

    def __init__(self, path: Path, rate: float) -> None:
        self._path, self._rate = path, rate
        self._frames: list[Image.Image] = []

    def add(self, frame: NDArray[np.uint8]) -> None:
        """Append a frame, shape (height, width, 3), RGB."""
        self._frames.append(Image.fromarray(frame).quantize(128, dither=Image.Dither.NONE))

    def close(self) -> None:
        """Finish the file."""
        if self._frames:
            first, *rest = self._frames
            duration = round(1000 / self._rate)
            first.save(self._path, save_all=True, append_images=rest, duration=duration, loop=0)
        self._frames = []


WRITERS: dict[str, Callable[[Path, float], Writer]] = {'.mp4': Mp4, '.gif': Gif}


def check_video(path: Path) -> None:
    """
    Refuse a file that no video can be written to.

    :raises VideoError: with one sentence.
    """
    if path.suffix.lower() not in WRITERS:
        raise VideoError(f"video is '{path}': expected a name that ends in .mp4 or .gif")
    if not path.parent.is_dir():
        raise VideoError(f"video is '{path}': expected a file in a folder that exists")


class Video:
    """
    Film every start of an evaluation at once; hand `watch` to it, then call `finish`.

    Each start has a view with its error below, green while it is a success.  At the end a frame
    stays in which green and red say which episodes counted.

    :param path: the file, .mp4 or .gif; it is there when it is complete.
    :param task: the task of the scenes.
    :param period: of a control step [s].
    :param title: above the views.
    :raises VideoError: if there can be no such file.
    """

    def __init__(self, path: Path, task: Task, period: float, title: str) -> None:
        check_video(path)
        self._path, self._task, self._period, self._title = path, task, period, title
        self._part = path.with_name(f'.{path.stem}.{os.getpid()}{path.suffix.lower()}')
        self._writer = WRITERS[path.suffix.lower()](self._part, 1.0 / period)
        self._views: list[NDArray[np.uint8]] = []
        self._states: list[State] = []
        self._frames = 0

    def watch(self, scenes: Sequence[Scene]) -> None:
        """Add a frame; see `r3l_sim.core.evaluation.evaluate`."""
        self._views = [scene.picture((CELL, CELL), TASK_CAMERA) for scene in scenes]
        self._states = [scene.object_state() for scene in scenes]
        marks = [self._task.is_success(state) for state in self._states]
        self._writer.add(self._frame(marks, f'{self._frames * self._period:4.1f} s'))
        self._frames += 1

    def finish(self, result: EvaluationResult) -> None:
        """
        Add what came of it, and put the file where it belongs.

        :param result: of the evaluation that was watched.
        """
        verdict = f'{int(result.success.sum())} of {len(result.success)} starts succeeded'
        frame = self._frame(result.success.tolist(), verdict, thick=True)
        for _ in range(math.ceil(AFTERMATH / self._period)):
            self._writer.add(frame)
        self._writer.close()
        self._part.replace(self._path)

    def discard(self) -> None:
        """Leave no file behind, if there is no complete one; safe to call at any time."""
        self._writer.close()
        self._part.unlink(missing_ok=True)

    def _frame(
        self, marks: Sequence[bool], text: str, *, thick: bool = False
    ) -> NDArray[np.uint8]:
        columns = math.ceil(math.sqrt(len(self._views) * 1.5))
        rows = math.ceil(len(self._views) / columns)
        size = (columns * (CELL + GAP) + GAP, HEADER + rows * (CELL + LABEL + GAP))
        canvas = Image.new('RGB', (size[0] + size[0] % 2, size[1] + size[1] % 2), _WHITE)
        draw, font = ImageDraw.Draw(canvas), ImageFont.load_default()
        draw.text((GAP, 3), f'{self._title}   {text}', INK, font)
        for index, (view, state, good) in enumerate(
            zip(self._views, self._states, marks, strict=True)
        ):
            x = GAP + index % columns * (CELL + GAP)
            y = HEADER + index // columns * (CELL + LABEL + GAP)
            colour = GOOD if good else BAD
            canvas.paste(Image.fromarray(view), (x, y))
            draw.rectangle((x, y + CELL, x + CELL - 1, y + CELL + LABEL - 1), colour)
            errors = errors_text(self._task.errors(state), self._task)
            draw.text((x + 3, y + CELL + 1), f'{index + 1}  {errors}', _WHITE, font)
            if thick:
                draw.rectangle((x, y, x + CELL - 1, y + CELL - 1), outline=colour, width=3)
        return np.asarray(canvas)
