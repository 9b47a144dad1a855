# SPDX-License-Identifier: Apache-2.0
"""Coverage, schedule and saved state."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from r3l_sim.core import state_file
from r3l_sim.core.coverage import BINS, Coverage, CoverageError
from r3l_sim.core.scene import Scene, StateError
from r3l_sim.core.schedule import Schedule
from r3l_sim.core.tasks import TASKS

VALVE = TASKS['valve']


def test_coverage_counts_by_angle_and_by_block_of_env_steps() -> None:
    coverage = Coverage(VALVE)
    for angle, steps in ((0.01, 0), (2 * math.pi + 0.01, 4999), (-math.pi, 5000), (3.1, 12_000)):
        coverage.add({'angle': angle}, steps)
    saved = json.loads(coverage.to_json())
    assert len(saved['edges']) == BINS + 1
    assert [sum(block) for block in saved['blocks']] == [2, 1, 1]
    assert saved['counts'][BINS // 2] == 2
    assert saved['counts'][0] == saved['counts'][-1] == 1


def test_coverage_goes_on_after_a_restart() -> None:
    coverage = Coverage(VALVE)
    coverage.add({'angle': 1.0}, 0)
    other = Coverage(VALVE)
    other.load_json(coverage.to_json())
    other.add({'angle': 1.0}, 0)
    assert sum(json.loads(other.to_json())['counts']) == 2


@pytest.mark.parametrize(
    'text', ['', '[]', '{"blocks": [], "task": "beads", "block_steps": 5000}']
)
def test_a_foreign_coverage_file_is_refused(text: str) -> None:
    with pytest.raises(CoverageError):
        Coverage(VALVE).load_json(text)


def test_the_first_policy_and_one_per_mark_are_due() -> None:
    schedule = Schedule(every=100)
    offered = [25, 50, 99, 110, 150, 199, 230, 475, 499, 500]
    assert [steps for steps in offered if schedule.due(steps)] == [25, 110, 230, 475, 500]


def test_after_a_restart_the_first_policy_is_not_due_again() -> None:
    schedule = Schedule(every=100, done=110)
    assert not schedule.due(150)
    assert schedule.due(210)


def test_the_last_policy_is_due_once_unless_it_was_evaluated() -> None:
    schedule = Schedule(every=100)
    assert schedule.due(100)
    assert not schedule.final(100)
    assert schedule.final(130)
    assert not schedule.final(130)


def test_a_saved_state_comes_back(tmp_path: Path) -> None:
    scene = Scene(backend='rays')
    scene.reset(angle=1.5)
    path = tmp_path / 'run' / 'sim_state.npz'
    state_file.save(path, 'valve', 7_000_000_000, scene.save_state())
    stamp, state = state_file.load(path, 'valve')
    other = Scene(backend='rays')
    other.load_state(state)
    assert stamp == 7_000_000_000
    assert other.object_state() == {'angle': 1.5}
    assert [file.name for file in path.parent.iterdir()] == ['sim_state.npz']


def test_a_state_of_another_task_is_refused(tmp_path: Path) -> None:
    path = tmp_path / 'state.npz'
    state_file.save(path, 'valve', 0, Scene(backend='rays').save_state())
    with pytest.raises(StateError, match="belongs to task 'valve': expected 'beads'"):
        state_file.load(path, 'beads')


@pytest.mark.parametrize('content', [b'', b'nonsense', b'PK\x03\x04 torn'])
def test_a_torn_state_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / 'state.npz'
    path.write_bytes(content)
    with pytest.raises(StateError, match='is not a saved simulator state'):
        state_file.load(path, 'valve')


def test_an_array_of_objects_is_never_unpickled(tmp_path: Path) -> None:
    path = tmp_path / 'state.npz'
    np.savez(path, _task=np.array(object()), allow_pickle=True)
    with pytest.raises(StateError, match='is not a saved simulator state'):
        state_file.load(path, 'valve')
