# SPDX-License-Identifier: Apache-2.0
"""``r3l check``: is the hand fit for torque, and what to do if it is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
import time

from r3l_bringup.hand_bus import Hand, open_bus
from r3l_driver.core.config import DriverConfig
from r3l_driver.core.control_table import table_of_model
from r3l_driver.core.discovery import Answer
from r3l_driver.core.facts import collect, host_facts, HostFacts, ServoFacts
from r3l_driver.core.findings import Report, Severity
from r3l_driver.core.persistent import PersistentBus
from r3l_driver.core.preflight import examine
from r3l_driver.core.settings import write_settings
from r3l_node.core.errors import ConfigError
from r3l_perception.core.camera.choice import choose_source
from r3l_perception.core.camera.config import CameraConfig

CAMERA_TIME = 2.0  # over which pictures are counted [s]
CAMERA_START = 5  # pictures that a camera needs to settle its exposure
NEEDED = 2.0  # pictures per command: the newest is then at most half a period old

Say = Callable[[str], None]


def check(
    hand: Hand,
    *,
    write: bool = False,
    camera: bool = True,
    folder: Path = Path(),
    say: Say = print,
) -> bool:
    """
    Look at servos, adapter, camera and disk, and say what was found.

    :param hand: what is configured.
    :param write: set the EEPROM of the servos right where it differs.
    :param camera: look at the camera too.
    :param folder: where runs are written.
    :param say: takes one line.
    :return: whether torque may come on.
    :raises ConfigError: one sentence, if the port cannot be used or a setting not be written.
    """
    config = hand.driver
    host = _host(hand, config, folder)
    with open_bus(config.port, config.baud_rate) as bus:
        report = examine(collect(bus, config), config, host)
        if write and report.differences:
            table = table_of_model(config.model)
            for line in write_settings(PersistentBus(bus), report.differences, table):
                say(f'written  {line}')
            report = examine(collect(bus, config), config, host)
    if camera:
        rate, remark = camera_rate(hand.camera)
        host = replace(host, camera_rate=rate, camera_remark=remark)
        report = examine(report.servos, config, host)
    _tell(report, config, host, say)
    return report.ok


def _host(hand: Hand, config: DriverConfig, folder: Path) -> HostFacts:
    numbers = hand.calibration
    return replace(
        host_facts(config, folder),
        calibrated=numbers is not None,
        firmwares=None if numbers is None else dict(
            zip(numbers.ids, numbers.firmwares, strict=True)
        ),
        camera_wanted=hand.camera.framerate,
        camera_needed=NEEDED * config.control_rate,
    )  # fmt: skip


def camera_rate(
    config: CameraConfig, clock: Callable[[], float] = time.monotonic
) -> tuple[float, str]:
    """
    Count the pictures that a camera gives.

    :param config: says which camera.
    :param clock: monotonic time [s].
    :return: pictures per second, 0 where there are none, and why.
    """
    try:
        source = choose_source(config, clock)
        source.open()
        try:
            for _ in range(CAMERA_START):
                first = source.read().stamp
            last, count, end = first, 0, clock() + CAMERA_TIME
            while clock() < end:
                last, count = source.read().stamp, count + 1
        finally:
            source.close()
    except ConfigError as error:
        return 0.0, str(error)
    return (count / (last - first) if last > first else 0.0), ''


def _tell(report: Report, config: DriverConfig, host: HostFacts, say: Say) -> None:
    say(f'port     {config.port} at {config.baud_rate} bit/s{_latency(host)}')
    for servo in report.servos:
        say(f'servo    {_line(servo, config)}')
    if host.camera_rate:
        say(f'camera   {host.camera_rate:.1f} pictures per second')
    if host.free_disk is not None:
        say(f'disk     {host.free_disk / 2**30:.1f} GiB free')
    for finding in report.findings:
        word = 'REFUSED' if finding.severity is Severity.REFUSE else 'warning'
        say(f'{word}  {finding.code}: {finding.sentence}')
        say(f'         -> {finding.remedy}')
    count = len(report.refusals)
    if count:
        say(f'torque is refused: {count} thing{"s" if count > 1 else ""} to mend')
    else:
        say('all is well: torque may come on')


def _latency(host: HostFacts) -> str:
    return '' if host.latency is None else f', latency timer {host.latency} ms'


def _line(servo: ServoFacts, config: DriverConfig) -> str:
    joint = config.joint_names[config.ids.index(servo.id)]
    model = Answer(config.baud_rate, servo.id, servo.model_number, servo.firmware).model
    text = f'{servo.id:3d} {joint}: {model}, firmware {servo.firmware}'
    if not servo.settings:
        return text
    return f'{text}, {servo.voltage:.1f} V, {servo.temperature:.0f} degC'
