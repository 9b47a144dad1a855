# SPDX-License-Identifier: Apache-2.0
"""The record of a run's life."""

from pathlib import Path

import pytest
from r3l_node.core.errors import ConfigError
from r3l_sim.core.life_log import LifeLog, read_life
from r3l_sim.core.tasks import task_named


def write(path: Path, *angles: float) -> LifeLog:
    log = LifeLog(path, task_named('valve'))
    for angle in angles:
        log.append({'angle': angle})
    return log


def test_it_holds_distance_and_success_of_every_step(tmp_path: Path) -> None:
    write(tmp_path / 'life.bin', 0.05, -0.2, 1.0).close()
    found = read_life(tmp_path)
    assert found is not None
    assert found['distance'].tolist() == pytest.approx([0.05, 0.2, 1.0])
    assert found['success'].tolist() == [2, 1, 0]


def test_it_goes_on_where_a_checkpoint_was(tmp_path: Path) -> None:
    write(tmp_path / 'life.bin', 0.0, 1.0, 2.0).close()
    log = write(tmp_path / 'life.bin')
    log.cut(1)
    log.append({'angle': 3.0})
    assert log.steps == 2
    log.close()
    found = read_life(tmp_path)
    assert found is not None
    assert found['distance'].tolist() == [0.0, 3.0]


def test_a_torn_record_is_dropped_and_a_missing_one_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / 'life.bin'
    write(path, 0.0, 1.0).close()
    with path.open('ab') as file:
        file.write(b'\0\0')
    log = write(path)
    assert log.steps == 2
    with pytest.raises(ConfigError, match=r'life\.bin has 2 control steps: expected the 3 of'):
        log.cut(3)
    log.close()


def test_a_run_without_one_has_none(tmp_path: Path) -> None:
    assert read_life(tmp_path) is None
    (tmp_path / 'life.bin').touch()
    assert read_life(tmp_path) is None
