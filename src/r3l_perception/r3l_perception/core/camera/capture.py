# SPDX-License-Identifier: Apache-2.0
"""From a source that may vanish to pictures that are fit to learn from."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
import time

import cv2
import numpy as np
from numpy.typing import NDArray
from r3l_perception.core.camera.config import CameraConfig
from r3l_perception.core.camera.geometry import Geometry, GeometryError
from r3l_perception.core.camera.health import FrameHealth, Verdict
from r3l_perception.core.camera.source import Clock, EndOfRecording, Frame, Source, SourceError

# Waits before a lost source is opened again; the last one counts on. A camera is back within the
# longest of them and the time that it takes to start.
BACK_OFF = (0.1, 0.25, 0.5, 1.0)  # [s]
_WINDOW = 30  # frames over which the rate is measured
# Some cameras take their time before the first frame.
_START = 5.0  # [s]


class Condition(Enum):
    """How the camera does; nothing is published but in RUNNING."""

    RUNNING = 'running'
    STARTING = 'starting'
    LOST = 'lost'
    FROZEN = 'frozen'
    DARK = 'dark'
    OVEREXPOSED = 'overexposed'
    LATE = 'late'
    MISFIT = 'misfit'  # crop or warp do not fit the pictures
    OVER = 'over'  # a recording that does not begin again


_CONDITIONS = {
    Verdict.GOOD: Condition.RUNNING,
    Verdict.LATE: Condition.LATE,
    Verdict.DUPLICATE: Condition.FROZEN,
    Verdict.DARK: Condition.DARK,
    Verdict.OVEREXPOSED: Condition.OVEREXPOSED,
}


@dataclass(frozen=True, slots=True)
class Picture:
    """
    A picture that is fit to learn from.

    :param pixels: red, green, blue; shape (size, size, 3).
    :param stamp: monotonic time of its capture [s].
    :param geometry: how it was made.
    """

    pixels: NDArray[np.uint8]
    stamp: float
    geometry: Geometry


class Capture:
    """
    Opens a source, makes pictures of its frames, and opens it again when it is lost.

    ``step`` does one of these at a time, in one thread. Everything else may be asked from others.
    """

    def __init__(
        self,
        config: CameraConfig,
        source: Source,
        deliver: Callable[[Picture], None],
        clock: Clock = time.monotonic,
    ) -> None:
        """
        Begin with a closed source.

        :param config: supplies geometry and limits.
        :param source: of the frames.
        :param deliver: gets every picture that is to be published; called in ``step``.
        :param clock: monotonic time [s].
        """
        self._config = config
        self._source = source
        self._deliver = deliver
        self._clock = clock
        self._health = FrameHealth(config)
        self._geometry: Geometry | None = None
        self._open = False
        self._failures = 0
        self._retry_at = self._opened_at = self._frame_at = clock()
        self._arrivals: deque[float] = deque(maxlen=_WINDOW)
        self._rate = 0.0
        self._due = -np.inf
        self._state = (Condition.STARTING, f'waiting for {source.name}')
        self.counts: Counter[str] = Counter()

    def step(self) -> float:
        """
        Open the source, or make a picture of its next frame.

        :return: time until the next step makes sense [s].
        """
        now = self._clock()
        if not self._open:
            return self._try_open() if now >= self._retry_at else self._retry_at - now
        try:
            frame = self._source.read()
        except EndOfRecording as end:
            self._close(Condition.OVER, str(end))
            self._retry_at = np.inf
            return BACK_OFF[-1]
        except (SourceError, OSError, cv2.error) as error:
            self._close(Condition.LOST, str(error))
            return 0.0
        self._frame_at = now = self._clock()
        self._failures = 0
        self._arrivals.append(now)
        span = now - self._arrivals[0]
        self._rate = (len(self._arrivals) - 1) / span if span else 0.0
        self.counts['frames'] += 1
        self._take(frame, now)
        return 0.0

    def state(self) -> tuple[Condition, str]:
        """Return how the camera does now, and why in one sentence."""
        condition, reason = self._state
        silent = self._clock() - self._frame_at
        limit = _START if condition is Condition.STARTING else self._config.lost_after
        if self._open and silent > limit:
            return Condition.LOST, f'{self._source.name} has given no frame for {silent:.1f} s'
        return condition, reason

    def rate(self) -> float:
        """Return the frames per second of late, 0 without any [Hz]."""
        silent = self._clock() - self._frame_at
        return self._rate if self._open and silent <= self._config.lost_after else 0.0

    def close(self) -> None:
        """Close the source; from the thread of ``step`` only."""
        self._source.close()
        self._open = False

    def _try_open(self) -> float:
        try:
            self._source.open()
        except (SourceError, OSError, cv2.error) as error:
            self._close(Condition.LOST, str(error))
            return 0.0
        self._open = True
        self._opened_at = self._frame_at = self._clock()
        self._arrivals.clear()
        self._rate = 0.0
        self.counts['opened'] += 1
        if self._state[0] is not Condition.FROZEN:
            self._state = (Condition.STARTING, f'{self._source.name} is open')
        return 0.0

    def _close(self, condition: Condition, reason: str) -> None:
        if self._open:
            self.counts['lost'] += 1
        self.close()
        self._state = (condition, reason)
        self._retry_at = self._clock() + BACK_OFF[min(self._failures, len(BACK_OFF) - 1)]
        self._failures += 1

    def _take(self, frame: Frame, now: float) -> None:
        verdict = self._health.judge_frame(frame, now)
        picture = None
        if verdict is Verdict.GOOD:
            try:
                picture = self._made(frame)
            except GeometryError as error:
                self._state = (Condition.MISFIT, str(error))
                return
            verdict = self._health.judge_picture(picture.pixels)
        if verdict is not Verdict.GOOD:
            self.counts[verdict.value] += 1
            self._complain(verdict, frame, now)
            return
        self._state = (Condition.RUNNING, f'{self._source.name} at {self._rate:.1f} Hz')
        if picture is not None and self._is_due(frame.stamp):
            self.counts['delivered'] += 1
            self._deliver(picture)

    def _made(self, frame: Frame) -> Picture:
        config = self._config
        height, width = frame.pixels.shape[:2]
        if self._geometry is None or self._geometry.captured != (height, width):
            self._geometry = Geometry.fit(
                (height, width), config.image_size, config.crop, config.warp
            )
        # Turned from blue, green, red where the picture is smallest.
        pixels = np.ascontiguousarray(self._geometry.apply(frame.pixels)[:, :, ::-1])
        return Picture(pixels, frame.stamp, self._geometry)

    def _complain(self, verdict: Verdict, frame: Frame, now: float) -> None:
        reason = f'frames of {self._source.name} are {verdict.value}'
        if verdict is Verdict.LATE:
            reason += f': {now - frame.stamp:.2f} s old'
        if verdict is Verdict.DUPLICATE:
            still = frame.stamp - self._health.changed_at
            reason = f'{self._source.name} has shown the same for {still:.1f} s'
            if min(still, now - self._opened_at) > self._config.reopen_after:
                self._close(Condition.FROZEN, reason)
                return
        self._state = (_CONDITIONS[verdict], reason)

    def _is_due(self, stamp: float) -> bool:
        """Take the frames nearest to an even beat."""
        if not self._config.control_rate:
            return True
        period = 1.0 / self._config.control_rate
        if stamp < self._due - 0.5 / self._config.framerate:
            return False
        # After a gap the beat begins anew.
        self._due = (self._due if stamp < self._due + period else stamp) + period
        return True
