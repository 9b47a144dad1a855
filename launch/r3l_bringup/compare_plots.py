# SPDX-License-Identifier: Apache-2.0
"""Pictures of where two classifiers differ."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

import matplotlib

matplotlib.use('Agg')
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
import numpy as np
from numpy.typing import NDArray
from r3l_bag.core.moment import clock_text

Array = NDArray[np.float32]

_DPI = 110
_POINTS = 200  # means along the time axis
_COLUMNS = 4


class Shown(Protocol):
    """An image with the probabilities that two classifiers give it."""

    @property
    def time(self) -> int:
        """Log time [ns]."""
        ...

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """Image, shape (height, width, 3)."""
        ...

    @property
    def recorded(self) -> float:
        """Probability of the time."""
        ...

    @property
    def other(self) -> float:
        """Probability of the other classifier."""
        ...


def over_time(
    times: NDArray[np.int64], recorded: Array, other: Array, name: str, path: Path
) -> None:
    """
    Draw two success probabilities over the time of the recording.

    :param times: log times [ns], shape (n,).
    :param recorded: shape (n,).
    :param other: shape (n,).
    :param name: of the other classifier.
    :param path: of the PNG file.
    """
    parts = np.array_split(np.argsort(times, kind='stable'), min(len(times), _POINTS))
    clock = [datetime.fromtimestamp(float(times[rows].mean()) * 1e-9) for rows in parts]
    figure, (above, below) = plt.subplots(2, 1, figsize=(9.0, 5.0), sharex=True)
    for label, values in (('recorded', recorded), (name, other)):
        above.plot(clock, [float(values[rows].mean()) for rows in parts], label=label, lw=1)
    opposite = (recorded > 0.5) != (other > 0.5)
    below.plot(clock, [float(opposite[rows].mean()) for rows in parts], lw=1, color='C3')
    above.set(ylabel='success probability', ylim=(-0.02, 1.02))
    below.set(ylabel='opposite verdicts', ylim=(-0.02, 1.02), xlabel='time of the recording')
    above.legend(loc='best', fontsize=8)
    for axes in (above, below):
        axes.grid(alpha=0.3)
    figure.autofmt_xdate()
    save(figure, path)


def frames(shown: Sequence[Shown], path: Path) -> None:
    """
    Draw images with both probabilities.

    :param shown: the worst first.
    :param path: of the PNG file.
    """
    rows = -(-len(shown) // _COLUMNS)
    figure, grid = plt.subplots(rows, _COLUMNS, figsize=(9.0, 2.6 * rows), squeeze=False)
    for axes in grid.flat:
        axes.axis('off')
    for axes, frame in zip(grid.flat, shown, strict=False):
        axes.imshow(frame.pixels)
        axes.set_title(
            f'{clock_text(frame.time)}\nrecorded {frame.recorded:.2f}, other {frame.other:.2f}',
            fontsize=8,
        )
    save(figure, path)


def save(figure: Figure, path: Path) -> None:
    """
    Write a figure in one step and close it.

    :param figure: any.
    :param path: of the PNG file.
    """
    figure.tight_layout()
    part = path.with_suffix('.part.png')
    figure.savefig(part, dpi=_DPI)
    plt.close(figure)
    part.rename(path)
