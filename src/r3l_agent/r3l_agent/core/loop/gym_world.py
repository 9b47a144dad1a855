# SPDX-License-Identifier: Apache-2.0
"""Any Gymnasium environment as a world, reset only at the start and after a terminal state."""

from collections.abc import Sequence
from typing import Any


class GymWorld:
    """
    Wrap a Gymnasium environment.

    :param env: with a Box of actions and Box or Dict observations.
    :param goals: keys of the observation that the classifier sees; None: the image, or else all.
    """

    def __init__(self, env: Any, goals: Sequence[str] | None = None) -> None:
        raise NotImplementedError
