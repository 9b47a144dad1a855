# SPDX-License-Identifier: Apache-2.0
"""A run folder is made whole or not at all, and belongs to one set of parameters."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from r3l_bringup.config import load, Request
from r3l_bringup.prepare import lock, prepare, Run
from r3l_node.core.errors import ConfigError

SMALL = ('monitor.goal_count=20', 'learner.capacity=1000')


@pytest.fixture(scope='module')
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    runs = tmp_path_factory.mktemp('runs')
    return prepare(Request(seed=3, sets=SMALL), runs / 'one', runs)


def test_a_new_run_has_parameters_goals_and_versions(run: Run) -> None:
    assert not run.resumed
    assert len(list((run.folder / 'goals').glob('goal_*.png'))) == 20
    assert (run.folder / 'versions.json').exists()
    values = load(run.config_file)
    assert values['reward']['goals'] == str(run.folder / 'goals')
    assert {own['run'] for own in values.values() if 'run' in own} == {str(run.folder)}
    assert [path.name for path in run.folder.parent.iterdir()] == ['one']


def test_a_run_with_a_learned_reset_gets_pictures_of_starts_too(tmp_path: Path) -> None:
    request = Request(ablation='two_goal', sets=SMALL)
    made = prepare(request, tmp_path / 'run', tmp_path)
    starts, goals = (sorted((made.folder / kind).iterdir()) for kind in ('reset_goals', 'goals'))
    assert len(starts) == len(goals) == 20
    assert not {path.read_bytes() for path in starts} & {path.read_bytes() for path in goals}
    moved = made.folder.rename(tmp_path / 'moved')
    again = prepare(request, moved, tmp_path)
    assert again.values['reward']['reset_goals'] == str(moved / 'reset_goals')
    sets = (*SMALL, f'reward.reset_goals={moved / "reset_goals"}')
    given = prepare(Request(ablation='two_goal', sets=sets), tmp_path / 'other', tmp_path)
    assert given.values['reward']['reset_goals'] == str(moved / 'reset_goals')
    assert not (given.folder / 'reset_goals').exists()
    with pytest.raises(ConfigError, match=r'perturbation is rnd: expected perturbation goals'):
        prepare(Request(sets=sets), tmp_path / 'third', tmp_path)


def test_a_run_without_a_folder_is_named_by_task_and_seed(tmp_path: Path) -> None:
    made = prepare(Request(seed=3, sets=SMALL), None, tmp_path)
    assert made.folder.parent == tmp_path
    assert made.folder.name.endswith('_valve_3')


def test_the_same_parameters_continue_a_run(run: Run) -> None:
    again = prepare(Request(seed=3, sets=SMALL), run.folder, Path())
    assert again.resumed
    longer = prepare(Request(seed=3, steps=200_000, sets=SMALL), run.folder, Path())
    assert longer.values['agent']['steps'] == 200_000
    by_name_only = prepare(Request(steps=300_000), run.folder, Path(), given=False)
    assert by_name_only.values['agent']['steps'] == 300_000
    assert by_name_only.values['agent']['seed'] == 3


def test_other_parameters_are_refused(run: Run) -> None:
    with pytest.raises(ConfigError, match=r'monitor\.seed 3, not 4: expected the same'):
        prepare(Request(seed=4, sets=SMALL), run.folder, Path())


def test_a_run_of_another_task_is_refused(run: Run, tmp_path: Path) -> None:
    other = tmp_path / 'other'
    other.mkdir()
    text = run.config_file.read_text(encoding='utf-8').replace('task: valve', 'task: beads')
    (other / 'config.yaml').write_text(text, encoding='utf-8')
    with pytest.raises(ConfigError, match='is a run of task beads: expected one of valve'):
        prepare(Request(), other, Path())


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    (tmp_path / 'letter.txt').write_text('mine', encoding='utf-8')
    with pytest.raises(ConfigError, match='exists and is no run'):
        prepare(Request(sets=SMALL), tmp_path, Path())
    assert [path.name for path in tmp_path.iterdir()] == ['letter.txt']


@pytest.mark.parametrize('pictures', [0, 3])
def test_unusable_goals_leave_nothing_behind(tmp_path: Path, pictures: int) -> None:
    goals = tmp_path / 'goals'
    goals.mkdir()
    for index in range(pictures):
        (goals / f'{index}.png').write_text('no picture', encoding='utf-8')
    with pytest.raises(ConfigError, match='goals'):
        prepare(Request(sets=(f'reward.goals={goals}',)), tmp_path / 'run', tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ['goals']


def test_a_run_that_is_in_use_is_refused(run: Run) -> None:
    held = lock(run.folder)
    with pytest.raises(ConfigError, match='is in use'):
        lock(run.folder)
    os.close(held)
