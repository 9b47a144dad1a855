# SPDX-License-Identifier: Apache-2.0
"""camera_info files and what they say about a reduced picture."""

from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
from numpy.typing import NDArray
import pytest
from r3l_node.core.errors import ConfigError
from r3l_perception.core.camera.calibration import Calibration, describe, Info, read_calibration
from r3l_perception.core.camera.geometry import Geometry
import yaml

DOCUMENT: dict[str, Any] = {
    'image_width': 640,
    'image_height': 480,
    'camera_name': 'wrist',
    'camera_matrix': {'rows': 3, 'cols': 3, 'data': [600.0, 0, 320.5, 0, 610.0, 239.5, 0, 0, 1]},
    'distortion_model': 'plumb_bob',
    'distortion_coefficients': {'rows': 1, 'cols': 5, 'data': [0.1, -0.2, 0.001, 0.002, 0]},
    'rectification_matrix': {'rows': 3, 'cols': 3, 'data': [1, 0, 0, 0, 1, 0, 0, 0, 1]},
    'projection_matrix': {
        'rows': 3, 'cols': 4, 'data': [590.0, 0, 321.0, 0, 0, 600.0, 238.0, 0, 0, 0, 1, 0],
    },
}  # fmt: skip


def written(folder: Path, **changes: object) -> Path:
    path = folder / 'camera.yaml'
    path.write_text(yaml.safe_dump({**DOCUMENT, **changes}), encoding='utf-8')
    return path


@pytest.fixture
def calibration(tmp_path: Path) -> Calibration:
    return read_calibration(written(tmp_path))


def seen_at(info: Info, point: NDArray[np.float64], matrix: NDArray[np.float64]) -> list[float]:
    """Return where a consumer that knows REP 104 finds a point, from the pixel's edge [px]."""
    u, v, w = matrix @ point
    x, y, *_ = info.roi
    # Of the full picture; then what roi and binning say was done to it.
    return [
        (value / w + 0.5 - start) / max(by, 1)
        for value, start, by in zip((u, v), (x, y), info.binning, strict=True)
    ]


def test_a_file_of_camera_calibration_is_read(calibration: Calibration) -> None:
    assert (calibration.name, calibration.size) == ('wrist', (640, 480))
    np.testing.assert_array_equal(calibration.camera[0], [600, 0, 320.5])
    np.testing.assert_array_equal(calibration.projection[1], [0, 600, 238, 0])
    np.testing.assert_array_equal(calibration.distortion, [0.1, -0.2, 0.001, 0.002, 0])


def test_a_reduction_by_whole_numbers_is_told_as_roi_and_binning(
    calibration: Calibration,
) -> None:
    info = describe(calibration, Geometry.fit((480, 640), 32))
    assert (info.size, info.roi, info.binning) == ((640, 480), (80, 0, 480, 480), (15, 15))
    assert info.do_rectify
    np.testing.assert_array_equal(info.camera, calibration.camera)
    whole = describe(calibration, Geometry.fit((480, 640), 32, (0, 0, 640, 480)))
    assert (whole.roi, whole.binning, whole.do_rectify) == ((0, 0, 0, 0), (20, 15), False)


@settings(max_examples=60, deadline=None)
@given(
    crop=st.tuples(
        st.integers(0, 100), st.integers(0, 100), st.integers(100, 500), st.integers(100, 380)
    ),
    size=st.sampled_from((32, 48, 50, 64)),
    point=st.tuples(st.floats(-1, 1), st.floats(-1, 1), st.floats(1, 5)),
)
def test_a_point_is_where_the_reduced_picture_shows_it(
    crop: tuple[int, int, int, int], size: int, point: tuple[float, float, float]
) -> None:
    data = np.array(DOCUMENT['camera_matrix']['data'], float).reshape(3, 3)
    projection = np.array(DOCUMENT['projection_matrix']['data'], float).reshape(3, 4)
    calibration = Calibration(
        (640, 480), '', 'plumb_bob', np.zeros(5), data, np.eye(3), projection
    )
    info = describe(calibration, Geometry.fit((480, 640), size, crop))
    seen = np.array(point)
    for matrix, full, given_point in (
        (info.camera, data, seen),
        (info.projection, projection, np.append(seen, 1.0)),
    ):
        u, v, w = full @ given_point
        x, y, width, height = crop
        expected = [(u / w + 0.5 - x) * size / width, (v / w + 0.5 - y) * size / height]
        np.testing.assert_allclose(seen_at(info, given_point, matrix), expected, atol=1e-6)


def test_what_has_no_calibration_is_all_zero(calibration: Calibration) -> None:
    plain = Geometry.fit((480, 640), 32)
    warped = Geometry.fit((480, 640), 32, warp=(10, 0, 600, 0, 640, 480, 0, 480))
    other = Geometry.fit((240, 320), 32)
    for known, geometry in ((None, plain), (calibration, warped), (calibration, other)):
        info = describe(known, geometry)
        assert info.size == (32, 32)
        assert not info.camera.any()
        assert not info.projection.any()
        assert info.distortion.size == 0


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'distortion_model': 'fisheye'}, "distortion_model is 'fisheye': expected one of plumb"),
        ({'image_width': 'wide'}, 'image_width and image_height are wide and 480'),
        ({'camera_matrix': {'data': [1, 2]}}, r'camera_matrix is \[1, 2\]: expected data with 3x'),
        ({'projection_matrix': None}, 'projection_matrix is None: expected data with 3x4'),
        ({'rectification_matrix': {'data': ['a'] * 9}}, 'rectification_matrix is .*: expected'),
        ({'distortion_coefficients': {'data': [0] * 4}}, 'are 4: expected 5 for plumb_bob'),
        ({'camera_matrix': {'data': [float('nan')] * 9}}, 'camera_matrix is .*: expected data'),
    ],
)
def test_a_wrong_file_is_refused_in_one_sentence(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        read_calibration(written(tmp_path, **changes))


def test_what_is_no_yaml_or_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / 'list.yaml').write_text('- 1\n', encoding='utf-8')
    with pytest.raises(ConfigError, match=r'list\.yaml is no camera_info'):
        read_calibration(tmp_path / 'list.yaml')
    with pytest.raises(ConfigError, match=r'none\.yaml cannot be read'):
        read_calibration(tmp_path / 'none.yaml')
