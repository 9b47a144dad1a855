# SPDX-License-Identifier: Apache-2.0
"""Pictures for a person at the bench."""

import numpy as np
import pytest
from r3l_driver.core.calibration import BENT, POSES
from r3l_sim.core.bench_pictures import placement_picture, pose_picture
from r3l_sim.core.hand import JOINT_HIGH, JOINT_LOW
from r3l_sim.core.scenes.valve import VALVE


def test_a_pose_is_drawn_from_two_sides() -> None:
    picture = pose_picture(BENT.angles)
    assert picture.shape == (360, 720, 3)
    left, right = picture[:, :360], picture[:, 360:]
    for view in (left, right):
        # The palm is the only light thing in the upper middle.
        assert (view[60:100].min(axis=2) > 140).any()
    assert np.abs(left.astype(int) - right).mean() > 5


def test_the_orange_camera_stands_in_the_picture_of_its_place() -> None:
    picture = placement_picture('valve').astype(int)
    orange = (picture[..., 0] > 150) & (picture[..., 2] < 60) & (picture[..., 1] > 70)
    assert orange.sum() > 300


def test_the_camera_stands_where_the_documentation_says() -> None:
    # docs/hardware.md: 23 cm in front of the middle, 34 cm above the table.
    assert VALVE.camera.position == pytest.approx((0.227, 0.0, 0.343), abs=0.002)
    assert VALVE.camera.fovy == 45.0
    assert VALVE.camera.elevation == -50.0


def test_poses_are_within_the_limits_of_commands() -> None:
    for pose in POSES:
        assert (np.array(pose.angles) >= JOINT_LOW).all()
        assert (np.array(pose.angles) <= JOINT_HIGH).all()
