# SPDX-License-Identifier: Apache-2.0
"""The servo model."""

import math

import numpy as np
import pytest
from r3l_sim.core import servo
from r3l_sim.core.servo import ServoConfig, setpoint_speed


def test_the_constants_are_those_of_the_data_sheet() -> None:
    # 885 counts / 6.25 counts per pulse = 141.6 pulses = 12.4 degrees for full torque.
    assert pytest.approx(3.0 / math.radians(141.6 * 360 / 4096)) == servo.STIFFNESS
    assert pytest.approx(3.0 / 8.063, rel=1e-3) == servo.BACK_EMF


def test_a_near_target_is_reached_exactly_at_the_end_of_the_period() -> None:
    speed = setpoint_speed(np.array([0.3, -0.1]), np.array([0.1, 0.1]), 0.2, ServoConfig())
    np.testing.assert_allclose(speed, [1.0, -1.0])


def test_a_far_target_is_approached_at_the_profile_speed() -> None:
    config = ServoConfig(profile_speed=2.0)
    np.testing.assert_allclose(setpoint_speed(np.array([9.0]), np.zeros(1), 0.2, config), [2.0])


@pytest.mark.parametrize(
    ('values', 'sentence'),
    [
        ({'profile_speed': 9.0}, 'profile_speed is 9.0 rad/s: expected more than 0'),
        ({'torque_limit': 0.0}, 'torque_limit is 0.0 N m: expected more than 0'),
        ({'leash': -1.0}, 'leash is -1.0 rad: expected a positive'),
    ],
)
def test_impossible_servos_are_refused(values: dict[str, float], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        ServoConfig(**values)
