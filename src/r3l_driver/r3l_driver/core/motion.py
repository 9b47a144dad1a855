# SPDX-License-Identifier: Apache-2.0
"""The goal of every joint on its way to the command, under all limits."""

import numpy as np
from numpy.typing import NDArray
from r3l_driver.core.config import DriverConfig

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


class Motion:
    """
    Move goals towards a target, one bus cycle at a time.

    Between two seeds a goal never leaves its position limits, never moves by more than the
    velocity limit allows in a cycle, and is never more than the leash from the joint unless the
    joint itself flees faster than that.

    :param config: supplies the limits and the time of a cycle.
    """

    def __init__(self, config: DriverConfig) -> None:
        self._low, self._high = np.array(config.position_low), np.array(config.position_high)
        self._dt = config.cycle
        self._speed = config.velocity_limit
        self._acceleration = config.acceleration_limit
        self._leash = config.leash
        self.goal = np.clip(np.zeros(len(config.joint_names)), self._low, self._high)
        self._velocity = np.zeros_like(self.goal)
        self._hold: Array | None = None

    def seed(self, measured: Array, mask: Mask) -> None:
        """
        Put goals where the joints are; only while their torque is off.

        :param measured: shape (n,) [rad]; finite where selected.
        :param mask: the joints, shape (n,).
        """
        self.goal = np.where(mask, np.clip(measured, self._low, self._high), self.goal)
        self._velocity = np.where(mask, 0.0, self._velocity)
        if self._hold is not None:
            self._hold = np.where(mask, self.goal, self._hold)

    def hold(self, measured: Array) -> None:
        """
        Stop where the joints were when this was called first since the last motion.

        :param measured: shape (n,) [rad]; NaN where unknown: the goal stays there.
        """
        if self._hold is None:
            known = np.where(np.isfinite(measured), measured, self.goal)
            self._hold = np.clip(known, self._low, self._high)
        step = self._speed * self._dt
        self.goal = self.goal + np.clip(self._hold - self.goal, -step, step)
        self._velocity = np.zeros_like(self.goal)

    def follow(self, target: Array, measured: Array, left: float = 0.0) -> None:
        """
        Move the goals one cycle towards a target.

        :param target: shape (n,), inside the limits [rad].
        :param measured: shape (n,) [rad]; NaN where unknown: no leash there.
        :param left: time in which to get there evenly [s]; 0: as fast as the limits allow.
        """
        self._hold = None
        error = target - self.goal
        change = self._acceleration * self._dt
        # The speed from which the goal can still stop at the target, braking cycle by cycle:
        # v dt / 2 + v^2 / (2 a) = error, and never past the target within this cycle.
        half = 0.5 * change
        braking = np.sqrt(half**2 + 2.0 * self._acceleration * np.abs(error)) - half
        even = np.abs(error) / max(left, self._dt)
        speed = np.minimum(np.minimum(braking, self._speed), even)
        wanted = np.sign(error) * speed
        velocity = np.clip(wanted, self._velocity - change, self._velocity + change)
        goal = self.goal + velocity * self._dt
        goal = np.where(
            np.isfinite(measured),
            np.clip(goal, measured - self._leash, measured + self._leash),
            goal,
        )
        step = self._speed * self._dt
        goal = np.clip(goal, self.goal - step, self.goal + step)
        goal = np.clip(goal, self._low, self._high)
        self._velocity = (goal - self.goal) / self._dt
        self.goal = goal
