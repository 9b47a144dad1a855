# SPDX-License-Identifier: Apache-2.0
"""
A position servo like the Dynamixel XM430-W210 at 12 V.

The servo follows a setpoint that moves at a limited speed (profile velocity).  Torque is
``clip(kp * (setpoint - q) - kv * dq, torque_limit)``: the back-EMF term sits inside the limit, as
it does where the controller limits current.
"""

from dataclasses import dataclass
import math

import numpy as np
from numpy.typing import NDArray

# emanual.robotis.com, turtlebot3 appendix: 3.0 N m stall torque, 77 rpm without load, at 12 V.
STALL_TORQUE = 3.0  # [N m]
NO_LOAD_SPEED = 77 * 2 * math.pi / 60  # 8.06 [rad/s]
BACK_EMF = STALL_TORQUE / NO_LOAD_SPEED  # 0.372 [N m s/rad]
# Default position P gain 800 gives 800/128 = 6.25 PWM counts per pulse; 885 counts are 100 %.
STIFFNESS = STALL_TORQUE / (885 / 6.25 * 2 * math.pi / 4096)  # 13.8 [N m/rad]
# No data sheet has the next three; estimates.
ARMATURE = 0.016  # inertia of the rotor seen at the joint [kg m^2]
GEARBOX_DAMPING = 0.02  # [N m s/rad]
FRICTION_LOSS = 0.03  # [N m]


@dataclass(frozen=True, slots=True)
class ServoConfig:
    """
    What a user can set on the servos.

    :param profile_speed: largest speed of the setpoint [rad/s].
    :param torque_limit: largest torque, like a goal-current limit [N m].
    :param leash: largest distance from the joint to its setpoint at the start of a step [rad];
        without it a blocked joint would store up a setpoint far away.
    """

    profile_speed: float = 6.0
    torque_limit: float = 1.0
    leash: float = 0.25

    def __post_init__(self) -> None:
        """Refuse what the motor cannot do."""
        if not 0.0 < self.profile_speed <= NO_LOAD_SPEED:
            raise ValueError(
                f'profile_speed is {self.profile_speed} rad/s: expected more than 0 and at most '
                f'the no-load speed of {NO_LOAD_SPEED:.2f} rad/s'
            )
        if not 0.0 < self.torque_limit <= STALL_TORQUE:
            raise ValueError(
                f'torque_limit is {self.torque_limit} N m: expected more than 0 and at most '
                f'the stall torque of {STALL_TORQUE} N m'
            )
        if self.leash <= 0.0:
            raise ValueError(f'leash is {self.leash} rad: expected a positive number')


def setpoint_speed(
    target: NDArray[np.float64],
    setpoint: NDArray[np.float64],
    period: float,
    config: ServoConfig,
) -> NDArray[np.float64]:
    """
    Compute the constant speed at which the setpoints reach their targets in one control period.

    :param target: commanded joint positions, shape (joints,) [rad].
    :param setpoint: present setpoints, shape (joints,) [rad].
    :param period: control period [s].
    :return: shape (joints,), at most the profile speed [rad/s].
    """
    speed = (target - setpoint) / period
    return np.clip(speed, -config.profile_speed, config.profile_speed)
