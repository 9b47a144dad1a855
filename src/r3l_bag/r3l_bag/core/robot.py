# SPDX-License-Identifier: Apache-2.0
"""Which robot and task a recording belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
import json
from typing import Any

from r3l_node.core.errors import ConfigError
import yaml


@dataclass(frozen=True, slots=True)
class Robot:
    """
    What experience depends on.

    :param joint_names: in the order of an action.
    :param joint_low: lower limits of commands [rad].
    :param joint_high: upper limits of commands [rad].
    :param control_rate: of control steps [Hz].
    :param image_size: side of the images [px].
    :param task: that was learned, such as ``valve``.
    """

    joint_names: tuple[str, ...]
    joint_low: tuple[float, ...]
    joint_high: tuple[float, ...]
    control_rate: float
    image_size: int
    task: str


_LISTS = ('joint_names', 'joint_low', 'joint_high')
# Which parameters of which nodes are the metadata of a bag.
_INFO = {
    'monitor': ('task', 'profile', 'ablation', 'hardware', 'pace', 'seed', 'steps'),
    'agent': (*_LISTS, 'control_rate'),
    'learner': ('image_size', 'latent_size'),
}


def robot_of_info(info: Mapping[str, str], where: str) -> Robot:
    """
    Return the robot of a bag.

    :param info: its ``r3l`` metadata; lists are JSON.
    :param where: how an error names the bag.
    :raises ConfigError: if something is missing.
    """
    try:
        values = {name: json.loads(info[name]) for name in (*_LISTS, 'control_rate', 'image_size')}
        return _robot({**values, 'task': info['task']})
    except (KeyError, ValueError, TypeError) as error:
        raise ConfigError(f"{where}: the metadata 'r3l' names no robot: {error!r}") from error


def robot_of_config(text: str, where: str) -> Robot:
    """
    Return the robot of a run.

    :param text: of its ROS parameter file.
    :param where: how an error names the run.
    :raises ConfigError: if something is missing.
    """
    return robot_of_info(info_of_config(text, where), where)


def info_of_config(text: str, where: str) -> dict[str, str]:
    """
    Return what a bag says of a run in its metadata ``r3l``.

    :param text: of the run's ROS parameter file.
    :param where: how an error names the run.
    :return: texts by name; lists are JSON.
    :raises ConfigError: if something is missing.
    """
    try:
        sections = {
            key.removeprefix('/**/'): section['ros__parameters']
            for key, section in yaml.safe_load(text).items()
        }
        found = {
            name: sections[node][name]
            for node, names in _INFO.items()
            for name in names
            if name in sections[node]
        }
    except (yaml.YAMLError, AttributeError, KeyError, TypeError) as error:
        raise ConfigError(f'{where}: its parameters name no robot: {error!r}') from error
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in found.items()
    }


def _robot(values: Mapping[str, Any]) -> Robot:
    return Robot(
        joint_names=tuple(map(str, values['joint_names'])),
        joint_low=tuple(map(float, values['joint_low'])),
        joint_high=tuple(map(float, values['joint_high'])),
        control_rate=float(values['control_rate']),
        image_size=int(values['image_size']),
        task=str(values['task']),
    )
