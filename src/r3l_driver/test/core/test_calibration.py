# SPDX-License-Identifier: Apache-2.0
"""Calibration: offsets and directions from poses, and their file."""

from collections.abc import Callable, Sequence
import math
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from numpy.typing import NDArray
import pytest
from r3l_driver.core.calibration import (
    BENT,
    CalibrationError,
    Fit,
    fit,
    guide,
    measure_pose,
    Pose,
    STRAIGHT,
    table,
)
from r3l_driver.core.calibration_file import (
    calibrated,
    calibration_of,
    read_calibration,
    write_calibration,
)
from r3l_driver.core.config import DriverConfig
from r3l_node.core.errors import ConfigError
import yaml

CONFIG = DriverConfig()
Array = NDArray[np.float64]


def servo(pose: Pose, directions: Sequence[int], offsets: Sequence[float]) -> Array:
    """Return the servo angles of a hand in a pose."""
    return np.array(directions) * (np.array(pose.angles) - np.array(offsets))


class Hand:
    """A hand that a willing person poses, with noise; `slip` disturbs the next poses."""

    def __init__(self, directions: Sequence[int], offsets: Sequence[float]) -> None:
        self.directions, self.offsets = directions, offsets
        self.pose = STRAIGHT
        self.slip: list[Callable[[Array], Array]] = []
        self.distort: Callable[[Array], Array] = lambda angles: angles
        self.asked: list[str] = []
        self.answer = ''
        self._noise = np.random.default_rng(0)

    def show(self, pose: Pose) -> str:
        self.pose = pose
        return f'picture of {pose.name}'

    def ask(self, text: str) -> str:
        self.asked.append(text)
        self.distort = self.slip.pop(0) if self.slip else lambda angles: angles
        return self.answer

    def read(self) -> Array:
        angles = servo(self.pose, self.directions, self.offsets)
        return self.distort(angles + self._noise.normal(0.0, 0.001, len(angles)))

    def guide(self) -> Fit:
        return guide(self.read, lambda: None, CONFIG, self.ask, self.show)


@given(
    directions=st.lists(st.sampled_from([-1, 1]), min_size=9, max_size=9),
    offsets=st.lists(st.floats(-1.4, 1.4), min_size=9, max_size=9),
    error=st.lists(st.floats(-0.1, 0.1), min_size=9, max_size=9),
)
def test_the_poses_give_back_directions_and_offsets(
    directions: list[int], offsets: list[float], error: list[float]
) -> None:
    straight = servo(STRAIGHT, directions, offsets)
    # The person's bent pose may be wrong by six degrees: it tells the directions only.
    bent = servo(BENT, directions, offsets) + np.array(error)
    found = fit(straight, bent, straight, CONFIG)
    assert list(found.directions) == directions
    np.testing.assert_allclose(found.offsets, offsets, atol=1e-5)


def test_a_person_is_led_through_the_poses() -> None:
    directions, offsets = [1, -1, 1] * 3, [0.1, -0.2, 1.0, 0.0, 0.3, -0.4, 0.5, 0.6, -1.0]
    hand = Hand(directions, offsets)
    found = hand.guide()
    assert list(found.directions) == directions
    np.testing.assert_allclose(found.offsets, offsets, atol=0.002)
    assert len(hand.asked) == 3
    assert all('picture of' in text for text in hand.asked)
    assert 'Pose 2 of 3, bent.' in hand.asked[1]
    lines = table(found, CONFIG)
    assert len(lines) == 10
    assert lines[2].split()[:4] == ['finger1_joint2', '12', '-1', f'{found.offsets[1]:.4f}']


def test_a_pose_is_asked_again_while_a_servo_is_silent_or_the_hand_moves() -> None:
    hand = Hand([1] * 9, [0.0] * 9)
    jitter = np.random.default_rng(1)

    def silent(angles: Array) -> Array:
        return np.where(np.arange(9) == 4, math.nan, angles)

    def moving(angles: Array) -> Array:
        return angles + jitter.uniform(0.0, 0.2) * (np.arange(9) == 2)

    hand.slip = [silent, moving]
    hand.guide()
    assert len(hand.asked) == 5
    assert 'finger2_joint2 answered 0 of 25 times: check its cable' in hand.asked[1]
    assert 'finger1_joint3 moved by' in hand.asked[2]


def test_it_begins_again_where_a_joint_was_not_turned() -> None:
    hand = Hand([1] * 9, [0.0] * 9)
    hand.slip = [lambda a: a, lambda a: np.where(np.arange(9) == 0, 0.0, a)]
    hand.guide()
    assert len(hand.asked) == 6
    assert 'Again from the start: finger1_joint1 turned by 0 degrees' in hand.asked[3]
    assert 'expected about 23 degrees' in hand.asked[3]


def test_the_person_may_end_it() -> None:
    hand = Hand([1] * 9, [0.0] * 9)
    hand.answer = 'q'
    with pytest.raises(CalibrationError, match='calibration ended; nothing was written'):
        hand.guide()


def test_straight_poses_that_differ_are_refused() -> None:
    straight = servo(STRAIGHT, [1] * 9, [0.0] * 9)
    again = straight + 0.2 * (np.arange(9) == 8)
    with pytest.raises(CalibrationError, match='finger3_joint3 differs by 11 degrees'):
        fit(straight, servo(BENT, [1] * 9, [0.0] * 9), again, CONFIG)


def test_a_horn_whose_range_leaves_the_turn_is_refused() -> None:
    offsets = [0.0, 0.0, 2.0] * 3
    straight = servo(STRAIGHT, [1] * 9, offsets)
    with pytest.raises(CalibrationError, match='mount the horn turned by about 90 degrees'):
        fit(straight, servo(BENT, [1] * 9, offsets), straight, CONFIG)


def test_a_hand_of_other_joints_is_refused() -> None:
    config = DriverConfig(
        joint_names=('a',), ids=(1,), directions=(1,), offsets=(0.0,),
        position_low=(-1.0,), position_high=(1.0,),
    )  # fmt: skip
    with pytest.raises(CalibrationError, match='the hand has 1 joints: expected 9'):
        guide(lambda: np.zeros(1), lambda: None, config, lambda _: '', lambda _: '')


def test_a_lost_reading_or_two_do_not_matter() -> None:
    values = iter([np.array([math.nan, 1.0]), *[np.array([0.5, 1.0])] * 24])
    np.testing.assert_allclose(
        measure_pose(lambda: next(values), lambda: None, ['a', 'b']), [0.5, 1.0]
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    result = Fit((1, -1, 1) * 3, (0.1, 0.2, -0.3) * 3, (1.0,) * 9, (0.0,) * 9)
    path = tmp_path / 'calibration.yaml'
    date = '2026-01-31T09:30:00+00:00'
    write_calibration(path, calibration_of(result, CONFIG, [1030] * 9, [45] * 9, date))
    return path


def test_the_file_is_a_ros_parameter_file_and_reads_back(file: Path) -> None:
    document = yaml.safe_load(file.read_text(encoding='utf-8'))
    for part in document.values():
        assert list(part) == ['ros__parameters']
    assert set(document['/**/driver']['ros__parameters']) <= set(DriverConfig.__dataclass_fields__)
    found = read_calibration(file)
    assert found.offsets == (0.1, 0.2, -0.3) * 3
    assert found.firmwares == (45,) * 9
    assert found.date == '2026-01-31T09:30:00+00:00'


def test_a_calibration_is_applied_by_the_names_of_the_joints(file: Path) -> None:
    turned = DriverConfig(
        joint_names=CONFIG.joint_names[::-1],
        position_low=CONFIG.position_low[::-1],
        position_high=CONFIG.position_high[::-1],
    )
    config = calibrated(turned, read_calibration(file))
    assert config.ids == CONFIG.ids[::-1]
    assert config.offsets == (-0.3, 0.2, 0.1) * 3
    assert config.directions == (1, -1, 1) * 3


@pytest.mark.parametrize(
    ('change', 'sentence'),
    [
        ({'model': 'XM430-W350'}, 'the calibration is of XM430-W210: expected XM430-W350'),
        (
            {'joint_names': tuple('abcdefghi')},
            'the calibration is of the joints finger1_joint1, .*: expected a, b',
        ),
    ],
)
def test_a_calibration_of_another_hand_is_refused(
    change: dict[str, object], sentence: str, file: Path
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        calibrated(DriverConfig(**change), read_calibration(file))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ('old', 'new', 'sentence'),
    [
        ('directions: [1,', 'directions: [2,', r'directions\[0\] is 2: expected -1 or 1'),
        ('offsets: [0.1,', 'offsets: [', 'offsets has 8 values: expected 9, one per joint'),
        ('/**/driver', '/**/hand', r'has no /\*\*/driver with ros__parameters'),
        ('ids:', 'idds:', "has no parameter 'idds': did you mean 'ids'"),
        ('ids: [', 'ids: {', 'is no YAML: expected a file of r3l calibrate'),
        ('model: XM430-W210', 'model: AX-12', "model is 'AX-12': expected 'XM430-W210'"),
    ],
)
def test_a_damaged_file_is_one_sentence(file: Path, old: str, new: str, sentence: str) -> None:
    text = file.read_text(encoding='utf-8')
    assert old in text
    file.write_text(text.replace(old, new), encoding='utf-8')
    with pytest.raises(ConfigError, match=sentence):
        read_calibration(file)


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match='cannot be read: No such file or directory; r3l cal'):
        read_calibration(tmp_path / 'none.yaml')
