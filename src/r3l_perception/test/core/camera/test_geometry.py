# SPDX-License-Identifier: Apache-2.0
"""Crop, warp and reduction of a picture."""

import cv2
from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
from numpy.typing import NDArray
import pytest
from r3l_node.core.errors import ConfigError
from r3l_perception.core.camera.geometry import Geometry


def noise(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def ramp(height: int, width: int) -> NDArray[np.uint8]:
    """Red grows to the right, green downwards: colours tell the place."""
    y, x = np.mgrid[:height, :width]
    channels = [255 * (x + 0.5) / width, 255 * (y + 0.5) / height, np.full_like(x, 128)]
    return np.round(np.stack(channels, axis=2)).astype(np.uint8)


@given(factor=st.integers(1, 5), x=st.integers(0, 7), y=st.integers(0, 7), seed=st.integers(0, 9))
@settings(max_examples=40, deadline=None)
def test_a_reduction_by_whole_numbers_is_the_mean_of_each_block(
    factor: int, x: int, y: int, seed: int
) -> None:
    side = 8 * factor
    pixels = noise(side + 7, side + 9, seed)
    made = Geometry.fit(pixels.shape[:2], 8, (x, y, side, side)).apply(pixels)
    part = pixels[y : y + side, x : x + side].astype(float)
    expected = part.reshape(8, factor, 8, factor, 3).mean(axis=(1, 3))
    assert made.shape == (8, 8, 3)
    assert np.abs(made - expected).max() <= 0.51


@given(
    width=st.integers(40, 200), height=st.integers(40, 200), size=st.integers(8, 40),
    value=st.integers(0, 255), warped=st.booleans(),
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_a_picture_of_one_colour_keeps_it_and_any_camera_gives_the_wanted_size(
    width: int, height: int, size: int, value: int, warped: bool
) -> None:
    pixels = np.full((height, width, 3), value, np.uint8)
    warp = (5.0, 3.0, width - 2.0, 0.0, width, height, 0.0, height - 9.0) if warped else ()
    made = Geometry.fit((height, width), size, warp=warp).apply(pixels)
    assert made.shape == (size, size, 3)
    assert made.flags.c_contiguous
    assert (made == value).all()


def test_without_a_crop_the_square_in_the_middle_is_taken() -> None:
    geometry = Geometry.fit((480, 640), 32)
    assert geometry.crop == (80, 0, 480, 480)
    assert geometry.scale == (15.0, 15.0)


@given(x=st.integers(0, 20), y=st.integers(0, 20), factor=st.integers(1, 4))
@settings(max_examples=25, deadline=None)
def test_a_warp_of_upright_corners_is_the_crop_of_the_same_rectangle(
    x: int, y: int, factor: int
) -> None:
    pixels = noise(160, 180)
    side = 16 * factor
    corners = (x, y, x + side, y, x + side, y + side, x, y + side)
    warped = Geometry.fit((160, 180), 16, warp=corners).apply(pixels)
    cropped = Geometry.fit((160, 180), 16, crop=(x, y, side, side)).apply(pixels)
    # The interpolation of OpenCV works with a 32nd of a pixel.
    assert np.abs(warped.astype(int) - cropped).max() <= 2


@given(
    offsets=st.lists(st.floats(-25, 25), min_size=8, max_size=8),
    inside=st.tuples(st.floats(0.15, 0.85), st.floats(0.15, 0.85)),
)
@settings(max_examples=40, deadline=None)
def test_a_warp_shows_each_place_where_the_perspective_puts_it(
    offsets: list[float], inside: tuple[float, float]
) -> None:
    base = np.array([60, 40, 260, 40, 260, 200, 60, 200], float)
    corners = (base + offsets).reshape(4, 2)
    pixels = ramp(240, 320)
    made = Geometry.fit((240, 320), 32, warp=corners.ravel().tolist()).apply(pixels)
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    back = cv2.getPerspectiveTransform(square, corners.astype(np.float32))
    column, row = (int(32 * value) for value in inside)
    u, v, w = back @ [(column + 0.5) / 32, (row + 0.5) / 32, 1.0]
    expected = 255 * np.array([u / w / 320, v / w / 240])
    np.testing.assert_allclose(made[row, column, :2], expected, atol=3)


def test_a_warp_counts_from_the_corner_of_the_crop() -> None:
    pixels = noise(100, 120)
    both = Geometry.fit((100, 120), 16, (20, 10, 64, 64), (16, 0, 48, 0, 48, 32, 16, 32))
    alone = Geometry.fit((100, 120), 16, (36, 10, 32, 32))
    assert np.abs(both.apply(pixels).astype(int) - alone.apply(pixels)).max() <= 2


def test_a_camera_that_hangs_upside_down_is_turned_by_its_corners() -> None:
    pixels = noise(64, 64)
    turned = Geometry.fit((64, 64), 32, warp=(64, 64, 0, 64, 0, 0, 64, 0)).apply(pixels)
    upright = Geometry.fit((64, 64), 32).apply(pixels)
    assert np.abs(turned.astype(int) - upright[::-1, ::-1]).max() <= 2


@pytest.mark.parametrize(
    ('crop', 'warp', 'message'),
    [
        ((1, 2, 3), (), r'crop is \[1, 2, 3\]: expected x, y, width and height'),
        ((-1, 0, 64, 64), (), r'crop is \[-1, 0, 64, 64\]: expected x, y'),
        ((0, 0, 20, 64), (), 'crop is 20x64: expected at least 32x32'),
        ((80, 0, 64, 64), (), r'crop is \[80, 0, 64, 64\]: expected a part of the 120x100'),
        ((), (1.0, 2.0), r'warp is \[1.0, 2.0\]: expected x and y of four corners'),
        ((), (0, 0, 0, 50, 50, 50, 50, 0), 'expected the corners of a convex shape, clockwise'),
        ((), (0, 0, 50, 50, 50, 0, 0, 50), 'expected the corners of a convex shape, clockwise'),
        ((), (0, 0, 130, 0, 130, 50, 0, 50), 'expected corners within 120x100 pixels'),
    ],
)
def test_what_does_not_fit_is_named(
    crop: tuple[int, ...], warp: tuple[float, ...], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        Geometry.fit((100, 120), 32, crop, warp)


def test_a_picture_smaller_than_the_one_to_learn_from_is_refused() -> None:
    with pytest.raises(ConfigError, match='the camera gives 40x30 pixels: expected at least 32x'):
        Geometry.fit((30, 40), 32)
