# SPDX-License-Identifier: Apache-2.0
"""What the bench commands share: the hand that the options mean, and its bus."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from r3l_bringup.config import Request, resolve
from r3l_driver.core.bus import Bus
from r3l_driver.core.bus_errors import BusError, PortBusy, PortLost
from r3l_driver.core.calibration_file import Calibration, read_calibration
from r3l_driver.core.config import DriverConfig
from r3l_driver.core.discovery import adapters
from r3l_driver.core.port import SerialPort
from r3l_driver.core.robot import with_calibration
from r3l_node.core.errors import ConfigError
from r3l_node.core.parameters import build
from r3l_perception.core.camera.config import CameraConfig

SLOWEST_REPLY = 508e-6  # return delay of a servo of which nothing is known [s]
PATIENCE = 0.1  # for a reply: no cycle is waiting here, and the adapter may be slow [s]


class HandError(ConfigError):
    """The hand cannot be reached; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Hand:
    """
    A real hand as ``r3l train --hardware real`` would drive it.

    :param driver: with what the calibration says.
    :param calibration: None: no file is in use.
    """

    driver: DriverConfig
    camera: CameraConfig
    calibration: Calibration | None


def hand(port: str | None, calibration: Path | None, sets: Sequence[str]) -> Hand:
    """
    Resolve options as a training on real hardware does.

    :param port: serial device; None: that of the parameters.
    :param calibration: file of ``r3l calibrate``; None: that of the parameters.
    :param sets: ``NODE.PARAM=VALUE`` each.
    :raises ConfigError: one sentence about the first thing that is wrong.
    """
    file = None if calibration is None else str(calibration.absolute())
    request = Request(hardware='real', port=port, calibration=file, sets=tuple(sets))
    values = resolve(request)
    driver = with_calibration(build(DriverConfig, values['driver'], node='driver'))
    camera = build(CameraConfig, values['camera'], node='camera')
    found = read_calibration(Path(driver.calibration)) if driver.calibration else None
    return Hand(driver, camera, found)


@contextmanager
def open_bus(port: str, baud: int) -> Iterator[Bus]:
    """
    Open a port for this process alone.

    :param port: path of the device.
    :param baud: speed [bit/s].
    :raises HandError: one sentence, if it is not there, not allowed, in use or goes away, or
        if a servo does not do what it is told.
    """
    try:
        device = SerialPort(port, baud, PATIENCE)
        try:
            yield Bus(device, SLOWEST_REPLY)
        finally:
            device.close()
    except PortBusy as error:
        raise HandError(f'{error}; stop it first') from error
    except BusError as error:
        raise HandError(f'{error}; check its plugs and supply, then try again') from error
    except PortLost as error:
        raise HandError(f'{error.strerror or error}; {_advice(port)}') from error


def _advice(port: str) -> str:
    known = [str(adapter.best) for adapter in adapters()]
    if Path(port).exists():
        return 'your user must be in the group dialout, and no cable loose (docs/hardware.md)'
    if known:
        return f'give one that is there with --port: {", ".join(known)}'
    return 'no serial adapter is connected: plug the adapter of the servos into a USB port'
