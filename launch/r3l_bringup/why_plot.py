# SPDX-License-Identifier: Apache-2.0
"""The picture of ``r3l why``."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from matplotlib import pyplot as plt
import numpy as np
from numpy.typing import NDArray
from r3l_bringup.compare_plots import save


class Picture(NamedTuple):
    """An image with a title."""

    title: str
    pixels: NDArray[np.uint8]  # shape (height, width, 3)


def draw(pictures: list[Picture], title: str, path: Path) -> None:
    """
    Draw images side by side.

    :param pictures: from left to right.
    :param title: above all.
    :param path: of the PNG file.
    """
    width = max(1.4 * len(pictures), 4.5)
    figure, grid = plt.subplots(1, len(pictures), figsize=(width, 2.2), squeeze=False)
    for axes, picture in zip(grid.flat, pictures, strict=True):
        axes.imshow(picture.pixels)
        axes.set_title(picture.title, fontsize=8)
        axes.axis('off')
    figure.suptitle(title, fontsize=9)
    save(figure, path)
