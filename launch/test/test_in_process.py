# SPDX-License-Identifier: Apache-2.0
"""Training in one process, without ROS, with tiny settings."""

from __future__ import annotations

import os
from pathlib import Path
import signal
import threading

import pytest
from r3l_bringup.config import Request
from r3l_bringup.evaluate import evaluate_run
from r3l_bringup.in_process import train_in_process
from r3l_bringup.prepare import lock
from r3l_bringup.train import train
from r3l_node.core.errors import ConfigError
from r3l_node.core.records import EVALUATION_KEYS, read_lines
from r3l_node.core.status import read_status
from r3l_sim.core.life_log import read_life

SETTINGS = (
    'monitor.goal_count=20', 'encoder.vae_steps=10', 'encoder.gather_images=60',
    'all.warmup_steps=60', 'all.round_steps=30', 'reward.initial_negatives=30',
    'reward.initial_updates=5', 'reward.updates_per_round=2', 'evaluator.starts=2',
    'evaluator.every=100', 'evaluator.baselines=false', 'learner.update_ratio=0.1',
    'learner.capacity=2000', 'learner.metrics_steps=50', 'learner.checkpoint_seconds=0.1',
)  # fmt: skip


def request(**more: object) -> Request:
    return Request(**{'steps': 150, 'seed': 1, 'sets': SETTINGS, **more})  # type: ignore[arg-type]


def interrupt_at(run: Path, steps: int) -> threading.Thread:
    """Press Ctrl-C when a run has taken some env steps."""

    def interrupt() -> None:
        status = None
        while status is None or status.env_steps < steps:
            threading.Event().wait(0.05)
            status = read_status(run / 'status.json')
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    return thread


def test_ctrl_c_stops_it_and_it_goes_on_to_its_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / 'run'
    thread = interrupt_at(run, 1)
    assert train_in_process(request(), run) == 130
    thread.join()
    assert f'go on with: r3l train --no-ros --run {run}' in capsys.readouterr().err
    with pytest.raises(ConfigError, match='was begun without ROS: expected --no-ros to go on'):
        train(Request(), run, given=False)
    assert train_in_process(Request(), run, given=False) == 0
    status = read_status(run / 'status.json')
    assert status is not None
    assert (status.env_steps, status.finished, status.updates) == (150, True, 9)
    lines = read_lines(run / 'evaluation.jsonl')
    assert [line['env_steps'] for line in lines] == [0, 100, 150]
    assert all(tuple(line) == EVALUATION_KEYS for line in lines)
    report = (run / 'report.md').read_text(encoding='utf-8')
    assert 'profile **modern**: finished after 150 of 150 env steps' in report
    life = read_life(run)
    assert life is not None
    assert len(life) >= 150
    assert evaluate_run(run, 'deployed', 2, 0)['starts'] == 2


def test_the_instrumented_oracle_sees_the_state_of_the_object(tmp_path: Path) -> None:
    run = tmp_path / 'run'
    assert train_in_process(request(ablation='instrumented'), run) == 0
    assert 'profile **modern instrumented**' in (run / 'report.md').read_text(encoding='utf-8')
    assert len(read_lines(run / 'evaluation.jsonl')) == 3


@pytest.mark.parametrize(
    ('more', 'sentence'),
    [
        ({'hardware': 'fake'}, "hardware is 'fake': expected sim, with --no-ros"),
        ({'pace': 'realtime'}, "pace is 'realtime': expected lockstep, with --no-ros"),
    ],
)
def test_what_needs_ros_is_refused(tmp_path: Path, more: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        train_in_process(request(**more), tmp_path / 'run')
    with pytest.raises(ConfigError, match='--viewer looks at a topic'):
        train_in_process(request(), tmp_path / 'run', viewer=True)
    assert not (tmp_path / 'run').exists()


def test_two_processes_do_not_train_one_run(tmp_path: Path) -> None:
    run = tmp_path / 'run'
    thread = interrupt_at(run, 1)
    assert train_in_process(request(), run) == 130
    thread.join()
    lock(run)
    with pytest.raises(ConfigError, match='is in use: expected a run that no other process'):
        train_in_process(Request(), run, given=False)
