# SPDX-License-Identifier: Apache-2.0
"""Preflight: every finding from the facts that cause it, and nothing from good ones."""

from dataclasses import replace

import pytest
from r3l_driver.core.config import DriverConfig
from r3l_driver.core.control_table import Item, table_of_model
from r3l_driver.core.facts import HostFacts, ServoFacts
from r3l_driver.core.findings import Severity
from r3l_driver.core.preflight import examine
from r3l_driver.core.settings import Difference, SettingsError, wanted_settings, write_settings

CONFIG = DriverConfig()
TABLE = table_of_model(CONFIG.model)
GOOD_HOST = HostFacts(
    latency=1, free_disk=100 * 2**30, camera_rate=30.0, camera_wanted=30.0, camera_needed=10.0,
    calibrated=True, firmwares=dict.fromkeys(CONFIG.ids, 45),
)  # fmt: skip


def good(servo: int) -> ServoFacts:
    settings = wanted_settings(CONFIG, TABLE, 45)
    return ServoFacts(servo, TABLE.number, 45, settings, False, 0, 12.1, 31.0)


HAND = tuple(good(servo) for servo in CONFIG.ids)


def changed(**changes: object) -> tuple[ServoFacts, ...]:
    """Return the hand with one other servo 21."""
    return tuple(
        replace(servo, **changes) if servo.id == 21 else servo  # type: ignore[arg-type]
        for servo in HAND
    )


def with_setting(**settings: int) -> tuple[ServoFacts, ...]:
    return changed(settings={**good(21).settings, **settings})


def test_a_good_hand_has_no_findings() -> None:
    report = examine(HAND, CONFIG, GOOD_HOST)
    assert report.findings == ()
    assert report.ok
    assert report.reason == ''
    assert examine(HAND, CONFIG).ok


@pytest.mark.parametrize(
    ('servos', 'code', 'sentence', 'remedy'),
    [
        ((), 'no_servo', 'no servo answers on /dev/ttyUSB0 at 1000000 bit/s', 'supply'),
        (
            tuple(servo for servo in HAND if servo.id not in (13, 21)),
            'servo_missing',
            'finger1_joint3 (servo 13), finger2_joint1 (servo 21) do not answer',
            'plugs',
        ),
        (
            changed(model_number=1020),
            'model_wrong',
            'finger2_joint1 (servo 21) is a XM430-W350 (1020), the configuration says XM430-W210',
            'parameter model',
        ),
        (changed(model_number=7), 'model_wrong', 'servo of model number 7', 'one model'),
        (changed(firmware=37), 'firmware_old', 'has firmware 37', '38 or later'),
        (
            with_setting(return_delay_time=250, operating_mode=3),
            'settings_differ',
            'finger2_joint1 (servo 21): return_delay_time is 250 instead of 0, '
            'operating_mode is 3 instead of 5',
            'r3l check --write',
        ),
        (changed(error=0x21), 'hardware_error', 'reports input voltage, overload', 'off and on'),
        (changed(error=0x80), 'hardware_error', 'reports error bits 128', 'off and on'),
        (changed(voltage=9.8), 'voltage_low', 'has 9.8 V, expected 10 to 15 V', 'supply'),
        (changed(voltage=15.4), 'voltage_high', 'has 15.4 V', 'fewer volts'),
        (changed(temperature=66.0), 'temperature_high', 'is at 66 degC', 'cool to 55'),
    ],
)
def test_what_is_wrong_with_the_servos_refuses_torque(
    servos: tuple[ServoFacts, ...], code: str, sentence: str, remedy: str
) -> None:
    report = examine(servos, CONFIG)
    assert not report.ok
    finding = report.refusals[0]
    assert finding.code == code
    assert sentence in finding.sentence
    assert remedy in finding.remedy
    assert report.reason == f'{finding.sentence}: {finding.remedy}'


@pytest.mark.parametrize(
    ('host', 'code', 'sentence', 'remedy'),
    [
        ({'latency': 16}, 'latency_timer', 'is 16 ms, too much for 50 bus cycles', 'udev rule'),
        ({'camera_rate': 0.0}, 'camera_missing', 'gives no picture', 'find-camera'),
        (
            {'camera_rate': 0.0, 'camera_remark': 'no /dev/video0'},
            'camera_missing', 'gives no picture (no /dev/video0)', 'find-camera',
        ),
        ({'camera_rate': 9.9}, 'camera_slow', '9.9 pictures per second instead', 'light'),
        ({'free_disk': 2**30}, 'disk_full', '1.0 GiB of disk are free', '2 GiB'),
    ],
)  # fmt: skip
def test_what_is_wrong_with_the_computer_refuses_torque(
    host: dict[str, object], code: str, sentence: str, remedy: str
) -> None:
    report = examine(HAND, CONFIG, replace(GOOD_HOST, **host))  # type: ignore[arg-type]
    (finding,) = report.refusals
    assert finding.code == code
    assert sentence in finding.sentence
    assert remedy in finding.remedy


@pytest.mark.parametrize(
    ('servos', 'host', 'code'),
    [
        (changed(torque=True), {}, 'torque_on'),
        (changed(temperature=56.0), {}, 'temperature_warm'),
        (changed(voltage=11.2), {}, 'voltage_spread'),
        (changed(firmware=46), {}, 'servo_changed'),
        (HAND, {'latency': 4}, 'latency_timer'),
        (HAND, {'calibrated': False}, 'not_calibrated'),
        (HAND, {'free_disk': 5 * 2**30}, 'disk_low'),
        (HAND, {'camera_rate': 15.0}, 'camera_dim'),
    ],
)
def test_what_only_needs_attention_is_a_warning(
    servos: tuple[ServoFacts, ...], host: dict[str, object], code: str
) -> None:
    report = examine(servos, CONFIG, replace(GOOD_HOST, **host))  # type: ignore[arg-type]
    (finding,) = report.findings
    assert finding.code == code
    assert finding.severity is Severity.WARN
    assert report.ok


def test_the_driver_waits_itself_for_what_may_pass() -> None:
    report = examine(changed(error=0x20, voltage=9.0, temperature=70.0), CONFIG)
    assert len(report.refusals) == 3
    assert report.lasting().ok
    assert not examine(with_setting(operating_mode=3), CONFIG).lasting().ok


def test_settings_of_another_model_are_not_compared() -> None:
    report = examine(changed(model_number=1020, settings={}), CONFIG)
    assert report.differences == ()


class Servos:
    """Registers of servos that take what is written, but for `stubborn` items."""

    def __init__(self, **values: int) -> None:
        self.values = {'torque_enable': 0, **values}
        self.stubborn: set[str] = set()
        self.written: list[tuple[int, str, int]] = []

    def read(self, number: int, item: Item) -> int:
        return self.values[item.name]

    def write(self, number: int, item: Item, value: int) -> None:
        self.written.append((number, item.name, value))
        if item.name not in self.stubborn:
            self.values[item.name] = value


def test_only_what_differs_is_written_and_read_back() -> None:
    bus = Servos(return_delay_time=250, shutdown=52)
    differences = [Difference(21, 'return_delay_time', 250, 0), Difference(21, 'shutdown', 0, 52)]
    assert write_settings(bus, differences, TABLE) == ['servo 21: return_delay_time 250 -> 0']
    assert bus.written == [(21, 'return_delay_time', 0)]


def test_nothing_is_written_while_torque_is_on() -> None:
    bus = Servos(torque_enable=1, shutdown=0)
    with pytest.raises(SettingsError, match='servo 21 has its torque on'):
        write_settings(bus, [Difference(21, 'shutdown', 0, 52)], TABLE)
    assert bus.written == []


def test_a_value_that_does_not_stay_is_told() -> None:
    bus = Servos(shutdown=0)
    bus.stubborn = {'shutdown'}
    with pytest.raises(SettingsError, match='keeps shutdown at 0 after 52 was written'):
        write_settings(bus, [Difference(21, 'shutdown', 0, 52)], TABLE)


def test_old_firmware_has_no_startup_configuration() -> None:
    assert 'startup_configuration' in wanted_settings(CONFIG, TABLE, 45)
    assert 'startup_configuration' not in wanted_settings(CONFIG, TABLE, 44)


@pytest.mark.parametrize('model', ['XM430-W210', 'XH430-V210', 'XL330-M288'])
def test_what_is_wanted_is_what_the_servo_can_take(model: str) -> None:
    table = table_of_model(model)
    for item, value in wanted_settings(DriverConfig(model=model), table, 45).items():
        assert table[item].eeprom
        assert table[item].minimum <= value <= table[item].maximum
