# SPDX-License-Identifier: Apache-2.0
"""
The calibration file: a ROS parameter file of the driver that also says which servos it is of.

::

    /**/driver:
      ros__parameters:
        model: XM430-W210
        joint_names: [finger1_joint1, ...]
        ids: [11, ...]
        directions: [1, -1, ...]
        offsets: [0.0123, ...]
    /**/calibration:
      ros__parameters:
        date: '2025-01-31T09:30:00+00:00'
        model_numbers: [1030, ...]
        firmwares: [45, ...]

It can be given to any node with ``--params-file``, and by its path to the driver's parameter
``calibration``. No node is called ``calibration``: its part is for people and for ``r3l check``.
A DYNAMIXEL has no serial number that can be read; id, model and firmware stand in for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
import datetime
from pathlib import Path
from typing import Any

from r3l_driver.core.calibration import Fit
from r3l_driver.core.config import DriverConfig, MODELS
from r3l_node.core.errors import ConfigError
from r3l_node.core.files import write_atomic
from r3l_node.core.parameters import build, parameter
import yaml

DRIVER, ABOUT = '/**/driver', '/**/calibration'
KEY = 'ros__parameters'

HEADER = """# Calibration of a hand, written by "r3l calibrate". A ROS parameter file.
# Joint position = direction * servo angle + offset [rad], the servo's centre being 0.
"""


@dataclass(frozen=True, slots=True)
class Calibration:
    """What a calibration file says; arrays are indexed like ``joint_names``."""

    model: str = parameter('', 'model of all servos', choices=MODELS)
    joint_names: tuple[str, ...] = parameter((), 'names of the joints')
    ids: tuple[int, ...] = parameter((), 'bus ids', range=(0, 252))
    directions: tuple[int, ...] = parameter((), '1 or -1', choices=(-1, 1))
    offsets: tuple[float, ...] = parameter((), 'positions at the centres [rad]', range=(-4.0, 4.0))
    date: str = parameter('', 'when, ISO 8601')
    model_numbers: tuple[int, ...] = parameter((), 'as the servos report them', range=(0, 65535))
    firmwares: tuple[int, ...] = parameter((), 'as the servos report them', range=(0, 255))

    def __post_init__(self) -> None:
        """Refuse arrays of different lengths."""
        for name in ('ids', 'directions', 'offsets', 'model_numbers', 'firmwares'):
            found = len(getattr(self, name))
            if found != len(self.joint_names):
                raise ValueError(
                    f'{name} has {found} values: expected {len(self.joint_names)}, one per joint'
                )
        if not self.joint_names or not self.model:
            raise ValueError('model or joint_names is missing: expected a file of r3l calibrate')


def now() -> str:
    """Return the date and time to write into a calibration."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec='seconds')


def calibration_of(
    result: Fit, config: DriverConfig, numbers: Sequence[int], firmwares: Sequence[int], date: str
) -> Calibration:
    """
    Put a calibration together.

    :param result: what the poses said.
    :param config: names, ids and model of the servos.
    :param numbers: model numbers that the servos report.
    :param firmwares: firmware versions that the servos report.
    :param date: when, ISO 8601.
    """
    return Calibration(
        config.model, config.joint_names, config.ids, result.directions, result.offsets,
        date, tuple(numbers), tuple(firmwares),
    )  # fmt: skip


def write_calibration(path: Path, calibration: Calibration) -> None:
    """
    Write a calibration file, whole or not at all.

    :param path: where to; an old file is replaced.
    :param calibration: what to write.
    """
    c = calibration
    driver = {
        'model': c.model,
        'joint_names': list(c.joint_names),
        'ids': list(c.ids),
        'directions': list(c.directions),
        'offsets': [float(value) for value in c.offsets],
    }
    about = {
        'date': c.date,
        'model_numbers': list(c.model_numbers),
        'firmwares': list(c.firmwares),
    }
    document = {DRIVER: {KEY: driver}, ABOUT: {KEY: about}}
    text = yaml.safe_dump(document, sort_keys=False, default_flow_style=None, width=99)
    write_atomic(path, HEADER + text)


def read_calibration(path: Path) -> Calibration:
    """
    Read a calibration file.

    :param path: the file.
    :raises ConfigError: one sentence, if there is none or it is no calibration.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding='utf-8'))
    except OSError as error:
        raise ConfigError(
            f'{path} cannot be read: {error.strerror}; r3l calibrate writes one'
        ) from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f'{path} is no YAML: expected a file of r3l calibrate') from error
    values = {**_part(document, DRIVER, path), **_part(document, ABOUT, path)}
    return build(Calibration, values, node=str(path))


def _part(document: Any, name: str, path: Path) -> dict[str, object]:
    part = document.get(name) if isinstance(document, dict) else None
    values = part.get(KEY) if isinstance(part, dict) else None
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise ConfigError(f'{path} has no {name} with {KEY}: expected a file of r3l calibrate')
    return values


def calibrated(config: DriverConfig, calibration: Calibration) -> DriverConfig:
    """
    Return a configuration with ids, directions and offsets of a calibration, joints by name.

    :param config: of the driver.
    :param calibration: of its hand.
    :raises ConfigError: if the calibration is of other joints or of another model.
    """
    if calibration.model != config.model:
        raise ConfigError(
            f'the calibration is of {calibration.model}: expected {config.model}, the model of '
            'the driver'
        )
    if set(calibration.joint_names) != set(config.joint_names):
        raise ConfigError(
            f'the calibration is of the joints {", ".join(calibration.joint_names)}: expected '
            f'{", ".join(config.joint_names)}'
        )
    order = [calibration.joint_names.index(name) for name in config.joint_names]
    return replace(
        config,
        ids=tuple(calibration.ids[k] for k in order),
        directions=tuple(calibration.directions[k] for k in order),
        offsets=tuple(calibration.offsets[k] for k in order),
    )
