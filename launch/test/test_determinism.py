# SPDX-License-Identifier: Apache-2.0
"""In lockstep the same seed gives the same experience: warm-up, first policy actions and all."""

from __future__ import annotations

from pathlib import Path
import subprocess
import sys

import numpy as np
from numpy.typing import NDArray
import pytest

WARM_UP = 100
STEPS = 320
SETTINGS = (
    'monitor.goal_count=20', 'encoder.vae_steps=40', 'encoder.gather_images=100',
    'evaluator.starts=1', 'evaluator.every=100000', 'evaluator.baselines=false',
    f'all.warmup_steps={WARM_UP}', 'all.round_steps=50', 'reward.initial_negatives=50',
    'reward.initial_updates=10', 'reward.updates_per_round=2', 'learner.capacity=1000',
    'learner.update_ratio=0.5',
)  # fmt: skip
FIELDS = ('sequence', 'policy', 'image', 'joint_position', 'action', 'latent')

pytestmark = pytest.mark.timeout(400)


def start(run: Path, seed: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, '-m', 'r3l_bringup', 'train', '--run', str(run)]
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


def test_the_same_seed_gives_the_same_data_twice(tmp_path: Path) -> None:
    # At once: whatever one process delays in one run, it does not delay in the other.
    processes = [start(tmp_path / name, seed=3) for name in ('first', 'second')]
    assert [process.wait(timeout=300) for process in processes] == [0, 0]
    first, second = (experience(tmp_path / name) for name in ('first', 'second'))
    policy_actions = np.flatnonzero(first['policy'] > 1)
    assert len(policy_actions) >= 200
    assert len(np.unique(first['action'][:, 0])) > 200
    for name in FIELDS:
        assert np.array_equal(first[name], second[name]), name
