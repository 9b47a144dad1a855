# SPDX-License-Identifier: Apache-2.0
"""Pictures that show a person what the encoder keeps of an image."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def comparison(
    images: NDArray[np.uint8], reconstructions: NDArray[np.uint8], scale: int = 4
) -> NDArray[np.uint8]:
    """
    Put images in a row above their reconstructions.

    :param images: shape (count, height, width, 3).
    :param reconstructions: same shape.
    :param scale: side of the square that one pixel becomes [pixel].
    :return: shape (2 * height * scale, count * width * scale, 3).
    """
    rows = [np.concatenate(list(row), axis=1) for row in (images, reconstructions)]
    picture = np.concatenate(rows, axis=0)
    return picture.repeat(scale, axis=0).repeat(scale, axis=1)


def png(picture: NDArray[np.uint8]) -> bytes:
    """
    Compress a picture as PNG.

    :param picture: shape (height, width, 3).
    :return: content of a PNG file.
    """
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format='PNG')
    return buffer.getvalue()
