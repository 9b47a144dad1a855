# SPDX-License-Identifier: Apache-2.0
"""find-port, check and calibrate on an emulated hand, and what they say where there is none."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from r3l_bringup import hand_bus
from r3l_bringup.calibrate import calibrate
from r3l_bringup.check import camera_rate, check
from r3l_bringup.cli import app
from r3l_bringup.find_port import find_port
from r3l_bringup.hand_bus import Hand, hand, HandError, open_bus
from r3l_driver.core.calibration import BENT, STRAIGHT
from r3l_driver.core.calibration_file import calibrated, read_calibration
from r3l_driver.core.config import DriverConfig
from r3l_driver.core.discovery import Adapter
from r3l_driver.core.port import SerialPort
from r3l_driver.emulator.bus import EmulatedBus
from r3l_driver.emulator.dynamics import Drive, Motion
from r3l_driver.emulator.main import make_bus
from r3l_driver.emulator.pty import PtyBus
from r3l_driver.emulator.servo import EmulatedServo
from r3l_driver.emulator.wire import Error
from r3l_node.core.errors import ConfigError
from r3l_perception.core.camera.config import CameraConfig
from r3l_sim.core import bench_pictures
from typer.testing import CliRunner

DIRECTIONS = (1, -1, 1) * 3
OFFSETS = (0.2, -0.3, 0.1, 0.0, 0.4, -0.5, 0.6, -0.1, 0.3)  # [rad]


@pytest.fixture
def link(tmp_path: Path) -> Path:
    return tmp_path / 'bus'


class Held:
    """Dynamics of a hand that a person holds in a pose."""

    def __init__(self) -> None:
        self.position = np.zeros(9)

    def pose(self, angles: Sequence[float]) -> None:
        self.position = np.array(DIRECTIONS) * (np.array(angles) - np.array(OFFSETS))

    def advance(self, dt: float, drive: Drive) -> Motion:
        return Motion(self.position.copy(), np.zeros(9), np.zeros(9))


@pytest.fixture
def held() -> Held:
    return Held()


@pytest.fixture
def bus(held: Held) -> EmulatedBus:
    return make_bus(timing=False, dynamics=held)


@pytest.fixture
def plugged(bus: EmulatedBus, link: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PtyBus]:
    monkeypatch.setattr(hand_bus, 'PATIENCE', 1.0)  # for a busy machine
    with PtyBus(bus, link) as pty:
        yield pty


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('r3l_bringup.check.CAMERA_TIME', 0.3)


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Return a folder of pictures, which plays as a camera would."""
    folder = tmp_path / 'film'
    folder.mkdir()
    for k in range(3):
        cv2.imwrite(str(folder / f'{k}.png'), np.full((48, 64, 3), 80 * k, np.uint8))
    return folder


def settings(film: Path) -> tuple[str, ...]:
    return (f'camera.source={film}', 'camera.framerate=20', 'all.control_rate=1')


def test_find_port_says_who_answers_at_which_speed(
    plugged: PtyBus, link: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hand_bus, 'PATIENCE', 0.2)  # one speed has no answer
    lines: list[str] = []
    assert find_port([str(link)], (57_600, 1_000_000), lines.append)
    assert lines[0] == str(link)
    assert lines[1] == '  at 1000000 bit/s:'
    assert lines[2] == '    id  11: XM430-W210, firmware 45'
    assert len(lines) == 11


def test_check_refuses_a_factory_fresh_hand_and_sets_it_right(
    plugged: PtyBus, bus: EmulatedBus, link: Path, film: Path, tmp_path: Path
) -> None:
    found = hand(str(link), None, settings(film))
    lines: list[str] = []
    assert not check(found, folder=tmp_path, say=lines.append)
    assert lines[0] == f'port     {link} at 1000000 bit/s'
    assert any('servo     11 finger1_joint1: XM430-W210, firmware 45' in line for line in lines)
    refused = [line for line in lines if line.startswith('REFUSED')]
    assert len(refused) == 9
    assert 'operating_mode is 3 instead of 5' in refused[0]
    assert '         -> run r3l check --write' in lines
    assert lines[-1] == 'torque is refused: 9 things to mend'
    assert all(servo.registers.get('operating_mode') == 3 for servo in bus.servos)

    lines.clear()
    assert check(found, write=True, folder=tmp_path, say=lines.append)
    assert sum(line.startswith('written') for line in lines) >= 9
    assert any(line.startswith('warning  not_calibrated') for line in lines)
    assert lines[-1] == 'all is well: torque may come on'
    assert all(servo.registers.get('operating_mode') == 5 for servo in bus.servos)


def test_check_says_why_a_camera_gives_nothing(
    plugged: PtyBus, link: Path, tmp_path: Path
) -> None:
    found = hand(str(link), None, ('camera.video_device=/dev/no_camera',))
    lines: list[str] = []
    assert not check(found, write=True, folder=tmp_path, say=lines.append)
    assert any(line.startswith('REFUSED  camera_missing: the camera gives no') for line in lines)
    assert check(found, camera=False, folder=tmp_path, say=lines.append)


def test_the_rate_of_a_camera_is_counted(film: Path) -> None:
    rate, remark = camera_rate(CameraConfig(source=str(film), framerate=20.0))
    assert remark == ''
    # A recording is played no faster; a busy machine plays it slower.
    assert 2.0 < rate < 20.5


def test_calibrate_finds_zeros_and_directions_and_writes_them(
    plugged: PtyBus, bus: EmulatedBus, held: Held, link: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.delenv('DISPLAY', raising=False)
    monkeypatch.delenv('WAYLAND_DISPLAY', raising=False)
    monkeypatch.setattr(
        bench_pictures, 'pose_picture', lambda angles: np.zeros((8, 8, 3), np.uint8)
    )
    for servo in bus.servos:
        servo.registers.put('torque_enable', 1)
    asked: list[str] = []

    def ask(text: str) -> str:
        asked.append(text)
        with plugged.lock:
            if len(asked) > 1:
                assert not any(servo.torque_on for servo in bus.servos)
                held.pose((BENT if ', bent.' in text else STRAIGHT).angles)
                bus.advance(0.01)
        return ''

    out = tmp_path / 'mine' / 'calibration.yaml'
    lines: list[str] = []
    calibrate(hand(str(link), None, ()), out, ask=ask, say=lines.append, wait=lambda: None)
    found = read_calibration(out)
    assert 'Torque is on and goes off now' in asked[0]
    assert len(asked) == 4
    assert found.directions == DIRECTIONS
    np.testing.assert_allclose(found.offsets, OFFSETS, atol=0.01)
    assert found.model_numbers == (1030,) * 9
    assert (tmp_path / 'mine' / 'calibration_bent.png').is_file()
    assert lines[-1].startswith(f'written to {out}; check it with: r3l check --port {link}')
    assert calibrated(DriverConfig(), found).directions == DIRECTIONS
    assert hand(str(link), out, ()).driver.offsets == found.offsets


def test_calibrate_refuses_a_hand_that_is_not_whole(
    plugged: PtyBus, bus: EmulatedBus, link: Path, tmp_path: Path
) -> None:
    found = hand(str(link), None, ('driver.model=XM430-W350',))
    with pytest.raises(ConfigError, match=r'finger1_joint1 \(servo 11\) is a XM430-W210'):
        calibrate(found, tmp_path / 'c.yaml', ask=lambda _: '', say=lambda _: None)
    assert not (tmp_path / 'c.yaml').exists()


def test_find_port_without_adapters_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('r3l_bringup.find_port.adapters', list)
    lines: list[str] = []
    assert not find_port(say=lines.append)
    (line,) = lines
    assert line.startswith('no serial adapter is connected: plug the adapter of the servos')


def test_without_a_hand_check_is_one_sentence_and_code_1(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ['check', '--port', str(tmp_path / 'ttyUSB0')])
    (line,) = done.output.splitlines()
    assert line.startswith(f'r3l: port is {tmp_path}/ttyUSB0: No such file or directory; ')
    assert done.exit_code == 1


def test_without_a_hand_calibrate_is_one_sentence(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ['calibrate', '--port', str(tmp_path / 'ttyUSB0')])
    assert isinstance(done.exception, ConfigError)
    assert 'ttyUSB0: No such file or directory; ' in str(done.exception)
    assert done.output == ''


def test_advice_names_the_ports_that_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = Adapter(Path('/dev/ttyUSB3'), (Path('/dev/serial/by-id/usb-U2D2'),), 1)
    monkeypatch.setattr(hand_bus, 'adapters', lambda: [there])
    with (
        pytest.raises(HandError, match='with --port: /dev/serial/by-id/usb-U2D2'),
        open_bus(str(tmp_path / 'ttyUSB0'), 1_000_000),
    ):
        pass


def test_a_servo_that_refuses_is_one_sentence(
    plugged: PtyBus, bus: EmulatedBus, link: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EmulatedServo, 'write', lambda *_: Error.ACCESS)
    with pytest.raises(HandError, match=r'servo 11 answers Access Error .*; check its plugs'):
        check(hand(str(link), None, ()), write=True, camera=False, say=lambda _: None)


def test_a_port_in_use_is_one_sentence(plugged: PtyBus, link: Path, film: Path) -> None:
    other = SerialPort(str(link), 1_000_000)
    try:
        with pytest.raises(ConfigError, match='another process drives it'):
            check(hand(str(link), None, settings(film)), camera=False)
    finally:
        other.close()


def test_options_are_those_of_a_training(tmp_path: Path) -> None:
    found = hand('/dev/ttyX', None, ('driver.bus_rate=60', 'camera.framerate=15'))
    assert isinstance(found, Hand)
    assert found.driver.port == '/dev/ttyX'
    assert found.driver.bus_rate == 60.0
    assert found.camera.framerate == 15.0
    with pytest.raises(ConfigError, match='cannot be read: No such file'):
        hand(None, tmp_path / 'none.yaml', ())


def test_the_commands_are_listed() -> None:
    listed = CliRunner().invoke(app, ['--help']).output
    for command in ('find-port', 'find-camera', 'check', 'calibrate', 'emulate'):
        assert command in listed


def test_emulate_is_where_the_documentation_says(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, object] = {}

    def serve(link: Path, **options: object) -> int:
        seen.update(options, link=link)
        return 0

    monkeypatch.setattr('r3l_driver.emulator.main.emulate', serve)
    assert CliRunner().invoke(app, ['emulate', '--seed', '3']).exit_code == 0
    assert (seen['link'], seen['seed'], seen['baud']) == (Path('/tmp/r3l_bus'), 3, 1_000_000)
