# SPDX-License-Identifier: Apache-2.0
"""What preflight looks at: servos and computer, as they were found."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ServoFacts:
    """
    What one servo says about itself.

    :param settings: items of its EEPROM, in the units of the control table.
    :param torque: whether it holds torque.
    :param error: bits of its hardware error status.
    :param voltage: of its supply [V].
    :param temperature: of its case [degC].
    """

    id: int
    model_number: int
    firmware: int
    settings: Mapping[str, int]
    torque: bool
    error: int
    voltage: float
    temperature: float


@dataclass(frozen=True, slots=True)
class HostFacts:
    """
    What was found on the computer; None: not looked at, or it has none.

    :param latency: timer of the USB adapter [ms].
    :param free_disk: space left for the run [byte].
    :param camera_rate: measured [Hz]; 0: no picture.
    :param camera_wanted: [Hz].
    :param camera_remark: why there is no picture.
    :param firmwares: of the calibration, by id.
    :param calibrated: whether a calibration file is in use.
    """

    latency: int | None = None
    free_disk: int | None = None
    camera_rate: float | None = None
    camera_wanted: float = 0.0
    camera_remark: str = ''
    firmwares: Mapping[int, int] | None = None
    calibrated: bool | None = None
