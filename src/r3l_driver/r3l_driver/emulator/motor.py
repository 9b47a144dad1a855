# SPDX-License-Identifier: Apache-2.0
"""
The motor side of one servo: its profile, its heat and what makes it trip.

The heat model is an estimate: 5.2 ohm of winding (12 V at 2.3 A of stall) and some 5 K/W to the
air give 26 K per square ampere, approached with the time constant of an 82 g case.
"""

from dataclasses import dataclass
import math

AMBIENT = 25.0  # [degC]
HEATING = 26.0  # [K/A^2]
HEAT_TIME = 600.0  # time constant of the case [s]
# A heat gun warms the sensor, not the whole case: it cools soon.
GUN_TIME = 15.0  # [s]
# Persistent load: this share of the stall torque for this long.
OVERLOAD_SHARE = 0.8
OVERLOAD_TIME = 2.0  # [s]


def follow(
    setpoint: float,
    speed: float,
    goal: float,
    dt: float,
    max_speed: float,
    max_acceleration: float,
) -> tuple[float, float]:
    """
    Move a setpoint towards its goal by a trapezoid of speed.

    :param setpoint: now [rad].
    :param speed: of the setpoint now [rad/s].
    :param goal: [rad].
    :param dt: [s].
    :param max_speed: [rad/s]; 0 for none, as in the register.
    :param max_acceleration: [rad/s^2]; 0 for none.
    :return: setpoint and speed after the step.
    """
    distance = goal - setpoint
    if max_speed <= 0.0:
        return goal, 0.0
    wanted = min(max_speed, abs(distance) / dt)
    if max_acceleration > 0.0:
        # Fast enough to be able to stop: v dt / 2 + v^2 / 2a <= distance, in steps of dt.
        half = 0.5 * max_acceleration * dt
        wanted = min(
            wanted, math.sqrt(half * half + 2.0 * max_acceleration * abs(distance)) - half
        )
    wanted = math.copysign(wanted, distance)
    if max_acceleration > 0.0:
        change = max_acceleration * dt
        wanted = min(max(wanted, speed - change), speed + change)
    return setpoint + wanted * dt, wanted


@dataclass(slots=True)
class Heat:
    """
    Temperatures of one servo.

    :param case: what its current brings it to [degC].
    :param gun: what an injected fault adds at the sensor [K].
    """

    case: float = AMBIENT
    gun: float = 0.0

    @property
    def temperature(self) -> float:
        """What the sensor shows [degC]."""
        return self.case + self.gun

    def advance(self, dt: float, current: float) -> None:
        """
        Let time pass.

        :param dt: [s].
        :param current: of the motor [A].
        """
        final = AMBIENT + HEATING * current * current
        self.case += (final - self.case) * min(1.0, dt / HEAT_TIME)
        if self.gun:
            self.gun *= math.exp(-dt / GUN_TIME)
            if abs(self.gun) < 0.1:
                self.gun = 0.0


@dataclass(slots=True)
class Overload:
    """Watches for a load that the motor cannot bear for long."""

    since: float = 0.0  # time under load [s]

    def advance(self, dt: float, current: float, stall_current: float) -> bool:
        """
        Let time pass.

        :return: whether the load has been too high for too long.
        """
        loaded = abs(current) >= OVERLOAD_SHARE * stall_current
        self.since = self.since + dt if loaded else 0.0
        return self.since >= OVERLOAD_TIME
