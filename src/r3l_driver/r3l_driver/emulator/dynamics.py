# SPDX-License-Identifier: Apache-2.0
"""
What turns the shafts: the interface of a simulator and a simple one.

Angles are those of the servo's shaft: 0 rad where the encoder counts 2048, positive where it
counts upwards (counter-clockwise seen from the horn).  Modes, directions and offsets of a servo
are the business of `servo.py`; mounting directions and offsets of a joint that of the simulator.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_STEP = 0.0025  # longest step of the integration [s]
# No data sheet has the next two; estimates for the rotor of an XM430 behind its gears.
INERTIA = 0.016  # [kg m^2]
FRICTION = 0.02  # [N m s/rad]


@dataclass(frozen=True, slots=True)
class Drive:
    """
    What the servos' controllers want for one step; all arrays have one entry per servo.

    :param start: setpoint at the beginning of the step [rad].
    :param setpoint: setpoint at the end of it [rad]; it moves evenly in between.
    :param torque_on: whether the motor is driven at all; a motor that is not turns freely.
    :param current_limit: largest absolute current [A].
    :param stiffness: torque per distance to the setpoint, from the position P gain [N m/rad].
    """

    start: Array
    setpoint: Array
    torque_on: NDArray[np.bool_]
    current_limit: Array
    stiffness: Array


@dataclass(frozen=True, slots=True)
class Motion:
    """
    Where the shafts are after a step; all arrays have one entry per servo.

    :param position: angle [rad].
    :param velocity: [rad/s].
    :param current: of the motor, with the sign of its torque [A].
    """

    position: Array
    velocity: Array
    current: Array


class Dynamics(Protocol):
    """A simulator of the mechanics."""

    def advance(self, dt: float, drive: Drive) -> Motion:
        """
        Let time pass.

        :param dt: [s].
        :param drive: what the controllers want.
        """
        ...


class SecondOrder:
    """Free shafts, each with an inertia, friction and the torque of its motor."""

    def __init__(
        self,
        position: Array,
        torque_constant: Array,
        back_emf: Array,
        inertia: Array | float = INERTIA,
        friction: float = FRICTION,
    ) -> None:
        """
        Begin at rest.

        :param position: shape (servos,) [rad].
        :param torque_constant: shape (servos,) [N m/A].
        :param back_emf: torque lost per speed at full voltage, shape (servos,) [N m s/rad].
        :param inertia: one or shape (servos,) [kg m^2].
        :param friction: [N m s/rad].
        """
        self._position = np.array(position, dtype=np.float64)
        self._velocity = np.zeros_like(self._position)
        self._torque_constant = torque_constant
        self._back_emf = back_emf
        self._inertia = inertia
        self._friction = friction
        # Torque from outside, for tests of collisions and overload [N m].
        self.load = np.zeros_like(self._position)

    def advance(self, dt: float, drive: Drive) -> Motion:
        """Integrate implicitly in steps of at most 2.5 ms."""
        steps = max(1, int(np.ceil(dt / _STEP - 1e-9)))
        step = dt / steps
        limit = drive.current_limit * self._torque_constant
        stiffness = np.where(drive.torque_on, drive.stiffness, 0.0)
        damping = np.where(drive.torque_on, self._back_emf, 0.0)
        # Implicit in the velocity and in the spring: stable at any stiffness.
        denominator = self._inertia + step * (self._friction + damping + step * stiffness)
        q, v = self._position, self._velocity
        torque = np.zeros_like(q)
        for k in range(1, steps + 1):
            setpoint = drive.start + (drive.setpoint - drive.start) * (k / steps)
            pull = stiffness * (setpoint - q)
            free = (self._inertia * v + step * (pull + self.load)) / denominator
            torque = pull - (damping + step * stiffness) * free
            clipped = np.clip(torque, -limit, limit)
            bound = clipped != torque
            limited = (self._inertia * v + step * (clipped + self.load)) / (
                self._inertia + step * self._friction
            )
            v = np.where(bound, limited, free)
            torque = clipped
            q = q + step * v
        self._position, self._velocity = q, v
        return Motion(q.copy(), v.copy(), torque / self._torque_constant)
