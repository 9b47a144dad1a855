# SPDX-License-Identifier: Apache-2.0
"""What an experiment is made of: its file, its folder, its figures and its table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from r3l_bringup.experiment.description import check, Experiment, find, PlannedRun, read
from r3l_bringup.experiment.figures import crossing, figures
from r3l_bringup.experiment.jobs import job
from r3l_bringup.experiment.maps import block_shares, coverage
from r3l_bringup.experiment.plots import seed_count
from r3l_bringup.experiment.state import ExperimentFolder, RunState
from r3l_bringup.experiment.summary import curve, mean, variants
from r3l_bringup.experiment.table import write_results
from r3l_bringup.paths import config_folder
from r3l_node.core.errors import ConfigError
from r3l_node.core.status import Status, write_status
from r3l_sim.core.coverage import Coverage
from r3l_sim.core.life_log import LifeLog
from r3l_sim.core.tasks import task_named

TEXT = """
name: two
ablations: [none, no_perturbation]
seeds: [0, 1]
steps: 40
evaluate_every: 10
starts: 4
runs:
  - {ablations: [none], seeds: [0], sets: [learner.batch=64], label: small}
"""


def described(folder: Path, text: str = TEXT) -> Experiment:
    path = folder / 'file.yaml'
    path.write_text(text, encoding='utf-8')
    return read(path)


def line(steps: int, success: float, **more: Any) -> dict[str, Any]:
    return {
        'env_steps': steps, 'wall_s': steps * 36.0, 'success_rate': success,
        'success_rate_strict': success / 2, 'final_distance_mean': 1.0 - success, 'unit': 'rad',
        'starts': 4, 'policy_version': steps, **more,
    }  # fmt: skip


def write_run(folder: Path, run: PlannedRun, rates: Sequence[float], finished: bool) -> None:
    """Write the files of a run that scored these rates."""
    folder.mkdir()
    lines = [line(index * run.evaluate_every, rate) for index, rate in enumerate(rates)]
    text = ''.join(json.dumps(one) + '\n' for one in lines)
    (folder / 'evaluation.jsonl').write_text(text, encoding='utf-8')
    steps = lines[-1]['env_steps']
    write_status(
        Status(task=run.task, steps=run.steps, env_steps=steps, wall_s=360.0, finished=finished),
        folder / 'status.json',
    )
    baselines = {'hold still': line(0, 0.06), 'random motion': line(0, 0.0)}
    (folder / 'baselines.json').write_text(json.dumps(baselines), encoding='utf-8')
    (folder / 'versions.json').write_text('{"commit": "abc", "cores": 2}', encoding='utf-8')
    (folder / 'report.md').write_text('-', encoding='utf-8')
    task = task_named(run.task)
    coverage, life = Coverage(task), LifeLog(folder / 'life.bin', task)
    for step, angle in enumerate((0.0, 0.2, 1.0, -2.0)):
        coverage.add({'angle': angle}, step)
        life.append({'angle': angle})
    (folder / 'coverage.json').write_text(coverage.to_json(), encoding='utf-8')
    life.close()


def test_a_matrix_becomes_runs_and_every_first_seed_comes_first(tmp_path: Path) -> None:
    runs = described(tmp_path).runs
    assert [run.name for run in runs] == [
        'valve-modern-none-s0',
        'valve-modern-no_perturbation-s0',
        'valve-modern-none-small-s0',
        'valve-modern-none-s1',
        'valve-modern-no_perturbation-s1',
    ]
    assert [run.variant for run in runs[:3]] == [
        'modern',
        'modern no_perturbation',
        'modern small',
    ]
    assert runs[2].sets == ('learner.batch=64',)


def test_a_run_is_the_same_command_as_by_hand(tmp_path: Path) -> None:
    run = described(tmp_path).runs[1]
    command = list(job(run, tmp_path).command[1:])
    assert command == [
        '-m', 'r3l_bringup', 'train', '--run', str(tmp_path / run.name), '--task', 'valve',
        '--profile', 'modern', '--ablation', 'no_perturbation', '--steps', '40', '--seed', '0',
        '--set', 'evaluator.every=10', '--set', 'evaluator.starts=4', '--no-ros',
    ]  # fmt: skip


@pytest.mark.parametrize(
    ('text', 'sentence'),
    [
        ('- a', "holds ['a']: expected tasks, profiles, seeds ..."),
        ('seed: [0]', "experiment has no parameter 'seed': did you mean 'seeds'?"),
        ('seeds: [a]', "experiment.seeds[0] is 'a': expected an integer from 0 to 2147483647"),
        ('engine: ros', "experiment.engine is 'ros': expected 'loop' or 'graph'"),
        ('seeds: []', 'the experiment has no run: expected a task, a profile and a seed'),
        ('seeds: [1, 1]', 'the experiment has two runs valve-modern-none-s1: expected a label'),
        ('runs: 3', 'experiment.runs is 3: expected a list of tasks, seeds ...'),
        ('runs: [{steps: 0}]', 'experiment.runs[0].steps is 0: expected an integer from 1'),
        ('label: a/b', "label is 'a/b': expected letters, digits, _ and -"),
        ('name: ../x', "name is '../x': expected letters, digits, _ and -"),
        (
            'ablations: [no_hand]',
            "valve-modern-no_hand-s0: ablation is 'no_hand': expected one of",
        ),
        (
            'engine: graph\nablations: [oracle_reward]',
            'valve-modern-oracle_reward-s0: learner.reward_source is',
        ),
        ('sets: [agent.sed=1]', "valve-modern-none-s0: agent has no parameter 'sed': did you"),
    ],
)
def test_a_mistake_in_the_file_is_a_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check(described(tmp_path, text))
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    'name', sorted(path.stem for path in (config_folder() / 'experiments').glob('*.yaml'))
)
def test_the_files_that_come_with_the_package_can_start(name: str) -> None:
    experiment = read(find(name))
    assert experiment.name == name
    check(experiment)


def test_a_name_that_is_no_file_is_a_sentence() -> None:
    with pytest.raises(ConfigError, match=r"'nowhere': expected a YAML file or one of .*smoke"):
        find('nowhere')


def test_a_run_that_was_begun_keeps_its_settings_but_may_become_longer(tmp_path: Path) -> None:
    folder = ExperimentFolder(tmp_path / 'out')
    folder.take(described(tmp_path))
    folder.take(described(tmp_path, TEXT.replace('steps: 40', 'steps: 80')))
    with pytest.raises(ConfigError, match=r'none-s0 was planned with steps 80, not 40'):
        folder.take(described(tmp_path))
    with pytest.raises(ConfigError, match=r'was planned with starts 4, not 8'):
        folder.take(
            described(tmp_path, TEXT.replace('starts: 4', 'starts: 8').replace('40', '80'))
        )


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out' / 'mine').touch()
    with pytest.raises(ConfigError, match='is no experiment: expected a new, empty or earlier'):
        ExperimentFolder(tmp_path / 'out').take(described(tmp_path))


def test_only_one_process_has_an_experiment(tmp_path: Path) -> None:
    folder = ExperimentFolder(tmp_path)
    folder.lock()
    with pytest.raises(ConfigError, match='is in use: expected an experiment that no other'):
        ExperimentFolder(tmp_path).lock()


def test_the_state_of_a_run_is_in_its_files(tmp_path: Path) -> None:
    runs, folder = described(tmp_path).runs, ExperimentFolder(tmp_path / 'out')
    write_run(folder.path / runs[0].name, runs[0], [0.0] * 5, finished=True)
    write_run(folder.path / runs[1].name, runs[1], [0.0] * 3, finished=False)
    folder.record_failure(runs[2], 1, 'ValueError: no')
    states = [folder.state(run) for run in runs[:4]]
    assert states == [RunState.FINISHED, RunState.STOPPED, RunState.FAILED, RunState.MISSING]
    assert ExperimentFolder(folder.path).state(runs[2]) is RunState.FAILED
    folder.forget_failures()
    assert folder.state(runs[2]) is RunState.MISSING


@pytest.mark.parametrize(
    ('rates', 'steps'),
    [
        ([0.9, 0.9, 0.9], None),  # the first is the untrained policy, and two are not three
        ([0.9, 0.5, 0.5, 0.5], 10),
        ([0.0, 0.9, 0.1, 0.1, 0.6, 0.8], 30),  # 0.9, 0.1, 0.1 and 0.1, 0.1, 0.6 are below
        ([0.0, 0.166667, 0.666667, 0.666666], 10),  # a half but for the rounding
        ([0.0, 0.1, 0.2, 0.3, 0.4], None),
    ],
)
def test_a_level_is_reached_when_the_mean_of_three_reaches_it(
    rates: Sequence[float], steps: int | None
) -> None:
    lines = [line(10 * index, rate) for index, rate in enumerate(rates)]
    found = crossing(lines, 0.5)
    assert (found and found.steps) == steps
    assert found is None or found.hours == pytest.approx(found.steps / 100)


def test_mean_and_standard_error() -> None:
    found = mean([0.2, None, 0.4, 0.9])
    assert found is not None
    assert found.mean == pytest.approx(0.5)
    # Squares 0.09, 0.01, 0.16 over 2 degrees of freedom; 0.13 over 3 values.
    assert found.error == pytest.approx((0.13 / 3) ** 0.5)
    alone = mean([0.7])
    assert alone is not None
    assert alone.error is None
    assert mean([None]) is None


def test_the_figures_of_a_run(tmp_path: Path) -> None:
    run = described(tmp_path).runs[0]
    write_run(tmp_path / 'run', run, [0.1, 0.4, 0.5, 0.6, 0.7], finished=True)
    found = figures(run, RunState.FINISHED, tmp_path / 'run')
    assert found.deployed == pytest.approx(0.6)
    assert found.strict == pytest.approx(0.3)
    assert found.lifetime == pytest.approx(2.3 / 5)
    assert found.continuing == 0.5  # angles 0 and 0.2 of four are within 0.26 rad
    assert found.continuing_distance == pytest.approx(0.8)
    reached = found.crossings[0.5]
    assert reached is not None
    assert reached.steps == 10
    assert found.crossings[0.8] is None
    assert found.baselines == {'hold still': 0.06, 'random motion': 0.0}


def test_curves_are_means_at_the_marks(tmp_path: Path) -> None:
    runs = [run for run in described(tmp_path).runs if run.variant == 'modern']
    found = []
    for run, rates in zip(runs, ([0.0, 0.4], [0.2, 0.8, 1.0]), strict=True):
        write_run(tmp_path / run.name, run, rates, finished=False)
        found.append(figures(run, RunState.STOPPED, tmp_path / run.name))
    (group,) = variants(found)
    points = [(steps, round(point.mean, 6), point.count) for steps, point in curve(group)]
    assert points == [(0, 0.1, 2), (10, 0.6, 2), (20, 1.0, 1)]


def test_a_label_counts_the_seeds_that_were_evaluated(tmp_path: Path) -> None:
    run, other = (run for run in described(tmp_path).runs if run.variant == 'modern')
    write_run(tmp_path / run.name, run, [0.0, 0.4], finished=False)
    found = [
        figures(run, RunState.STOPPED, tmp_path / run.name),
        figures(other, RunState.MISSING, tmp_path / other.name),
    ]
    (group,) = variants(found)
    assert seed_count(group) == '1 seed'


@pytest.mark.parametrize('panels', [1, 3, 4])
def test_a_map_is_drawn_for_any_number_of_variants(tmp_path: Path, panels: int) -> None:
    run = described(tmp_path).runs[0]
    write_run(tmp_path / run.name, run, [0.0, 0.4], finished=True)
    group = variants([figures(run, RunState.FINISHED, tmp_path / run.name)])
    (file,) = coverage(group * panels, tmp_path / 'map.png')
    assert file.stat().st_size > 5_000


def test_a_block_of_few_steps_at_the_end_of_a_seed_is_not_drawn() -> None:
    even, once = np.full(4, 25.0), np.array([1.0, 0.0, 0.0, 0.0])
    quarters = np.full((2, 4), 0.25)
    assert np.array_equal(block_shares([np.array([even, even, once])], 100), quarters)
    assert np.array_equal(block_shares([np.array([once])], 100), [once])
    seeds = [np.array([even, once]), np.array([even, even])]
    assert np.array_equal(block_shares(seeds, 100), quarters)


def rows(path: Path) -> list[Mapping[str, str]]:
    with path.open(encoding='utf-8', newline='') as file:
        return list(csv.DictReader(file))


def test_the_table_has_every_run_also_the_failed(tmp_path: Path) -> None:
    experiment = described(tmp_path)
    folder = ExperimentFolder(tmp_path / 'out')
    folder.take(experiment)
    by_name = {run.name: run for run in experiment.runs}
    for name, rates in (
        ('valve-modern-none-s0', [0.1, 0.5, 0.8, 0.8, 0.8]),
        ('valve-modern-none-s1', [0.1, 0.2, 0.4, 0.6, 0.8]),
        ('valve-modern-no_perturbation-s0', [0.1, 0.1, 0.1, 0.1, 0.1]),
        ('valve-modern-none-small-s0', [0.1, 0.9, 0.9, 0.9, 0.9]),
    ):
        write_run(folder.path / name, by_name[name], rates, finished=True)
    folder.record_failure(by_name['valve-modern-no_perturbation-s1'], 1, 'a | b')
    write_results(experiment, folder)
    text = (folder.path / 'table.md').read_text(encoding='utf-8')
    assert (
        '| modern | 2 | 0.70 ± 0.10 | 0.35 ± 0.05 | 15 ± 5 | 0.15 ± 0.05 | 20 (1 of 2) '
        '| 0.20 (1 of 2) |'
    ) in text
    assert '| modern no_perturbation | 1 of 2, 1 failed | 0.10 | 0.05 | never | never |' in text
    assert '| *hold still* |  | 0.06 |' in text
    assert '| valve-modern-no_perturbation-s1 | failed | 0 | code 1: a \\| b |' in text
    assert '| commit | abc |' in text
    for name in ('curves_valve', 'deployed_valve', 'coverage_valve_error'):
        assert f'({name}.png)' in text
        assert (folder.path / f'{name}.png').stat().st_size > 10_000
    variant = rows(folder.path / 'table.csv')[0]
    assert (variant['deployed'], variant['reached_0.8'], variant['continuing']) == (
        '0.7',
        '1',
        '0.5',
    )
    states = {row['run']: row['state'] for row in rows(folder.path / 'runs.csv')}
    assert states['valve-modern-no_perturbation-s1'] == 'failed'
    assert len(states) == 5
