# SPDX-License-Identifier: Apache-2.0
"""Serial adapters and the servos behind them."""

from pathlib import Path

import pytest
from r3l_driver.core.discovery import adapters, latency_timer, scan


@pytest.fixture
def dev(tmp_path: Path) -> Path:
    dev = tmp_path / 'dev'
    (dev / 'serial' / 'by-id').mkdir(parents=True)
    for name in ('ttyUSB0', 'ttyUSB1', 'ttyACM0', 'ttyS0', 'video0'):
        (dev / name).touch()
    (dev / 'serial' / 'by-id' / 'usb-ROBOTIS_U2D2-if00-port0').symlink_to('../../ttyUSB1')
    (dev / 'ttyDXL').symlink_to('ttyUSB1')
    return dev


@pytest.fixture
def sys(tmp_path: Path) -> Path:
    for name, text in (('ttyUSB0', '16\n'), ('ttyUSB1', '1\n')):
        folder = tmp_path / 'sys' / 'bus' / 'usb-serial' / 'devices' / name
        folder.mkdir(parents=True)
        (folder / 'latency_timer').write_text(text)
    return tmp_path / 'sys'


def test_adapters_have_their_lasting_names_and_latency(dev: Path, sys: Path) -> None:
    acm, first, second = adapters(dev, sys)
    assert [adapter.path.name for adapter in (acm, first, second)] == [
        'ttyACM0', 'ttyUSB0', 'ttyUSB1',
    ]  # fmt: skip
    assert [adapter.latency for adapter in (acm, first, second)] == [None, 16, 1]
    assert first.names == ()
    assert first.best == dev / 'ttyUSB0'
    assert [name.name for name in second.names] == ['usb-ROBOTIS_U2D2-if00-port0', 'ttyDXL']
    assert second.best == dev / 'serial' / 'by-id' / 'usb-ROBOTIS_U2D2-if00-port0'


def test_the_latency_is_found_through_a_link(dev: Path, sys: Path) -> None:
    assert latency_timer(dev / 'ttyDXL', sys) == 1
    assert latency_timer(dev / 'ttyACM0', sys) is None


def test_a_computer_without_adapters_has_none(tmp_path: Path) -> None:
    assert adapters(tmp_path, tmp_path) == []


def test_a_scan_names_model_and_speed() -> None:
    bus = {57_600: [(1, 1030, 45)], 1_000_000: [(11, 1200, 52), (12, 9, 3)]}
    found = list(scan(lambda baud: bus.get(baud, ()), (1_000_000, 57_600, 115_200)))
    assert [(answer.baud, answer.id, answer.model) for answer in found] == [
        (1_000_000, 11, 'XL330-M288'),
        (1_000_000, 12, 'model number 9'),
        (57_600, 1, 'XM430-W210'),
    ]
