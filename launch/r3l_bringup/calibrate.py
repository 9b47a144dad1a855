# SPDX-License-Identifier: Apache-2.0
"""``r3l calibrate``: a person poses the hand, and a file says where its zeros are."""

from __future__ import annotations

from collections.abc import Callable
import functools
import math
import os
from pathlib import Path
import shutil
import subprocess
import time

import numpy as np
from numpy.typing import NDArray
from r3l_bringup.hand_bus import Hand, open_bus
from r3l_driver.core.bus import Bus
from r3l_driver.core.bus_errors import BusError
from r3l_driver.core.calibration import guide, Pose, table
from r3l_driver.core.calibration_file import calibration_of, now, write_calibration
from r3l_driver.core.config import DriverConfig
from r3l_driver.core.control_table import table_of_model
from r3l_driver.core.facts import collect, ServoFacts
from r3l_driver.core.persistent import PersistentBus
from r3l_driver.core.preflight import examine
from r3l_node.core.errors import ConfigError
from r3l_node.core.files import write_atomic

PAUSE = 0.02  # between two readings [s]
# What makes readings worthless; settings and the like may still be mended afterwards.
HINDRANCES = ('no_servo', 'servo_missing', 'model_wrong')
SUPPORT = 'Torque is on and goes off now: hold the fingers, then press Enter (q to end): '

Say = Callable[[str], None]
Ask = Callable[[str], str]


def calibrate(
    hand: Hand,
    out: Path,
    *,
    ask: Ask = input,
    say: Say = print,
    wait: Callable[[], None] = lambda: time.sleep(PAUSE),
) -> None:
    """
    Find offsets and directions and write them.

    :param hand: what is configured.
    :param out: file to write; replaced if it exists.
    :param ask: shows a text and returns the answer.
    :param say: takes one line.
    :param wait: called between two readings.
    :raises ConfigError: one sentence, if it cannot be done or the person ends it.
    """
    config = hand.driver
    with open_bus(config.port, config.baud_rate) as bus:
        servos = _servos(bus, config)
        release(bus, config, servos, ask)
        say('Torque is off on all servos. Take the object away from under the hand.')
        # The straight pose is asked for twice, and drawn once.
        picture = functools.cache(lambda pose: show(pose, out))
        result = guide(lambda: servo_angles(bus, config), wait, config, ask, picture)
    numbers, firmwares = zip(*((s.model_number, s.firmware) for s in servos), strict=True)
    write_calibration(out, calibration_of(result, config, numbers, firmwares, now()))
    for line in table(result, config):
        say(line)
    say(f'written to {out}; check it with: r3l check --port {config.port} --calibration {out}')


def _servos(bus: Bus, config: DriverConfig) -> tuple[ServoFacts, ...]:
    servos = collect(bus, config)
    for finding in examine(servos, config).refusals:
        if finding.code in HINDRANCES:
            raise ConfigError(str(finding))
    return servos


def release(bus: Bus, config: DriverConfig, servos: tuple[ServoFacts, ...], ask: Ask) -> None:
    """
    Switch torque off and read that back.

    :raises ConfigError: if a servo keeps it, or the person does not want it.
    """
    if not any(servo.torque for servo in servos):
        return
    if ask(SUPPORT).strip().lower() in {'q', 'quit'}:
        raise ConfigError('calibration ended; nothing was changed')
    item = table_of_model(config.model)['torque_enable']
    patient = PersistentBus(bus)
    for servo in servos:
        patient.write(servo.id, item, 0)
        if patient.read(servo.id, item) != 0:
            raise ConfigError(f'servo {servo.id} keeps its torque: switch its supply off and on')


def servo_angles(bus: Bus, config: DriverConfig) -> NDArray[np.float64]:
    """Read the servos' own angles, 0 at their centres, NaN where one is silent [rad]."""
    model = table_of_model(config.model)
    angles = np.full(len(config.ids), math.nan)
    for joint, servo in enumerate(config.ids):
        try:
            ticks = bus.read(servo, model['present_position'])
        except BusError:
            continue
        angles[joint] = (ticks - model.center) * 2.0 * math.pi / model.ticks_per_turn
    return angles


def show(pose: Pose, out: Path) -> str:
    """
    Draw a pose into a file beside the calibration, and open it where there is a display.

    :return: a line that says where the picture is.
    """
    # Drawing needs MuJoCo, which takes a second to load.
    from r3l_sim.core.bench_pictures import pose_picture
    from r3l_sim.core.pictures import png

    path = out.with_name(f'{out.stem}_{pose.name}.png')
    write_atomic(path, png(pose_picture(pose.angles)))
    viewer = shutil.which('xdg-open')
    if viewer and (os.environ.get('DISPLAY') or os.environ.get('WAYLAND_DISPLAY')):
        subprocess.Popen(
            [viewer, str(path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
    return f'Picture, from the front and from the left: {path}'
