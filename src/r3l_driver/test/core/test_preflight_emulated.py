# SPDX-License-Identifier: Apache-2.0
"""Preflight of emulated servos behind a pseudo-terminal, through the real bus."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from r3l_driver.core.bus import Bus
from r3l_driver.core.chain import ServoChain
from r3l_driver.core.config import DriverConfig
from r3l_driver.core.control_table import table_of_model
from r3l_driver.core.facts import collect
from r3l_driver.core.findings import Report
from r3l_driver.core.port import SerialPort
from r3l_driver.core.preflight import examine, preflight
from r3l_driver.core.robot import chain_config
from r3l_driver.core.settings import SettingsError, wanted_settings, write_settings
from r3l_driver.emulator.bus import EmulatedBus
from r3l_driver.emulator.faults import parse_fault
from r3l_driver.emulator.main import make_bus
from r3l_driver.emulator.pty import PtyBus

TABLE = table_of_model('XM430-W210')
# A busy machine may let an emulated servo answer late.
PATIENCE = 2.0  # [s]


def hand(**changes: object) -> EmulatedBus:
    """Return servos that are set as the driver wants them, but for `changes`."""
    settings = wanted_settings(DriverConfig(), TABLE, 45)
    own: dict[str, int] = changes.pop('settings', {})  # type: ignore[assignment]
    return make_bus(timing=False, settings={**settings, **own}, **changes)  # type: ignore[arg-type]


@contextmanager
def connected(
    bus: EmulatedBus, link: Path, patience: float = PATIENCE
) -> Iterator[tuple[Bus, DriverConfig]]:
    config = DriverConfig(port=str(link))
    with PtyBus(bus, link):
        port = SerialPort(str(link), config.baud_rate, reply_timeout=patience)
        try:
            yield Bus(port), config
        finally:
            port.close()


def look(bus: EmulatedBus, link: Path, patience: float = PATIENCE) -> Report:
    with connected(bus, link, patience) as (wire, config):
        return examine(collect(wire, config), config)


def test_a_hand_that_is_set_right_passes(tmp_path: Path) -> None:
    report = look(hand(), tmp_path / 'bus')
    assert report.findings == ()
    assert [servo.id for servo in report.servos] == list(DriverConfig().ids)
    assert all(servo.firmware == 45 for servo in report.servos)


def test_the_chain_of_the_driver_is_judged_in_the_same_way(tmp_path: Path) -> None:
    config = DriverConfig(port=str(tmp_path / 'bus'))
    with PtyBus(make_bus(timing=False), tmp_path / 'bus'):
        chain = ServoChain(chain_config(config))
        chain.open()
        try:
            report = preflight(chain, config)
        finally:
            chain.close()
    assert not report.ok
    assert 'operating_mode is 3 instead of 5' in report.reason


@pytest.mark.parametrize(
    ('options', 'code', 'words'),
    [
        ({'model': 'XM430-W350'}, 'model_wrong', 'is a XM430-W350 (1020)'),
        ({'firmware': 37}, 'firmware_old', 'has firmware 37'),
        ({'settings': {'shutdown': 0}}, 'settings_differ', 'shutdown is 0 instead of 52'),
        (
            {'settings': {'drive_mode': 1, 'homing_offset': 5}},
            'settings_differ', 'drive_mode is 1 instead of 0, homing_offset is 5 instead of 0',
        ),
    ],
)  # fmt: skip
def test_servos_that_are_not_as_configured_are_refused(
    options: dict[str, object], code: str, words: str, tmp_path: Path
) -> None:
    report = look(hand(**options), tmp_path / 'bus')
    finding = report.refusals[0]
    assert finding.code == code
    assert words in finding.sentence


@pytest.mark.parametrize(
    ('fault', 'code', 'words'),
    [
        ('mute id 21', 'servo_missing', 'finger2_joint1 (servo 21) does not answer'),
        ('mute', 'no_servo', 'no servo answers'),
        ('overload id 13', 'hardware_error', 'reports overload'),
        ('encoder id 13', 'hardware_error', 'reports encoder'),
        ('sag 9.8', 'voltage_low', 'has 9.8 V, expected 10 to 15 V'),
        ('heat 66 id 32', 'temperature_high', 'finger3_joint2 (servo 32) is at 66 degC'),
    ],
)
def test_servos_in_a_bad_state_are_refused(
    fault: str, code: str, words: str, tmp_path: Path
) -> None:
    bus = hand()
    for line in [f'mute id {servo.ident}' for servo in bus.servos] if fault == 'mute' else [fault]:
        bus.inject(parse_fault(line))
    bus.advance(0.01)
    report = look(bus, tmp_path / 'bus', 0.05 if 'mute' in fault else PATIENCE)
    assert {finding.code for finding in report.refusals} == {code}
    assert words in report.refusals[0].sentence


def test_settings_are_set_right_with_torque_off_only(tmp_path: Path) -> None:
    bus = hand(settings={'return_delay_time': 250})
    with connected(bus, tmp_path / 'bus') as (wire, config):
        before = examine(collect(wire, config), config)
        wire.write(21, TABLE['torque_enable'], 1)
        with pytest.raises(SettingsError, match='servo 21 has its torque on'):
            write_settings(wire, before.differences, TABLE)
        assert wire.read(11, TABLE['return_delay_time']) == 250
        wire.write(21, TABLE['torque_enable'], 0)
        lines = write_settings(wire, before.differences, TABLE)
        assert lines[0] == 'servo 11: return_delay_time 250 -> 0'
        assert len(lines) == 9
        assert examine(collect(wire, config), config).ok
        assert write_settings(wire, before.differences, TABLE) == []
