# SPDX-License-Identifier: Apache-2.0
"""Read, convert and write goal images: photos of success, one PNG file each."""

from __future__ import annotations

import os
from pathlib import Path
import shutil

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from r3l_node.core.errors import ConfigError

SUFFIXES = ('.png', '.jpg', '.jpeg', '.bmp')


class GoalError(ConfigError):
    """Goal images cannot be used; the message is one sentence for the user."""


def load_goals(folder: str | Path, image_size: int, minimum_goals: int = 1) -> NDArray[np.uint8]:
    """
    Read all goal images of a folder, in the order of their names.

    :param folder: holds the image files; other files are ignored.
    :param image_size: side that every image must have [pixel].
    :param minimum_goals: fewest images to accept.
    :return: shape (count, image_size, image_size, 3), 0 to 255.
    :raises GoalError: one sentence, if the folder or one of its images cannot be used.
    """
    paths = image_files(folder)
    if len(paths) < minimum_goals:
        raise GoalError(
            f'{folder} holds {len(paths)} goal images: expected at least {minimum_goals}'
        )
    images = []
    for path in paths:
        image = read_image(path)
        if image.shape != (image_size, image_size, 3):
            raise GoalError(
                f'{path} is {image.shape[1]}x{image.shape[0]} pixels: expected '
                f"{image_size}x{image_size} ('r3l goals --from-folder' converts images)"
            )
        images.append(image)
    return np.stack(images)


def image_files(folder: str | Path) -> list[Path]:
    """
    List the image files of a folder, in the order of their names.

    :param folder: where to look, not recursively.
    :return: at least one path.
    :raises GoalError: one sentence, if there is no such folder or no image in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise GoalError(f'{folder} is no folder: expected a folder of goal images')
    try:
        paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES)
    except OSError as error:
        raise GoalError(f'{folder} cannot be read ({error.strerror})') from error
    if not paths:
        raise GoalError(f'{folder} holds no images: expected {", ".join(SUFFIXES)} files')
    return paths


def read_image(path: Path) -> NDArray[np.uint8]:
    """
    Read an image file as RGB.

    :param path: any format that Pillow reads.
    :return: shape (height, width, 3), 0 to 255.
    :raises GoalError: one sentence, if the file is no image.
    """
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert('RGB'))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise GoalError(f'{path} is no readable image ({type(error).__name__})') from error


def resize(image: NDArray[np.uint8], image_size: int) -> NDArray[np.uint8]:
    """
    Crop the largest centred square and shrink it by area mean.

    :param image: shape (height, width, 3).
    :param image_size: side of the result [pixel].
    :return: shape (image_size, image_size, 3).
    :raises GoalError: one sentence, if the image is smaller than that.
    """
    height, width = image.shape[:2]
    side = min(height, width)
    if side < image_size:
        raise GoalError(
            f'an image is {width}x{height} pixels: expected at least {image_size}x{image_size}'
        )
    top, left = (height - side) // 2, (width - side) // 2
    square = Image.fromarray(image[top : top + side, left : left + side])
    return np.asarray(square.resize((image_size, image_size), Image.Resampling.BOX))


def save_goals(folder: str | Path, images: NDArray[np.uint8]) -> list[Path]:
    """
    Write goal images as ``goal_000.png`` and so on; all of them or none.

    :param folder: created; may exist only if it is empty.
    :param images: shape (count, height, width, 3).
    :return: paths of the files.
    :raises GoalError: one sentence, if the folder is in use or cannot be written.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise GoalError(f'{folder} exists already: expected a new or an empty folder')
    partial = folder.with_name(f'.{folder.name}.part')
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        for index, image in enumerate(images):
            Image.fromarray(image).save(partial / f'goal_{index:03d}.png')
        os.replace(partial, folder)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise GoalError(f'{folder} cannot be written ({error.strerror})') from error
    return sorted(folder.iterdir())


def from_folder(
    source: str | Path, out: str | Path, image_size: int, count: int | None = None
) -> int:
    """
    Convert a folder of photos to goal images.

    :param source: photos of any size at least ``image_size``.
    :param out: new folder for the goal images.
    :param image_size: side of a goal image [pixel].
    :param count: use only so many, spread evenly over the folder; ``None`` uses all.
    :return: number of goal images written.
    :raises GoalError: one sentence, if reading, converting or writing fails.
    """
    paths = image_files(source)
    if count is not None and count < len(paths):
        paths = [paths[i] for i in np.linspace(0, len(paths) - 1, count).round().astype(int)]
    images = []
    for path in paths:
        try:
            images.append(resize(read_image(path), image_size))
        except GoalError as error:
            text = str(error).replace('an image', str(path), 1)
            raise GoalError(text) from error
    save_goals(out, np.stack(images))
    return len(images)
