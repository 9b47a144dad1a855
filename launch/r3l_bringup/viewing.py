# SPDX-License-Identifier: Apache-2.0
"""What there is to look at the hand with: its description, rviz and their files."""

from __future__ import annotations

from pathlib import Path

from r3l_bringup.paths import PACKAGE, prefixes, workspace
from r3l_node.core.errors import ConfigError

DESCRIPTION = ('r3l_sim', 'urdf/dclaw.urdf')
RVIZ = (PACKAGE, 'rviz/view.rviz')
LAYOUT = (PACKAGE, 'foxglove/r3l.json')  # of the Foxglove app


def installed(package: str) -> bool:
    """
    Tell whether a ROS package is installed.

    :param package: its name.
    """
    index = Path('share') / 'ament_index' / 'resource_index' / 'packages' / package
    return any((prefix / index).exists() for prefix in prefixes())


def file_of(package: str, name: str) -> Path:
    """
    Return a file of one of our packages, installed or in the sources.

    :param package: r3l_sim or r3l_bringup.
    :param name: path of the file within its share folder.
    :raises ConfigError: if it is nowhere.
    """
    folders = [prefix / 'share' / package for prefix in prefixes()]
    for folder in (*folders, *_sources(package)):
        if (folder / name).is_file():
            return folder / name
    raise ConfigError(
        f'{package} has no {name} in {len(folders)} ament prefixes: expected the workspace to be '
        'built (colcon build) and install/setup.bash to be sourced'
    )


def _sources(package: str) -> list[Path]:
    """Return the folder of a package in the workspace, where there is one."""
    try:
        root = workspace()
    except FileNotFoundError:
        return []
    return [root / 'launch' if package == PACKAGE else root / 'src' / package]


def missing() -> list[str]:
    """Return a sentence for each package that the view lacks."""
    return [
        f'{package} is not installed: {what} (apt install ros-$ROS_DISTRO-{debian})'
        for package, debian, what in (
            (
                'robot_state_publisher',
                'robot-state-publisher',
                'there are no transforms, the hand is drawn from its joint states',
            ),
            ('rviz2', 'rviz2', 'look with Foxglove or Lichtblick instead'),
        )
        if not installed(package)
    ]
