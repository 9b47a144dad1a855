# SPDX-License-Identifier: Apache-2.0
"""Joint commands as arrays: taken whole and by name, or not at all."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from r3l_node.nodes.fields import float_array, MessageError
from trajectory_msgs.msg import JointTrajectory

# Parameter files round pi; a command this little outside is at the limit [rad].
TOLERANCE = 1e-3


class CommandReader:
    """
    Read targets out of joint commands.

    :param names: the joints, in the order of the arrays.
    :param low: lower end of each joint's range, shape (joints,) [rad].
    :param high: upper end, shape (joints,) [rad].
    """

    def __init__(self, names: Sequence[str], low: Sequence[float], high: Sequence[float]) -> None:
        self._names = list(names)
        self._low, self._high = np.array(low), np.array(high)

    def target(self, msg: JointTrajectory) -> NDArray[np.float64]:
        """
        Return the target of every joint.

        :param msg: one point, every joint exactly once, in any order.
        :return: shape (joints,) [rad].
        :raises MessageError: one sentence, if any part of the command is wrong.
        """
        if len(msg.points) != 1:
            raise MessageError(f'{len(msg.points)} points: expected 1')
        position = float_array(msg.points[0].positions, len(self._names), name='positions')
        if msg.joint_names != self._names:
            position = self._reordered(msg.joint_names, position)
        outside = (position < self._low - TOLERANCE) | (position > self._high + TOLERANCE)
        if outside.any():
            joint = int(outside.argmax())
            raise MessageError(
                f'{self._names[joint]} to {position[joint]:.4f} rad: expected '
                f'{self._low[joint]:.4f} to {self._high[joint]:.4f}'
            )
        return position

    def _reordered(
        self, names: Sequence[str], position: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        if sorted(names) != sorted(self._names):
            raise MessageError(f'joints {", ".join(names)}: expected {", ".join(self._names)}')
        given = list(names)
        return position[[given.index(name) for name in self._names]]
