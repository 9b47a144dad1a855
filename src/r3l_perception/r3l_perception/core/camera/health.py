# SPDX-License-Identifier: Apache-2.0
"""Whether frames are fit to learn from: late, repeated, dark, overexposed."""

from __future__ import annotations

from enum import Enum

import numpy as np
from numpy.typing import NDArray
from r3l_perception.core.camera.config import CameraConfig
from r3l_perception.core.camera.source import Frame

# Every so many pixels are compared first: two frames of a living camera differ there already.
_SPARSE = 16
_SATURATED = 250  # of 255
_WEIGHTS = np.array([0.299, 0.587, 0.114])  # of red, green, blue; ITU-R BT.601


class Verdict(Enum):
    """What is wrong with a frame; one that is not GOOD is not published."""

    GOOD = 'good'
    LATE = 'late'
    DUPLICATE = 'duplicated'
    DARK = 'dark'
    OVEREXPOSED = 'overexposed'


class FrameHealth:
    """Judges frames one after another."""

    def __init__(self, config: CameraConfig) -> None:
        """
        Begin without a frame.

        :param config: supplies the limits.
        """
        self._config = config
        self._last: NDArray[np.uint8] | None = None
        self.changed_at = -np.inf  # stamp of the last frame with new content [s]

    def judge_frame(self, frame: Frame, now: float) -> Verdict:
        """
        Judge a frame as it was captured.

        :param now: monotonic time [s].
        """
        same = self._last is not None and _equal(frame.pixels, self._last)
        if not same:
            self._last = frame.pixels
            self.changed_at = frame.stamp
        if same and self._config.expect_change:
            return Verdict.DUPLICATE
        if now - frame.stamp > self._config.max_age:
            return Verdict.LATE
        return Verdict.GOOD

    def judge_picture(self, picture: NDArray[np.uint8]) -> Verdict:
        """
        Judge the light of a picture.

        :param picture: as it is learned from, red, green, blue; shape (size, size, 3).
        """
        if float(picture.mean(axis=(0, 1)) @ _WEIGHTS) < self._config.dark_below:
            return Verdict.DARK
        # A pixel counts when all its colours are at the end of the scale: a red light is none.
        if float((picture.min(axis=2) >= _SATURATED).mean()) > self._config.bright_above:
            return Verdict.OVEREXPOSED
        return Verdict.GOOD


def _equal(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> bool:
    if one.shape != other.shape:
        return False
    if not np.array_equal(one[::_SPARSE, ::_SPARSE], other[::_SPARSE, ::_SPARSE]):
        return False
    return np.array_equal(one, other)
