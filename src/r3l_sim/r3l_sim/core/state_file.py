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
from r3l_sim.core.scene import StateError


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
