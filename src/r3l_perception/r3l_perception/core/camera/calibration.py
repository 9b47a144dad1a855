# SPDX-License-Identifier: Apache-2.0
"""Calibration of a camera: the YAML of camera_calibration, and what a picture's says (REP 104)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from r3l_node.core.errors import ConfigError
from r3l_perception.core.camera.geometry import Geometry, Rectangle
import yaml

# Coefficients of each distortion model.
MODELS = {'plumb_bob': (5,), 'rational_polynomial': (8, 12, 14), 'equidistant': (4,)}


class CalibrationError(ConfigError):
    """A camera_info file that is none."""


@dataclass(frozen=True)
class Calibration:
    """
    Intrinsic parameters at the size at which they were found.

    :param size: (width, height) [px].
    :param name: of the camera.
    :param model: name of the distortion model.
    :param distortion: shape (coefficients,).
    :param camera: K, shape (3, 3) [px].
    :param rectification: R, shape (3, 3).
    :param projection: P, shape (3, 4) [px].
    """

    size: tuple[int, int]
    name: str
    model: str
    distortion: NDArray[np.float64]
    camera: NDArray[np.float64]
    rectification: NDArray[np.float64]
    projection: NDArray[np.float64]


@dataclass(frozen=True)
class Info:
    """Fields of a sensor_msgs/CameraInfo, by the same meaning; K, D and P zero: uncalibrated."""

    size: tuple[int, int]
    model: str
    distortion: NDArray[np.float64]
    camera: NDArray[np.float64]
    rectification: NDArray[np.float64]
    projection: NDArray[np.float64]
    binning: tuple[int, int] = (0, 0)
    roi: Rectangle = (0, 0, 0, 0)
    do_rectify: bool = False


def read_calibration(path: Path) -> Calibration:
    """
    Read a file as camera_calibration writes it.

    :raises CalibrationError: naming the first thing that is missing or wrong.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding='utf-8'))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise CalibrationError(f'{path} cannot be read: {error}') from error
    if not isinstance(document, dict):
        raise CalibrationError(f'{path} is no camera_info: expected image_width and matrices')
    try:
        return _calibration(document)
    except CalibrationError as error:
        raise CalibrationError(f'{path}: {error}') from error


def _calibration(document: Mapping[str, Any]) -> Calibration:
    model = str(document.get('distortion_model', 'plumb_bob'))
    if model not in MODELS:
        raise CalibrationError(
            f"distortion_model is '{model}': expected one of {', '.join(MODELS)}"
        )
    size = tuple(document.get(name) for name in ('image_width', 'image_height'))
    if not all(type(value) is int and value > 0 for value in size):
        raise CalibrationError(
            f'image_width and image_height are {size[0]} and {size[1]}: expected pixels'
        )
    distortion = _matrix(document, 'distortion_coefficients', None)
    if distortion.size not in MODELS[model]:
        raise CalibrationError(
            f'distortion_coefficients are {distortion.size}: expected '
            f'{" or ".join(map(str, MODELS[model]))} for {model}'
        )
    return Calibration(
        (int(document['image_width']), int(document['image_height'])),
        str(document.get('camera_name', '')),
        model,
        distortion.ravel(),
        _matrix(document, 'camera_matrix', (3, 3)),
        _matrix(document, 'rectification_matrix', (3, 3)),
        _matrix(document, 'projection_matrix', (3, 4)),
    )


def _matrix(
    document: Mapping[str, Any], name: str, shape: tuple[int, int] | None
) -> NDArray[np.float64]:
    section = document.get(name)
    data = section.get('data') if isinstance(section, dict) else None
    try:
        values = np.array(data, float)
    except (TypeError, ValueError):
        values = np.array(np.nan)
    expected = 'numbers' if shape is None else f'{shape[0]}x{shape[1]} numbers'
    wrong = values.ndim != 1 or not np.isfinite(values).all()
    if wrong or (shape is not None and values.size != shape[0] * shape[1]):
        raise CalibrationError(f'{name} is {data!r}: expected data with {expected}')
    return values if shape is None else values.reshape(shape)


def describe(calibration: Calibration | None, geometry: Geometry) -> Info:
    """
    Say what holds for the pictures that a geometry makes.

    A reduction by whole numbers is told as REP 104 has it: the calibration stays that of the
    full picture, ``roi`` and ``binning`` say what became of it. Other reductions have no binning;
    their K and P are those of the reduced picture. A warped picture has no K at all, nor has one
    of another size than was calibrated.
    """
    height, width = geometry.captured
    unfit = calibration is None or calibration.size != (width, height)
    if calibration is None or unfit or geometry.corners is not None:
        zero = np.zeros((3, 3))
        size = (geometry.size, geometry.size)
        return Info(size, '', np.zeros(0), zero, zero, np.zeros((3, 4)))
    whole = geometry.crop == (0, 0, width, height)
    scale = geometry.scale
    own = (calibration.model, calibration.distortion)
    if all(value.is_integer() for value in scale):
        return Info(
            calibration.size, *own,
            calibration.camera, calibration.rectification, calibration.projection,
            (int(scale[0]), int(scale[1])),
            (0, 0, 0, 0) if whole else geometry.crop,
            not whole,
        )  # fmt: skip
    reduce = _reduction(geometry)
    return Info(
        (geometry.size, geometry.size), *own,
        reduce @ calibration.camera, calibration.rectification, reduce @ calibration.projection,
    )  # fmt: skip


def _reduction(geometry: Geometry) -> NDArray[np.float64]:
    """Return the matrix from captured to made pixels; both count from their pixels' centres."""
    x, y, *_ = geometry.crop
    scale_x, scale_y = geometry.scale
    return np.array(
        [
            [1 / scale_x, 0.0, (0.5 - x) / scale_x - 0.5],
            [0.0, 1 / scale_y, (0.5 - y) / scale_y - 0.5],
            [0.0, 0.0, 1.0],
        ]
    )
