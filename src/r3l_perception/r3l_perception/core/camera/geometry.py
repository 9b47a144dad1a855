# SPDX-License-Identifier: Apache-2.0
"""
From the captured picture to the one that is learned from: crop, warp, reduce.

The only place where a picture of a camera changes its size. Pixel ``i`` covers ``[i, i + 1)``:
the whole of a 640x480 picture has the corners (0, 0) and (640, 480).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import math

import cv2
import numpy as np
from numpy.typing import NDArray
from r3l_node.core.errors import ConfigError

Rectangle = tuple[int, int, int, int]  # x, y, width, height [px]
_HALF = np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 0.5], [0.0, 0.0, 1.0]])


class GeometryError(ConfigError):
    """A crop or warp that does not fit the picture or makes no sense."""


def checked_crop(crop: Sequence[int], size: int) -> Rectangle | None:
    """
    Return the parameter ``crop`` as a rectangle, None if it is empty.

    :param size: side of the picture that is made [px]; less is not there to be used.
    :raises GeometryError: if it is none, or too small.
    """
    if not crop:
        return None
    if len(crop) != 4 or min(crop) < 0:
        raise GeometryError(f'crop is {list(crop)}: expected x, y, width and height in pixels')
    x, y, width, height = crop
    if min(width, height) < size:
        raise GeometryError(
            f'crop is {width}x{height}: expected at least {size}x{size}, the size of the picture '
            'that is made of it'
        )
    return x, y, width, height


def checked_warp(
    warp: Sequence[float], shape: tuple[int, int] | None
) -> NDArray[np.float64] | None:
    """
    Return the parameter ``warp`` as corners, None if it is empty.

    :param shape: (width, height) in which the corners must lie [px], if it is known.
    :return: shape (4, 2), x and y of the corners [px].
    :raises GeometryError: if these are not the corners of a convex shape, clockwise.
    """
    if not len(warp):
        return None
    shown = f'warp is {[float(value) for value in warp]}'
    if len(warp) != 8:
        raise GeometryError(f'{shown}: expected x and y of four corners')
    corners = np.array(warp, float).reshape(4, 2)
    edges = np.roll(corners, -1, axis=0) - corners
    following = np.roll(edges, -1, axis=0)
    turns = edges[:, 0] * following[:, 1] - edges[:, 1] * following[:, 0]
    if (turns < 1.0).any():
        raise GeometryError(f'{shown}: expected the corners of a convex shape, clockwise')
    if shape is not None and ((corners < 0).any() or (corners > shape).any()):
        raise GeometryError(f'{shown}: expected corners within {shape[0]}x{shape[1]} pixels')
    return corners


@dataclass(frozen=True)
class Geometry:
    """
    What is made of pictures of one shape.

    :param captured: (height, width) of the captured picture [px].
    :param crop: the part that is used [px].
    :param corners: shape (4, 2), in the cropped picture [px]; None: no warp.
    :param size: side of the picture that is made [px].
    """

    captured: tuple[int, int]
    crop: Rectangle
    corners: NDArray[np.float64] | None
    size: int

    @classmethod
    def fit(
        cls,
        captured: tuple[int, int],
        size: int,
        crop: Sequence[int] = (),
        warp: Sequence[float] = (),
    ) -> Geometry:
        """
        Make the geometry for pictures of a shape.

        :param captured: (height, width) [px].
        :param size: side of the picture that is made [px].
        :param crop: as the parameter ``crop``.
        :param warp: as the parameter ``warp``.
        :raises GeometryError: naming what does not fit.
        """
        height, width = captured
        rectangle = checked_crop(crop, size)
        if rectangle is None:
            side = min(height, width)
            middle = ((width - side) // 2, (height - side) // 2, side, side)
            rectangle = (0, 0, width, height) if len(warp) else middle
        x, y, *extent = rectangle
        if x + extent[0] > width or y + extent[1] > height:
            raise GeometryError(
                f'crop is {list(rectangle)}: expected a part of the {width}x{height} picture'
            )
        if min(extent) < size:
            raise GeometryError(
                f'the camera gives {width}x{height} pixels: expected at least {size}x{size}'
            )
        corners = checked_warp(warp, (extent[0], extent[1]))
        return cls(captured, rectangle, corners, size)

    @property
    def scale(self) -> tuple[float, float]:
        """Captured pixels per pixel made, along x and y, without a warp."""
        return self.crop[2] / self.size, self.crop[3] / self.size

    def apply(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """
        Make the picture that is learned from.

        :param pixels: shape (height, width, 3) as captured; the order of colours stays.
        :return: shape (size, size, 3), contiguous.
        """
        x, y, width, height = self.crop
        part = pixels[y : y + height, x : x + width]
        if self.corners is not None:
            part = self._straightened(part, self.corners)
        # Every captured pixel counts by the area that it has in the new one: no aliasing.
        made: NDArray[np.uint8] = cv2.resize(
            part, (self.size, self.size), interpolation=cv2.INTER_AREA
        )
        return np.ascontiguousarray(made)

    def _straightened(
        self, part: NDArray[np.uint8], corners: NDArray[np.float64]
    ) -> NDArray[np.uint8]:
        # At about the resolution that is there, so that the reduction afterwards averages it.
        longest = np.linalg.norm(np.roll(corners, -1, axis=0) - corners, axis=1).max()
        side = self.size * math.ceil(longest / self.size)
        square = np.array([[0, 0], [side, 0], [side, side], [0, side]], np.float32)
        matrix = cv2.getPerspectiveTransform(corners.astype(np.float32), square)
        # OpenCV counts from the centres of the pixels.
        matrix = np.linalg.inv(_HALF) @ matrix @ _HALF
        straight: NDArray[np.uint8] = cv2.warpPerspective(
            part, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        return straight
