# SPDX-License-Identifier: Apache-2.0
"""Which run ``r3l train --resume`` goes on with, and how it was begun."""

from __future__ import annotations

from pathlib import Path

from r3l_node.core.errors import ConfigError


def resumed(folder: Path, run: Path | None, *, no_ros: bool) -> tuple[Path, bool]:
    """
    Return the folder of a run that is to go on, and whether that is without ROS.

    :param folder: of ``--resume``.
    :param run: of ``--run``, which says the same.
    :param no_ros: as the user asked; a run that was begun so goes on so anyway.
    :raises ConfigError: if there is no run, or two are named.
    """
    if run is not None:
        raise ConfigError(f'--resume {folder} and --run {run} are given: expected one of them')
    if not (folder / 'config.yaml').is_file():
        raise ConfigError(f'{folder} is no run: expected a folder with config.yaml')
    return folder, no_ros or begun_without_ros(folder)


def begun_without_ros(run: Path) -> bool:
    """
    Tell whether a run was begun in one process: nodes have logs, and it has none.

    :param run: its folder.
    """
    if (run / 'checkpoints' / 'loop.safetensors').exists():
        return True
    begun = any((run / 'replay' / name).exists() for name in ('learner', 'encoder'))
    return begun and not (run / 'logs').is_dir()
