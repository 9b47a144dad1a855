# SPDX-License-Identifier: Apache-2.0
"""
Where the joints' zeros are and which way they turn, found from poses that a person sets.

A joint's position is ``direction * servo + offset``, with ``servo`` the servo's own angle, 0 at
its centre. The straight pose (all joints at 0) gives the offsets, the bent one the directions,
and the straight one again tells how well the person can do it. Torque is off throughout.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
import math

import numpy as np
from numpy.typing import NDArray
from r3l_driver.core.config import DriverConfig
from r3l_node.core.errors import ConfigError

Array = NDArray[np.float64]

READINGS = 25  # of one pose; the median of them counts
STILL = math.radians(2.0)  # largest spread of the readings of one pose [rad]
LEAST_TURN, MOST_TURN = 0.4, 1.8  # of what a joint turns between the poses, over what it should
REPEATABLE = math.radians(6.0)  # largest difference of the two straight poses [rad]


@dataclass(frozen=True, slots=True)
class Pose:
    """
    A pose that a person sets by hand.

    :param name: also of its picture.
    :param angles: joint positions of a hand of nine joints [rad].
    :param words: what to do.
    """

    name: str
    angles: tuple[float, ...]
    words: str


STRAIGHT = Pose(
    'straight',
    (0.0,) * 9,
    'All three fingers straight down: no link leans sideways, none leans in or out.',
)
BENT = Pose(
    'bent',
    (0.4, -0.8, 0.8) * 3,
    'Every finger swung counter-clockwise (seen from above) by about 25 degrees, its middle link '
    'leaning outwards by about 45 degrees, its fingertip pointing straight down again.',
)
POSES = (STRAIGHT, BENT)


class CalibrationError(ConfigError):
    """The poses do not make a calibration; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Fit:
    """
    What the poses say, per joint.

    :param directions: 1 or -1.
    :param offsets: joint positions at the servos' centres [rad].
    :param turned: what the joints turned between the poses, over what they should have turned.
    :param repeated: differences of the two straight poses [rad].
    """

    directions: tuple[int, ...]
    offsets: tuple[float, ...]
    turned: tuple[float, ...]
    repeated: tuple[float, ...]


def fit(straight: Array, bent: Array, again: Array, config: DriverConfig) -> Fit:
    """
    Compute directions and offsets.

    :param straight: servo angles in the straight pose, shape (joints,) [rad].
    :param bent: servo angles in the bent pose, shape (joints,) [rad].
    :param again: servo angles in the straight pose set a second time, shape (joints,) [rad].
    :param config: names and limits of the joints.
    :raises CalibrationError: naming the joint whose poses cannot be right.
    """
    expected = np.array(BENT.angles) - np.array(STRAIGHT.angles)
    zero = (straight + again) / 2.0
    turned = (bent - zero) / expected
    direction = np.where(turned < 0.0, -1, 1)
    offset = np.array(STRAIGHT.angles) - direction * zero
    repeated = again - straight
    for joint, name in enumerate(config.joint_names):
        if abs(repeated[joint]) > REPEATABLE:
            raise CalibrationError(
                f'{name} differs by {_degrees(repeated[joint])} between the two straight poses: '
                f'expected at most {_degrees(REPEATABLE)}; set them again'
            )
        if not LEAST_TURN <= abs(turned[joint]) <= MOST_TURN:
            raise CalibrationError(
                f'{name} turned by {_degrees(bent[joint] - zero[joint])} between the poses: '
                f'expected about {_degrees(expected[joint])} in either direction; set them again'
            )
        _check_range(name, int(direction[joint]), float(offset[joint]), joint, config)
    return Fit(
        tuple(int(value) for value in direction),
        tuple(round(float(value), 5) for value in offset),
        tuple(float(value) for value in np.abs(turned)),
        tuple(float(value) for value in repeated),
    )


def _check_range(
    name: str, direction: int, offset: float, joint: int, config: DriverConfig
) -> None:
    """Refuse a horn that is mounted so that the joint's range leaves the servo's one turn."""
    for limit in (config.position_low[joint], config.position_high[joint]):
        servo = direction * (limit - offset)
        if not -math.pi <= servo < math.pi:
            raise CalibrationError(
                f'{name} at its limit of {_degrees(limit)} would be at {_degrees(servo)} of its '
                'servo: expected -180 to 180 degrees; mount the horn turned by about '
                f'{_degrees(-math.copysign(math.pi / 2, servo))} and calibrate again'
            )


def _degrees(angle: float) -> str:
    return f'{math.degrees(float(angle)):.0f} degrees'


def measure_pose(
    read: Callable[[], Array], wait: Callable[[], None], names: Sequence[str]
) -> Array:
    """
    Return the servo angles of a hand that keeps still.

    :param read: returns servo angles, shape (joints,), NaN where a read failed [rad].
    :param wait: called between two reads.
    :param names: of the joints.
    :return: medians, shape (joints,) [rad].
    :raises CalibrationError: if a servo does not answer, or the hand moves.
    """
    values = []
    for _ in range(READINGS):
        values.append(read())
        wait()
    readings = np.array(values)
    found = np.isfinite(readings)
    for joint, name in enumerate(names):
        good = readings[found[:, joint], joint]
        if len(good) < READINGS // 2:
            raise CalibrationError(
                f'{name} answered {len(good)} of {READINGS} times: check its cable'
            )
        if np.ptp(good) > STILL:
            raise CalibrationError(
                f'{name} moved by {_degrees(float(np.ptp(good)))} while it was measured: '
                'expected a hand that keeps still'
            )
    median: Array = np.nanmedian(readings, axis=0)
    return median


def guide(
    read: Callable[[], Array],
    wait: Callable[[], None],
    config: DriverConfig,
    ask: Callable[[str], str],
    show: Callable[[Pose], str],
) -> Fit:
    """
    Lead a person through the poses until they fit; torque must be off.

    :param read: returns servo angles, shape (joints,), NaN where a read failed [rad].
    :param wait: called between two reads.
    :param config: names and limits of the joints.
    :param ask: shows a text and returns the answer; ``q`` ends.
    :param show: shows a pose and returns a line that says where its picture is.
    :raises CalibrationError: if the person ends it.
    """
    if len(config.joint_names) != len(STRAIGHT.angles):
        raise CalibrationError(
            f'the hand has {len(config.joint_names)} joints: expected {len(STRAIGHT.angles)}, '
            'the poses know no other hand'
        )
    remark = ''
    while True:
        try:
            return fit(*_poses(read, wait, config, ask, show, remark), config)
        except _EndedError:
            raise CalibrationError('calibration ended; nothing was written') from None
        except CalibrationError as error:
            remark = f'Again from the start: {error}.\n'


class _EndedError(Exception):
    """The person wants no more."""


def _poses(
    read: Callable[[], Array],
    wait: Callable[[], None],
    config: DriverConfig,
    ask: Callable[[str], str],
    show: Callable[[Pose], str],
    remark: str,
) -> tuple[Array, Array, Array]:
    found = []
    for number, pose in enumerate((STRAIGHT, BENT, STRAIGHT), 1):
        while True:
            text = (
                f'{remark}Pose {number} of 3, {pose.name}. {pose.words}\n{show(pose)}\n'
                'Enter when it is set and still, q to end: '
            )
            if ask(text).strip().lower() in {'q', 'quit'}:
                raise _EndedError
            try:
                found.append(measure_pose(read, wait, config.joint_names))
            except CalibrationError as error:
                remark = f'Once more: {error}.\n'
                continue
            remark = ''
            break
    return found[0], found[1], found[2]


def table(result: Fit, config: DriverConfig) -> list[str]:
    """Return the result in numbers, one line per joint under a heading."""
    lines = ['joint             id  direction  offset [rad]  turned/expected  repeated [deg]']
    for name, number, direction, offset, turned, repeated in zip(
        config.joint_names, config.ids, result.directions, result.offsets,
        result.turned, result.repeated, strict=True,
    ):  # fmt: skip
        lines.append(
            f'{name:16} {number:3d} {direction:+10d} {offset:13.4f} {turned:16.2f} '
            f'{math.degrees(repeated):15.1f}'
        )
    return lines
