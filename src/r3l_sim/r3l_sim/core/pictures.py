# SPDX-License-Identifier: Apache-2.0
"""PNG files: film strips of evaluations, goal pictures, and the picture of a scene."""

from collections.abc import Iterable, Mapping
import io
import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from r3l_node.core.files import write_atomic
from r3l_sim.core.evaluation import EvaluationResult
from r3l_sim.core.tasks import Task, within

GOOD, BAD, INK = (60, 160, 70), (190, 70, 60), (30, 30, 30)
LABEL_HEIGHT, GAP, HEADER = 12, 3, 16  # [px]


def png(image: NDArray[np.uint8]) -> bytes:
    """
    Encode a picture.

    :param image: shape (height, width, 3), RGB.
    """
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(buffer, format='png', optimize=True)
    return buffer.getvalue()


def write_images(folder: Path, images: Iterable[NDArray[np.uint8]], stem: str) -> list[Path]:
    """
    Write pictures as ``<stem>_000.png`` and so on.

    :param folder: made if missing.
    :param images: each of shape (height, width, 3), RGB.
    :return: the paths written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for index, image in enumerate(images):
        paths.append(folder / f'{stem}_{index:03d}.png')
        write_atomic(paths[-1], png(image))
    return paths


def film_strip(result: EvaluationResult, task: Task) -> NDArray[np.uint8]:
    """
    Lay an evaluation out as one picture: a row per start, time from left to right.

    Every frame carries the errors at that time; its bar is green within the lenient limits.  The
    mark at the end of a row says whether the episode counted as a success.

    :return: shape (height, width, 3), RGB.
    :raises ValueError: if the evaluation kept no frames.
    """
    if result.frames is None:
        raise ValueError('the evaluation kept no frames: run it with film=True')
    rows, columns, height, width = result.frames.shape[:4]
    cell_h, cell_w = height + LABEL_HEIGHT + GAP, width + GAP
    canvas = Image.new(
        'RGB', (GAP + columns * cell_w + 20, HEADER + rows * cell_h), (255, 255, 255)
    )
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default()
    for column, step in enumerate(result.frame_steps):
        x = GAP + column * cell_w
        draw.text((x + 2, 3), f'{step * result.period:.1f} s', INK, font)
        for row in range(rows):
            y = HEADER + row * cell_h
            canvas.paste(Image.fromarray(result.frames[row, column]), (x, y))
            errors = {name: float(values[row, step]) for name, values in result.errors.items()}
            colour = GOOD if within(errors, task.lenient) else BAD
            bar = (x, y + height, x + width - 1, y + height + LABEL_HEIGHT - 1)
            draw.rectangle(bar, colour)
            draw.text((x + 3, y + height), errors_text(errors, task), (255, 255, 255), font)
    x = GAP + columns * cell_w + 2
    for row in range(rows):
        y = HEADER + row * cell_h + height // 2
        draw.ellipse((x, y, x + 12, y + 12), GOOD if result.success[row] else BAD)
    return np.asarray(canvas)


def errors_text(errors: Mapping[str, float], task: Task) -> str:
    """
    Return errors as people read them, angles in degrees and lengths in millimetres.

    :param errors: by name, as the task gives them.
    :param task: supplies their units.
    """
    return ' '.join(_text(value, task.error_units[name]) for name, value in errors.items())


def _text(error: float, unit: str) -> str:
    if unit == 'rad':
        return f'{math.degrees(error):+.0f}°'
    return f'{1e3 * error:.0f} mm' if unit == 'm' else f'{error:.3g} {unit}'
