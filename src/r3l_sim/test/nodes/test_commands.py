# SPDX-License-Identifier: Apache-2.0
"""Joint commands are taken whole and by name, or not at all."""

import math

import numpy as np
import pytest
from r3l_node.nodes.fields import MessageError
from r3l_sim.nodes.commands import CommandReader
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

READER = CommandReader(('a', 'b', 'c'), (-1.0, -2.0, -3.0), (1.0, 2.0, 3.0))


def command(names: str, *positions: float, points: int = 1) -> JointTrajectory:
    """Return a command for joints with one-letter names."""
    point = JointTrajectoryPoint(positions=list(positions))
    return JointTrajectory(joint_names=list(names), points=[point] * points)


def test_joints_are_matched_by_name() -> None:
    np.testing.assert_array_equal(READER.target(command('abc', 0.1, 0.2, 0.3)), [0.1, 0.2, 0.3])
    np.testing.assert_array_equal(READER.target(command('cab', 0.3, 0.1, 0.2)), [0.1, 0.2, 0.3])


def test_a_limit_rounded_by_a_parameter_file_is_accepted() -> None:
    assert READER.target(command('abc', 1.0 + 4e-6, 0.0, -3.0 - 4e-6))[0] > 1.0


@pytest.mark.parametrize(
    ('message', 'sentence'),
    [
        (command('abc', 0.0, 0.0), 'positions has 2 values: expected 3'),
        (command('abc'), 'positions has 0 values: expected 3'),
        (command('abc', 0.0, math.nan, 0.0), 'positions holds a value that is not finite'),
        (command('abc', 0.0, math.inf, 0.0), 'positions holds a value that is not finite'),
        (command('abd', 0.0, 0.0, 0.0), 'joints a, b, d: expected a, b, c'),
        (command('aab', 0.0, 0.0, 0.0), 'joints a, a, b: expected a, b, c'),
        (command('ab', 0.0, 0.0, 0.0), 'joints a, b: expected a, b, c'),
        (command('abc', 0.0, 2.1, 0.0), 'b to 2.1000 rad: expected -2.0000 to 2.0000'),
        (command('bac', 2.0, -1.1, 0.0), 'a to -1.1000 rad: expected -1.0000 to 1.0000'),
        (command('abc', 0.0, 0.0, 0.0, points=0), '0 points: expected 1'),
        (command('abc', 0.0, 0.0, 0.0, points=2), '2 points: expected 1'),
    ],
)
def test_a_malformed_command_is_refused(message: JointTrajectory, sentence: str) -> None:
    with pytest.raises(MessageError, match=sentence):
        READER.target(message)
