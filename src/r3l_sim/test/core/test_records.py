# SPDX-License-Identifier: Apache-2.0
"""Coverage, schedule and saved state."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from r3l_agent.core.marks import Marks
from r3l_sim.core import state_file
from r3l_sim.core.coverage import Coverage, CoverageError
from r3l_sim.core.scene import Scene, StateError
from r3l_sim.core.tasks import TASKS
from r3l_sim.core.tasks.base import BINS

VALVE = TASKS['valve']


def test_coverage_counts_by_angle_and_by_block_of_env_steps() -> None:
    coverage = Coverage(VALVE)
    for angle, steps in ((0.01, 0), (2 * math.pi + 0.01, 4999), (-math.pi, 5000), (3.1, 12_000)):
        coverage.add({'angle': angle}, steps)
    (saved,) = json.loads(coverage.to_json())['maps']
    assert [axis['name'] for axis in saved['axes']] == ['error']
    assert len(saved['axes'][0]['edges']) == BINS + 1
    assert [sum(block) for block in saved['blocks']] == [2, 1, 1]
    assert saved['blocks'][0][BINS // 2] == 2
    assert saved['blocks'][1][0] == saved['blocks'][2][-1] == 1


def test_coverage_goes_on_after_a_restart() -> None:
    coverage = Coverage(VALVE)
    coverage.add({'angle': 1.0}, 0)
    other = Coverage(VALVE)
    other.load_json(coverage.to_json())
    other.add({'angle': 1.0}, 0)
    assert [sum(block) for block in json.loads(other.to_json())['maps'][0]['blocks']] == [2]


def test_coverage_of_before_there_were_maps_goes_on() -> None:
    blocks = [[0] * 17 + [3] + [0] * 18]
    old = {'task': 'valve', 'name': 'error', 'unit': 'rad', 'edges': [-3.1, 3.1], 'blocks': blocks}
    coverage = Coverage(VALVE)
    coverage.load_json(json.dumps(old | {'counts': blocks[0], 'block_steps': 5000}))
    coverage.add({'angle': 0.1}, 0)
    (found,) = json.loads(coverage.to_json())['maps']
    assert found['blocks'][0][17:19] == [3, 1]


def test_the_free_object_is_counted_on_a_plane_and_by_yaw() -> None:
    coverage = Coverage(TASKS['object'])
    coverage.add({'x': 0.001, 'y': -0.2, 'yaw': 2 * math.pi + 0.01}, 0)
    plane, yaw = json.loads(coverage.to_json())['maps']
    assert [axis['name'] for axis in plane['axes']] == ['x', 'y']
    assert plane['blocks'][0].index(1) == 9 * 18  # the middle of x, the border of y
    assert yaw['blocks'][0].index(1) == BINS // 2


def test_every_bead_is_counted() -> None:
    coverage = Coverage(TASKS['beads'])
    coverage.add(TASKS['beads'].published_starts[0], 0)
    counted = [one['blocks'][0].index(1) for one in json.loads(coverage.to_json())['maps']]
    assert counted == sorted(set(counted))


@pytest.mark.parametrize(
    'text', ['', '[]', '{"blocks": [], "task": "beads", "block_steps": 5000}']
)
def test_a_foreign_coverage_file_is_refused(text: str) -> None:
    with pytest.raises(CoverageError):
        Coverage(VALVE).load_json(text)


def test_the_first_policy_and_one_per_mark_are_due() -> None:
    schedule = Marks(every=100)
    offered = [25, 50, 99, 110, 150, 199, 230, 475, 499, 500]
    assert [steps for steps in offered if schedule.due(steps)] == [25, 110, 230, 475, 500]


def test_after_a_restart_the_first_policy_is_not_due_again() -> None:
    schedule = Marks(every=100, done=110)
    assert not schedule.due(150)
    assert schedule.due(210)


def test_the_last_policy_is_due_once_unless_it_was_evaluated() -> None:
    schedule = Marks(every=100)
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
