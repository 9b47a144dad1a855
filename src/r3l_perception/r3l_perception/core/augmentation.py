# SPDX-License-Identifier: Apache-2.0
"""Random shifts of images (arXiv:2004.13649)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def random_shift(
    images: NDArray[np.uint8], limit: int, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """
    Shift each image by whole pixels in both directions, repeating the border.

    :param images: shape (batch, height, width, channels).
    :param limit: largest shift [pixel].
    :param rng: draws one shift per image and direction.
    :return: new array of the same shape.
    """
    batch, height, width = images.shape[:3]
    shifts = rng.integers(-limit, limit + 1, size=(2, batch, 1))
    rows = np.clip(np.arange(height) + shifts[0], 0, height - 1)
    columns = np.clip(np.arange(width) + shifts[1], 0, width - 1)
    index = np.arange(batch)[:, None, None]
    shifted: NDArray[np.uint8] = images[index, rows[:, :, None], columns[:, None, :]]
    return shifted
