# SPDX-License-Identifier: Apache-2.0
"""
In lockstep the same seed gives the same experience: warm-up, first policy actions and all.

And the training in one process, without ROS, gives the same as the graph, to the last bit.
"""

from __future__ import annotations

from pathlib import Path
import subprocess
import sys

import numpy as np
from numpy.typing import NDArray
import pytest
from r3l_agent.core.replay.buffer import TASK
from r3l_node.core.records import read_lines
from r3l_node.core.weights import load

WARM_UP = 100
STEPS = 320
SETTINGS = (
    'monitor.goal_count=20', 'encoder.vae_steps=40', 'encoder.gather_images=100',
    'evaluator.starts=1', 'evaluator.every=100000', 'evaluator.baselines=false',
    f'all.warmup_steps={WARM_UP}', 'all.round_steps=50', 'reward.initial_negatives=50',
    'reward.initial_updates=10', 'reward.updates_per_round=2', 'learner.capacity=1000',
    'learner.update_ratio=0.5', 'agent.episode_steps=20', 'agent.success_steps=2',
    'agent.success_probability=0.55',
)  # fmt: skip
MODELS = ('encoder', 'reward', 'policy')
FIELDS = ('sequence', 'policy', 'first', 'image', 'joint_position', 'action', 'latent')

pytestmark = pytest.mark.timeout(400)


def start(run: Path, seed: int, *options: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, '-m', 'r3l_bringup', 'train', '--run', str(run), *options]
    command += ['--steps', str(STEPS), '--seed', str(seed)]
    for setting in SETTINGS:
        command += ['--set', setting]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def experience(run: Path) -> dict[str, NDArray[np.generic]]:
    folder = run / 'replay' / 'learner'
    count = int(np.load(folder / 'count.npy', allow_pickle=False)[0])
    return {
        name: np.load(folder / f'{name}.npy', mmap_mode='r', allow_pickle=False)[:count]
        for name in FIELDS
    }


@pytest.fixture(scope='module')
def graphs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Train the same twice. At once: whatever delays one run does not delay the other."""
    runs = [tmp_path_factory.mktemp('runs') / name for name in ('first', 'second')]
    processes = [start(run, 3) for run in runs]
    assert [process.wait(timeout=300) for process in processes] == [0, 0]
    return runs


def test_the_same_seed_gives_the_same_data_twice(graphs: list[Path]) -> None:
    first, second = (experience(run) for run in graphs)
    policy_actions = np.flatnonzero(first['policy'] > 1)
    assert len(policy_actions) >= 200
    assert len(np.unique(first['action'][:, 0])) > 200
    # Some attempts ended with their success, and some did not.
    begins = np.flatnonzero(first['first'])
    lengths = np.diff(begins)[first['policy'][begins[:-1]] == TASK] - 1
    assert lengths.min() < 20
    assert lengths.max() == 20
    for name in FIELDS:
        assert np.array_equal(first[name], second[name]), name


def test_training_in_one_process_gives_what_the_graph_gives(
    graphs: list[Path], tmp_path: Path
) -> None:
    run = tmp_path / 'run'
    assert start(run, 3, '--no-ros').wait(timeout=300) == 0
    graph, loop = experience(graphs[0]), experience(run)
    for name in FIELDS:
        assert np.array_equal(graph[name], loop[name]), name
    for name in MODELS:
        (weights, described), (expected, about) = (
            load(folder / 'checkpoints' / f'{name}.safetensors') for folder in (run, graphs[0])
        )
        assert described == about
        assert weights.keys() == expected.keys()
        for array in expected:
            assert np.array_equal(weights[array], expected[array]), (name, array)
    lines = [read_lines(folder / 'evaluation.jsonl') for folder in (run, graphs[0])]
    for line in (line for found in lines for line in found):
        del line['wall_s']
    assert lines[0] == lines[1]
