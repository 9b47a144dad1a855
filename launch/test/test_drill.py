# SPDX-License-Identifier: Apache-2.0
"""The drill: what it starts, and how it judges the records of a run."""

from __future__ import annotations

import json
from pathlib import Path
import time

import pytest
from r3l_bringup import config
from r3l_bringup.config import Request
from r3l_bringup.drill import command, drill, examine, problems
from r3l_node.core.errors import ConfigError


@pytest.fixture
def run(tmp_path: Path) -> Path:
    values = config.resolve(Request(hardware='fake', pace='realtime'))
    (tmp_path / 'config.yaml').write_text(config.dump(values))
    return tmp_path


def write(run: Path, record: list[dict], safety: list[dict]) -> None:
    lines = ''.join(json.dumps(event) + '\n' for event in record)
    (run / 'hand_record.jsonl').write_text(lines)
    (run / 'safety.jsonl').write_text(''.join(json.dumps(line) + '\n' for line in safety))


def state(mono: float, name: str) -> dict:
    return {'since': mono + time.time() - time.monotonic(), 'state': name}


MUTE = {'mono': 10.0, 't': 10.0, 'event': 'fault', 'fault': 'mute id 21 for 2', 'id': 21}
OVER = {'mono': 12.0, 't': 12.0, 'event': 'fault_over', 'fault': 'mute id 21 for 2'}


def test_a_drill_is_judged_by_the_records_of_its_run(run: Path) -> None:
    write(run, [MUTE, OVER], [state(1.0, 'run'), state(10.1, 'hold'), state(12.5, 'degraded')])
    verdict = examine(run)
    assert verdict.kept
    assert verdict.faults == 1
    assert verdict.rows[0].back == pytest.approx(0.5, abs=0.05)


def test_a_goal_outside_the_limits_is_a_problem(run: Path) -> None:
    goal = {'mono': 9.0, 't': 9.0, 'event': 'goal', 'goals': {'11': 4000}}
    write(run, [goal], [state(1.0, 'run')])
    verdict = examine(run)
    assert not verdict.kept
    assert 'servo 11 was sent to 2.99' in problems(verdict)[0]


def test_a_hand_that_stays_limp_is_a_problem(run: Path) -> None:
    write(run, [MUTE, OVER], [state(1.0, 'run'), state(10.1, 'limp')])
    assert 'not moving again' in problems(examine(run))[-1]


def test_a_drill_needs_a_new_folder_and_time_for_its_faults(tmp_path: Path) -> None:
    (tmp_path / 'taken').mkdir()
    (tmp_path / 'taken' / 'file').touch()
    with pytest.raises(ConfigError, match='expected a new folder'):
        drill(tmp_path / 'taken', 20.0, 60, 0)
    with pytest.raises(ConfigError, match='expected more than'):
        drill(tmp_path / 'new', 0.5, 60, 0)
    with pytest.raises(ConfigError, match='expected the run folder of a drill'):
        examine(tmp_path)


def test_the_training_of_a_drill_takes_its_faults_from_the_file(tmp_path: Path) -> None:
    words = command(tmp_path / 'run', 3, tmp_path / 'faults')
    settings = tuple(words[k + 1] for k, word in enumerate(words) if word == '--set')
    values = config.resolve(
        Request(hardware='fake', pace='realtime', steps=10**6, seed=3, sets=settings)
    )
    assert values['hand']['faults'] == str(tmp_path / 'faults')
    assert values['hand']['pace'] == values['driver']['pace'] == 'realtime'
