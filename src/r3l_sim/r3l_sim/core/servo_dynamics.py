# SPDX-License-Identifier: Apache-2.0
"""The mechanics behind emulated servos: their shafts are the joints of a simulated hand."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from r3l_driver.core.control_table import ControlTable
from r3l_driver.emulator.dynamics import Drive, Motion
from r3l_sim.core.scene import Scene


class HandDynamics:
    """
    Turn the joints of a scene by its servos.

    ``joint position = direction * servo angle + offset``

    :param scene: whose time passes.
    :param table: of the servos' model.
    :param directions: 1 or -1 for each joint.
    :param offsets: joint positions where the servos are at their centres [rad].
    """

    def __init__(
        self,
        scene: Scene,
        table: ControlTable,
        directions: Sequence[int],
        offsets: Sequence[float],
    ) -> None:
        self._scene = scene
        self._directions: NDArray[np.float64] = np.array(directions, np.float64)
        self._offsets: NDArray[np.float64] = np.array(offsets, np.float64)
        self._torque_constant = table.torque_constant
        self._back_emf = table.stall_torque / table.no_load_speed

    @property
    def position(self) -> NDArray[np.float64]:
        """Angles of the shafts, shape (servos,) [rad]."""
        angles: NDArray[np.float64] = self._scene.joint_position - self._offsets
        return angles * self._directions

    def advance(self, dt: float, drive: Drive) -> Motion:
        """
        Let time pass in the scene.

        :param dt: [s].
        :param drive: what the controllers of the servos want.
        """
        self._scene.drive(
            dt,
            self._directions * drive.start + self._offsets,
            self._directions * drive.setpoint + self._offsets,
            np.where(drive.torque_on, drive.current_limit * self._torque_constant, 0.0),
            drive.stiffness,
            self._back_emf,
        )
        scene, directions = self._scene, self._directions
        current = directions * scene.joint_effort / self._torque_constant
        return Motion(self.position, directions * scene.joint_velocity, current)
