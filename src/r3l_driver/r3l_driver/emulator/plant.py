# SPDX-License-Identifier: Apache-2.0
"""The power supply and the motors of all servos of a bus, driven through one simulator."""

from collections.abc import Sequence
import math

import numpy as np
from r3l_driver.emulator.dynamics import Drive, Dynamics, INERTIA, SecondOrder
from r3l_driver.emulator.servo import EmulatedServo

CABLE = 0.1  # resistance between the supply and the servos [ohm]
# Below this share of the nominal voltage the controllers of the servos go out.
BROWN_OUT_SHARE = 0.5
XM430_STALL_TORQUE = 3.0  # [N m]


class Plant:
    """
    Lets the motors turn.

    :ivar supply: voltage of the supply [V].
    """

    def __init__(self, servos: Sequence[EmulatedServo], dynamics: Dynamics | None = None) -> None:
        """
        Begin at rest.

        :param servos: in the order of the simulator's arrays.
        :param dynamics: the simulator; by default free shafts.
        """
        self._servos = servos
        tables = [servo.table for servo in servos]
        stall = np.array([table.stall_torque for table in tables])
        self.dynamics: Dynamics = dynamics or SecondOrder(
            np.array([servo.angle for servo in servos]),
            np.array([table.torque_constant for table in tables]),
            stall / np.array([table.no_load_speed for table in tables]),
            # Weaker servos are smaller.
            INERTIA * stall / XM430_STALL_TORQUE,
        )
        self.supply = tables[0].nominal_voltage if tables else 0.0

    def advance(self, dt: float, sag: float | None) -> None:
        """
        Let time pass.

        :param dt: [s].
        :param sag: what the supply has fallen to [V], None if it has not.
        """
        servos = self._servos
        plans = [servo.plan(dt) for servo in servos]
        start, setpoint, driven, limit, stiffness = zip(*plans, strict=True)
        drive = Drive(
            np.array(start),
            np.array(setpoint),
            np.array(driven),
            np.array(limit),
            np.array(stiffness),
        )
        motion = self.dynamics.advance(dt, drive)
        current = motion.current.tolist()
        supply = self.supply if sag is None else min(sag, self.supply)
        voltage = max(0.0, supply - CABLE * math.fsum(map(abs, current)))
        for servo, angle, velocity, amperes in zip(
            servos, motion.position.tolist(), motion.velocity.tolist(), current, strict=True
        ):
            servo.pass_time(dt)
            servo.settle(dt, angle, velocity, amperes, voltage)
        self._brown_out(voltage)

    def _brown_out(self, voltage: float) -> None:
        """Restart the servos whose voltage has gone; they stay off until it is back."""
        for servo in self._servos:
            if voltage < BROWN_OUT_SHARE * servo.table.nominal_voltage:
                if servo.powered:
                    servo.reboot('brown_out')
                servo.powered = False
            elif not servo.powered:
                servo.powered = True
                # What it saw of the failing supply is forgotten with the rest.
                servo.start()
