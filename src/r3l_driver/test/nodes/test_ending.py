# SPDX-License-Identifier: Apache-2.0
"""How the driver's process ends, and what the servos do then: seen from the emulator."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
import json
import os
from pathlib import Path
import signal
import subprocess
import sys
import time

import pytest
from r3l_driver.emulator.main import make_bus
from r3l_driver.emulator.pty import PtyBus
from r3l_node.core.domain import reserve_domain

IDS = [11, 12, 13]
LONG = 40.0  # on a machine with much else to do [s]
END = 3.0  # from a signal to torque off [s]
CODE = 'from r3l_driver.nodes.dynamixel_node import main; main()'


@pytest.fixture
def pty(tmp_path: Path) -> Iterator[PtyBus]:
    bus = make_bus(IDS, settings={'return_delay_time': 0, 'operating_mode': 5})
    with PtyBus(bus, tmp_path / 'hand.tty') as running:
        yield running


@contextmanager
def driver(pty: PtyBus) -> Iterator[subprocess.Popen[bytes]]:
    """Run the driver as a process; it holds torque when this returns."""
    values = {
        'run': str(pty.link.parent),
        'port': str(pty.link),
        'ids': IDS,
        'joint_names': ['a', 'b', 'c'],
        'directions': [1, 1, 1],
        'offsets': [0.0, 0.0, 0.0],
        'position_low': [-1.0, -1.0, -1.0],
        'position_high': [1.0, 1.0, 1.0],
        'limp_after': 600.0,
    }
    file = pty.link.parent / 'parameters.yaml'
    file.write_text(json.dumps({'/**/driver': {'ros__parameters': values}}), encoding='utf-8')
    with reserve_domain() as domain:
        run = subprocess.Popen(
            [sys.executable, '-c', CODE, '--ros-args', '--params-file', str(file)],
            env={**os.environ, 'ROS_DOMAIN_ID': str(domain)},
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
        )
        try:
            wait_for(lambda: all(servo.torque_on for servo in pty.bus.servos) and armed(pty))
            yield run
        finally:
            if run.poll() is None:
                run.kill()
            run.wait(LONG)


def armed(pty: PtyBus) -> bool:
    """Say whether the watchdogs of all servos are on and have not tripped."""
    return all(servo.registers.get('bus_watchdog') > 0 for servo in pty.bus.servos)


def tripped(pty: PtyBus) -> bool:
    """Say whether the watchdogs of all servos have stopped them."""
    return all(servo.registers.get('bus_watchdog') == -1 for servo in pty.bus.servos)


def wait_for(condition: Callable[[], object]) -> None:
    """Look until a condition holds."""
    end = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_driver_with_torque_off(pty, number):
    with driver(pty) as run:
        began = time.monotonic()
        run.send_signal(number)
        wait_for(lambda: not any(servo.torque_on for servo in pty.bus.servos))
        assert run.wait(LONG) == 0
        assert time.monotonic() - began < END * 3  # beside much else on the machine
    assert not any(servo.registers.get('bus_watchdog') for servo in pty.bus.servos)


def test_a_killed_or_stopped_driver_leaves_the_hand_to_the_watchdogs(pty):
    with driver(pty) as run:
        run.send_signal(signal.SIGSTOP)
        wait_for(lambda: tripped(pty))
        run.send_signal(signal.SIGCONT)
        wait_for(lambda: armed(pty))
        run.kill()
        run.wait(LONG)
        wait_for(lambda: tripped(pty))
        assert all(servo.torque_on for servo in pty.bus.servos)  # held, not dropped
    with driver(pty) as run:
        assert armed(pty)
