# SPDX-License-Identifier: Apache-2.0
"""The emulated bus on its own."""

import io

import pytest
from r3l_driver.emulator.main import emulate
from r3l_driver.emulator.record import read_record
from r3l_node.core.errors import ConfigError


def test_it_names_its_device_obeys_and_takes_it_away(tmp_path) -> None:
    output = io.StringIO()
    link, record = tmp_path / 'bus', tmp_path / 'record.jsonl'
    schedule = tmp_path / 'faults.txt'
    schedule.write_text('at 100 drop 0.5 for 1  # never\n')
    commands = [
        'state\n',
        '\n',
        'mute id 21 for 5\n',
        'explode\n',
        'mute id 99\n',
        'quit\n',
        'state',
    ]
    assert (
        emulate(
            link,
            baud=4_000_000,
            schedule=schedule,
            record=record,
            commands=commands,
            output=output,
        )
        == 0
    )
    lines = output.getvalue().splitlines()
    assert lines[0].startswith(f'9 XM430-W210 at 4000000 baud: {link} -> /dev/')
    assert sum('2048 ticks, torque off, 25 degC, 12.0 V' in line for line in lines) == 9
    assert 'begun: mute id 21 for 5' in lines
    assert any("fault is 'explode': expected it to begin with" in line for line in lines)
    assert any('fault is for servo 99: expected one of 11' in line for line in lines)
    assert not link.is_symlink()
    assert any(event.get('kind') == 'mute' for event in read_record(record))


def test_what_makes_no_sense_is_refused(tmp_path) -> None:
    with pytest.raises(ConfigError, match="servo model is 'AX-12'"):
        emulate(tmp_path / 'bus', model='AX-12', commands=[])
    with pytest.raises(ConfigError, match='baud rate is 1234'):
        emulate(tmp_path / 'bus', baud=1234, commands=[])
    assert not (tmp_path / 'bus').is_symlink()
