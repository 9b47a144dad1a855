# SPDX-License-Identifier: Apache-2.0
"""
An experiment of real trainings that is killed again and again ends as one that is left alone.

``R3L_KILLS`` kills it more often, and trains another run beside, as documented in the README.
"""

from __future__ import annotations

import csv
import os
from pathlib import Path
import random
import signal
import subprocess
import sys
import time

import pytest
from r3l_node.core.records import read_lines
from r3l_node.core.status import read_status

KILLS = int(os.environ.get('R3L_KILLS', '10'))
STEPS = 400
TEXT = f"""
name: tiny
seeds: {[1] if KILLS <= 10 else [1, 2]}
steps: {STEPS}
evaluate_every: 100
starts: 2
sets:
  - monitor.goal_count=20
  - encoder.vae_steps=20
  - encoder.gather_images=100
  - all.warmup_steps=100
  - all.round_steps=50
  - agent.success_probability=0.0
  - reward.initial_negatives=50
  - reward.initial_updates=10
  - reward.updates_per_round=2
  - evaluator.baselines=false
  - learner.capacity=2000
  - learner.update_ratio=0.2
  - learner.metrics_steps=100
  - learner.checkpoint_seconds=0.1
"""
NAME = 'valve-modern-none-s1'


def start(folder: Path, out: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, '-m', 'r3l_bringup', 'experiment', str(folder / 'tiny.yaml')]
    command += ['--out', str(folder / out), '--jobs', '2']
    with (folder / f'{out}.log').open('ab') as log:
        return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)


def results(out: Path, name: str) -> list[dict[str, str]]:
    """Return the rows of a table without what the clock says."""
    with (out / name).open(encoding='utf-8', newline='') as file:
        rows = list(csv.DictReader(file))
    return [
        {key: value for key, value in row.items() if not key.startswith('hours')} for row in rows
    ]


def steps_of(run: Path) -> int:
    status = read_status(run / 'status.json')
    return 0 if status is None else status.env_steps


def kill_somewhere(process: subprocess.Popen[bytes], run: Path, rng: random.Random) -> bool:
    """Kill an experiment at a random moment; return whether it lived until then."""
    begun = steps_of(run)
    # A third of them while it still gets ready, the others after some more training.
    is_early = begun > STEPS * 0.8 or rng.random() < 0.33
    deadline = time.monotonic() + (rng.uniform(0.2, 2.5) if is_early else 120.0)
    mark = STEPS if is_early else begun + rng.randrange(1, STEPS // 8)
    while process.poll() is None and time.monotonic() < deadline and steps_of(run) < mark:
        time.sleep(0.02)
    alive = process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=10)
    return alive


@pytest.mark.timeout(900 if KILLS <= 10 else 7200)
def test_killed_ten_times_it_ends_with_the_same_table(tmp_path: Path) -> None:
    (tmp_path / 'tiny.yaml').write_text(TEXT, encoding='utf-8')
    alone = start(tmp_path, 'alone')
    assert alone.wait() == 0, (tmp_path / 'alone.log').read_text(encoding='utf-8')
    rng, kills = random.Random(7), 0
    run = tmp_path / 'killed' / NAME
    for _ in range(KILLS):
        kills += kill_somewhere(start(tmp_path, 'killed'), run, rng)
    assert kills == KILLS
    assert start(tmp_path, 'killed').wait() == 0, (tmp_path / 'killed.log').read_text('utf-8')
    for name in ('table.csv', 'runs.csv'):
        assert results(tmp_path / 'killed', name) == results(tmp_path / 'alone', name)
    left_alone = tmp_path / 'alone' / NAME
    for name in ('policy', 'reward', 'encoder'):
        weights = Path('checkpoints') / f'{name}.safetensors'
        assert (run / weights).read_bytes() == (left_alone / weights).read_bytes(), name
    for name in ('coverage.json', 'life.bin'):
        assert (run / name).read_bytes() == (left_alone / name).read_bytes(), name
    lines = read_lines(run / 'evaluation.jsonl')
    # At the first end of an episode from each hundred on: after the warm-up an attempt of 50,
    # whose policy has no classifier yet, then 20 of perturbation and attempts of 6 in turn.
    assert [line['env_steps'] for line in lines] == [0, 100, 202, 300, 400]
    assert not (tmp_path / 'killed' / 'failures.jsonl').exists()
