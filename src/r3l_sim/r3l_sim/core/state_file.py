# SPDX-License-Identifier: Apache-2.0
"""The simulated world on disk, so that a killed simulator goes on where it was."""

from collections.abc import Mapping
import io
import os
from pathlib import Path
from typing import Any
import zipfile

import numpy as np
from numpy.typing import NDArray
from r3l_sim.core.scene import Scene, StateError

SECOND = 10**9  # [ns]
SAVE_STEPS = 50  # control steps between two writes of the state file


def save(path: Path, task: str, stamp: int, state: Mapping[str, NDArray[np.float64]]) -> None:
    """
    Replace the saved state in one step.

    :param path: the file; its folder is made if missing.
    :param task: name of the task.
    :param stamp: first stamp that no observation has carried yet [ns].
    :param state: as `Scene.save_state` returns it.
    """
    buffer = io.BytesIO()
    arrays: dict[str, Any] = dict(state)
    np.savez(buffer, _task=np.array(task), _stamp=np.array(stamp, np.int64), **arrays)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'.{path.name}.new')
    # Not forced to the disk: this happens inside the control loop, and a power cut takes the
    # simulated world with it anyway.
    temporary.write_bytes(buffer.getvalue())
    os.replace(temporary, path)


def load(path: Path, task: str) -> tuple[int, dict[str, NDArray[np.float64]]]:
    """
    Read a saved state.

    :param path: an existing file.
    :param task: name of the task that it must belong to.
    :return: the stamp to go on with [ns], and the state for `Scene.load_state`.
    :raises StateError: naming the file, if it is not a saved state of this task.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            state = {name: file[name] for name in file.files}
        found, stamp = str(state.pop('_task')), int(state.pop('_stamp'))
    except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile) as error:
        raise StateError(f'{path} is not a saved simulator state: {error}') from error
    if found != task:
        raise StateError(f"{path} belongs to task '{found}': expected '{task}'")
    return stamp, state


def run_file(given: str, run: str, name: str) -> Path | None:
    """
    Return where a node keeps something, or None if nowhere.

    :param given: path that the user wants; empty: in the run folder.
    :param run: the run folder; empty: none.
    :param name: of the file in the run folder.
    """
    if given:
        return Path(given)
    return Path(run) / name if run else None


class StateKeeper:
    """
    Keep the state of a scene through restarts.

    :param path: the file; None: keep nothing.
    :param scene: whose state it is.
    :param period: of the control steps [ns].
    """

    def __init__(self, path: Path | None, scene: Scene, period: int) -> None:
        self._path = path
        self._scene = scene
        self._period = period
        self._steps = 0
        self.restored = False

    def restore(self, seed: int) -> int:
        """
        Put the scene where it was, or at the very start.

        :param seed: of the very start.
        :return: stamp of the first observation [ns].
        :raises StateError: if the file is of another task or none.
        """
        scene = self._scene
        if self._path is None or not self._path.exists():
            rng = np.random.default_rng([seed, 0])
            scene.reset(**scene.task.random_state(rng))
            return SECOND  # 0 means "no time" in ROS
        saved, state = load(self._path, scene.task.name)
        scene.load_state(state)
        self.restored = True
        # Stamps never come twice, also not those of the steps that were not saved any more.
        return saved + SAVE_STEPS * self._period + SECOND

    def step(self, stamp: int) -> None:
        """
        Note that a control step is over; every now and then the state is saved.

        :param stamp: of the observation after it [ns].
        """
        self._steps += 1
        if self._steps % SAVE_STEPS == 0:
            self.save(stamp)

    def save(self, stamp: int) -> None:
        """Save now."""
        if self._path is not None:
            save(self._path, self._scene.task.name, stamp, self._scene.save_state())
