# SPDX-License-Identifier: Apache-2.0
"""The report is made from files alone, whatever of them there is."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image
import pytest
from r3l_bringup import config
from r3l_bringup.config import Request
from r3l_bringup.report import write_report
from r3l_node.core.records import EVALUATION_KEYS, JsonLines, read_lines, Scalars
from r3l_node.core.status import plain_line, read_status, Status, write_status
from r3l_sim.core.coverage import Coverage
from r3l_sim.core.tasks import TASKS

EVALUATION = {
    'env_steps': 1000, 'wall_s': 60.0, 'success_rate': 0.5, 'success_rate_strict': 0.25,
    'final_distance_mean': 0.9, 'unit': 'rad', 'starts': 32, 'policy_version': 4,
}  # fmt: skip


def write_run(folder: Path) -> None:
    """Write what a short run leaves."""
    lines = JsonLines(folder / 'evaluation.jsonl')
    for steps in (1000, 2000, 3000):
        lines.write({**EVALUATION, 'env_steps': steps, 'policy_version': steps // 250})
    lines.close()
    scalars = Scalars(folder)
    for steps in (500, 1000):
        scalars.write('learner', steps, 30.0, {'train/critic_loss': 0.1, 'rnd/loss': float('nan')})
    scalars.close()
    counts = {'name': 'error', 'unit': 'rad', 'edges': [-3.0, 0.0, 3.0], 'block_steps': 5000}
    coverage = {**counts, 'blocks': [[5, 7], [1, 0]]}
    (folder / 'coverage.json').write_text(json.dumps(coverage), encoding='utf-8')
    baseline = {'random motion': {**EVALUATION, 'env_steps': 0, 'success_rate': 0.05}}
    (folder / 'baselines.json').write_text(json.dumps(baseline), encoding='utf-8')
    (folder / 'faults.jsonl').write_text(
        '{"time": 1.0, "node": "agent", "exit_code": -9}\n', encoding='utf-8'
    )
    (folder / 'evaluation').mkdir()
    picture = Image.fromarray(np.zeros((8, 8, 3), np.uint8))
    picture.save(folder / 'evaluation' / '00001000.png')
    picture.save(folder / 'reconstructions.png')
    values = config.resolve(Request(seed=5))
    (folder / 'config.yaml').write_text(config.dump(values), encoding='utf-8')
    (folder / 'versions.json').write_text('{"numpy": "2.4.6"}', encoding='utf-8')
    status = Status(task='valve', profile='modern', phase='done', env_steps=3000, steps=3000)
    write_status(status, folder / 'status.json')


def test_a_report_shows_all_that_there_is(tmp_path: Path) -> None:
    write_run(tmp_path)
    text = write_report(tmp_path).read_text(encoding='utf-8')
    for piece in (
        'finished after 3000 of 3000 env steps',
        'mean of the last 3 evaluations from 32 fixed starts: **50%**',
        '| random motion | 0 | 0.05 |',
        '| version 12 | 3000 | 0.50 | 0.25 | 0.900 | 32 |',
        '| agent | -9 | 1 |',
        '| agent.seed | 5 | 0 |',
        '| numpy | 2.4.6 |',
        '(evaluation/00001000.png)',
        '(reconstructions.png)',
    ):
        assert piece in text
    for plot in ('learning_curve.png', 'coverage.png', 'scalars.png'):
        assert f'({plot})' in text
        with Image.open(tmp_path / plot) as image:
            assert image.width > 100


@pytest.mark.parametrize('task', ['valve', 'beads', 'object'])
def test_coverage_of_every_task_is_drawn(tmp_path: Path, task: str) -> None:
    coverage = Coverage(TASKS[task])
    for steps, state in enumerate(TASKS[task].starts(20, 0)):
        coverage.add(state, 600 * steps)
    (tmp_path / 'coverage.json').write_text(coverage.to_json(), encoding='utf-8')
    assert '(coverage.png)' in write_report(tmp_path).read_text(encoding='utf-8')
    with Image.open(tmp_path / 'coverage.png') as image:
        # A row of plots for each map: one, four beads, place and yaw.
        rows = {'valve': 1, 'beads': 4, 'object': 2}[task]
        assert image.height == pytest.approx(rows * 352, abs=4)


def test_a_report_of_an_empty_run_says_so(tmp_path: Path) -> None:
    text = write_report(tmp_path).read_text(encoding='utf-8')
    assert 'No policy was evaluated.' in text
    assert 'No node died.' in text


def test_a_report_counts_what_held_the_hand(tmp_path: Path) -> None:
    states = ('limp torque_off', 'run ', 'hold servo_missing', 'hold command_stale', 'degraded x',
              'hold servo_missing', 'limp servo_missing', 'run ')  # fmt: skip
    with (tmp_path / 'safety.jsonl').open('w') as file:
        for state, code in (words.split(' ') for words in states):
            file.write(json.dumps({'state': state, 'code': code}) + '\n')
    text = write_report(tmp_path).read_text(encoding='utf-8')
    assert '| hold | servo_missing | 2 |' in text
    assert '| limp | torque_off | 1 |' in text
    assert 'command_stale' not in text


def test_an_evaluation_line_has_the_promised_keys() -> None:
    assert tuple(EVALUATION) == EVALUATION_KEYS


def test_values_that_are_not_finite_become_null(tmp_path: Path) -> None:
    write_run(tmp_path)
    lines = read_lines(tmp_path / 'metrics.jsonl')
    assert [line['rnd/loss'] for line in lines] == [None, None]
    assert [line['train/critic_loss'] for line in lines] == [0.1, 0.1]
    assert list(tmp_path.glob('events.out.tfevents.*'))


def test_a_torn_line_loses_only_itself(tmp_path: Path) -> None:
    path = tmp_path / 'metrics.jsonl'
    path.write_text('{"a": 1}\n{"a": ', encoding='utf-8')
    lines = JsonLines(path)
    lines.write({'a': 3})
    lines.close()
    assert [line['a'] for line in read_lines(path)] == [1, 3]


def test_a_status_is_one_line_of_text(tmp_path: Path) -> None:
    status = Status(
        phase='task', env_steps=100, steps=1000, steps_per_s=50.0, eta_s=18.0, update_ratio=1.0,
        success_probability=0.25, classifier_accuracy=0.9, novelty=0.5, evaluation=EVALUATION,
    )  # fmt: skip
    write_status(status, tmp_path / 'status.json')
    found = read_status(tmp_path / 'status.json')
    assert found == status
    assert plain_line(status) == (
        'task  100/1000 steps  50 steps/s  update ratio 1.00  ETA 0:18  p(success) 0.25  '
        'held-out goals 90%  novelty 0.50  deployed 50% (strict 25%) at 1000'
    )
