# SPDX-License-Identifier: Apache-2.0
"""The deployed policy: the loop without noise, learning or homing."""

import numpy as np
from numpy.typing import NDArray
from r3l_agent.core.loop.world import Sensed


class Deployed:
    """A trained policy with its encoder."""

    def __call__(self, sensed: Sensed, first: bool = False) -> NDArray[np.float64]:
        """
        Choose a target.

        :param sensed: by a world like that of the training.
        :param first: whether an episode begins here, which forgets what was sensed before.
        :return: shape (actions,), for ``World.step``.
        """
        raise NotImplementedError
