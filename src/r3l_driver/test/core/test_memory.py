# SPDX-License-Identifier: Apache-2.0
"""What a restarted driver knows."""

from pathlib import Path

import pytest
from r3l_driver.core.memory import FILE, Keeper, load, Memory


def test_an_emergency_stop_is_known_after_a_restart(tmp_path: Path):
    Keeper(tmp_path, 'boot').keep('someone called', True)
    assert Keeper(tmp_path, 'boot').before.emergency_stop == 'someone called'


def test_nothing_is_known_at_first_and_without_a_run(tmp_path: Path):
    assert Keeper(tmp_path).before == Memory()
    nowhere = Keeper(None)
    nowhere.keep('stop', True)
    assert nowhere.before == Memory()


def test_a_power_cut_is_another_boot_with_torque_left_on(tmp_path: Path):
    Keeper(tmp_path, 'first').keep('', True)
    assert Keeper(tmp_path, 'second').power_was_cut
    assert not Keeper(tmp_path, 'first').power_was_cut
    Keeper(tmp_path, 'first').keep('', False)
    assert not Keeper(tmp_path, 'second').power_was_cut


@pytest.mark.parametrize('content', ['', '{', '[]', '{"torque": 3}', '{"x": 1}', '\x00\x01'])
def test_a_damaged_file_counts_as_an_emergency_stop(tmp_path: Path, content: str):
    path = tmp_path / FILE
    path.write_text(content, encoding='utf-8')
    assert 'damaged' in load(path).emergency_stop


def test_a_file_that_was_cut_short_counts_as_an_emergency_stop(tmp_path: Path):
    Keeper(tmp_path, 'boot').keep('', True)
    path = tmp_path / FILE
    whole = path.read_bytes()
    for length in range(len(whole) - 2):
        path.write_bytes(whole[:length])
        assert load(path).emergency_stop
