# SPDX-License-Identifier: Apache-2.0
"""
How far the object was from its goal after every control step of a run's life.

What EARL calls continuing evaluation is a mean over it. Training never reads it.
"""

from pathlib import Path
from struct import Struct

import numpy as np
from numpy.typing import NDArray
from r3l_node.core.errors import ConfigError
from r3l_sim.core.tasks import State, Task

LIFE = 'life.bin'  # in the run folder
# distance in the unit of the task; success 0: none, 1: lenient, 2: strict as well.
RECORD = np.dtype([('distance', '<f4'), ('success', 'u1')])
_PACKED = Struct('<fB')  # the same, written much faster than an array


class LifeLog:
    """
    Append one record per control step to a file.

    :param path: the file; it is gone on with if it is there.
    :param task: measures the object states.
    """

    def __init__(self, path: Path, task: Task) -> None:
        self._task = task
        self._file = path.open('ab')
        # A record that a crash has torn.
        self.cut(self._file.tell() // RECORD.itemsize)

    def append(self, state: State) -> None:
        """
        Measure an object state and note it.

        :param state: by name, after a control step.
        """
        success = int(self._task.is_success(state))
        success += success and int(self._task.is_success(state, strict=True))
        self._file.write(_PACKED.pack(self._task.distance(state), success))
        self.steps += 1

    def cut(self, steps: int) -> None:
        """
        Forget what came after a number of control steps.

        :param steps: records to keep.
        :raises ConfigError: if there are fewer.
        """
        self._file.flush()
        found = self._file.tell() // RECORD.itemsize
        if found < steps:
            raise ConfigError(
                f'{self._file.name} has {found} control steps: expected the {steps} of the '
                'checkpoint'
            )
        self._file.truncate(steps * RECORD.itemsize)
        self._file.seek(0, 2)
        self.steps = steps

    def flush(self) -> None:
        """Hand what was written to the system."""
        self._file.flush()

    def close(self) -> None:
        """Flush and close."""
        self._file.close()


def read_life(run: Path) -> NDArray[np.void] | None:
    """
    Return the records of a run, shape (control steps,); None: it has none.

    :param run: folder of the run.
    """
    path = run / LIFE
    whole = path.stat().st_size // RECORD.itemsize if path.exists() else 0
    return np.fromfile(path, RECORD, whole) if whole else None
