# SPDX-License-Identifier: Apache-2.0
"""What preflight looks at: servos and computer, as they were found."""

from collections.abc import Mapping
from dataclasses import dataclass
import math
from pathlib import Path
import shutil

from r3l_driver.core.bus import Bus
from r3l_driver.core.bus_errors import BusError
from r3l_driver.core.config import DriverConfig
from r3l_driver.core.control_table import ControlTable, TABLES, VOLTAGE_UNIT
from r3l_driver.core.discovery import latency_timer

TRIES = 5
TABLE_SIZE = 147  # bytes up to the present temperature, of all models


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
    :param camera_wanted: asked of the camera [Hz].
    :param camera_needed: below that the hand would act on old pictures [Hz].
    :param camera_remark: why there is no picture.
    :param firmwares: of the calibration, by id.
    :param calibrated: whether a calibration file is in use.
    """

    latency: int | None = None
    free_disk: int | None = None
    camera_rate: float | None = None
    camera_wanted: float = 0.0
    camera_needed: float = 0.0
    camera_remark: str = ''
    firmwares: Mapping[int, int] | None = None
    calibrated: bool | None = None


def collect(bus: Bus, config: DriverConfig) -> tuple[ServoFacts, ...]:
    """
    Read what the configured servos say about themselves; nothing is written.

    :param bus: open.
    :param config: names the ids.
    :return: of those that answer.
    """
    found = (_servo(bus, servo) for servo in config.ids)
    return tuple(servo for servo in found if servo is not None)


def host_facts(config: DriverConfig, folder: Path | None = None) -> HostFacts:
    """
    Look at the computer, but for the camera.

    :param config: names the port and the calibration file.
    :param folder: where runs are written; None: not looked at.
    """
    return HostFacts(
        latency=latency_timer(Path(config.port)),
        free_disk=None if folder is None else shutil.disk_usage(folder).free,
    )


def _servo(bus: Bus, servo: int) -> ServoFacts | None:
    for _ in range(TRIES):
        try:
            number, firmware = bus.ping(servo)
            # One request: with a slow adapter, one for each item would take seconds.
            data = bus.read_bytes(servo, 0, TABLE_SIZE)
        except BusError:
            continue
        table = {table.number: table for table in TABLES.values()}.get(number)
        if table is None:
            return ServoFacts(servo, number, firmware, {}, False, 0, math.nan, math.nan)
        return _decode(servo, firmware, table, data)
    return None


def _decode(servo: int, firmware: int, table: ControlTable, data: bytes) -> ServoFacts:
    values = {
        item.name: item.decode(data[item.address : item.address + item.size])
        for item in table
        if item.address + item.size <= len(data)
    }
    return ServoFacts(
        servo,
        table.number,
        firmware,
        {name: value for name, value in values.items() if table[name].eeprom},
        bool(values['torque_enable']),
        values['hardware_error_status'],
        values['present_input_voltage'] * VOLTAGE_UNIT,
        float(values['present_temperature']),
    )
