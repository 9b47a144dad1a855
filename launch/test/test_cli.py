# SPDX-License-Identifier: Apache-2.0
"""The command line: quick help, one sentence for a mistake."""

from __future__ import annotations

import os
from pathlib import Path
import subprocess
import sys

import numpy as np
from PIL import Image
import pytest
from r3l_bringup.bench import BENCHES


def r3l(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    environment = {**os.environ, 'COLUMNS': '100', 'NO_COLOR': '1'}
    for name in ('DISPLAY', 'WAYLAND_DISPLAY'):
        environment.pop(name, None)
    return subprocess.run(
        [sys.executable, '-m', 'r3l_bringup', *arguments],
        cwd=cwd, env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ('arguments', 'sentence'),
    [
        (
            ['train', '--task', 'vlave'],
            "r3l: task is 'vlave': expected one of beads, object, valve\n",
        ),
        (
            ['train', '--set', 'agent.seed=x'],
            "r3l: agent.seed is 'x': expected an integer from 0 to 2147483647\n",
        ),
        (
            ['evaluate', '--run', 'nowhere'],
            'r3l: nowhere is no run: expected a folder with config.yaml\n',
        ),
        (
            ['train', '--viewer', '--no-ros'],
            'r3l: --viewer looks at a topic: expected a training with ROS\n',
        ),
        (['bench', 'gpu'], f"r3l: bench is 'gpu': expected one of {', '.join(BENCHES)}\n"),
        (
            ['goals', '--out', 'full'],
            'r3l: full exists already: expected a new or an empty folder\n',
        ),
    ],
)
def test_a_mistake_is_a_sentence_and_code_2(
    arguments: list[str], sentence: str, tmp_path: Path
) -> None:
    (tmp_path / 'full').mkdir()
    (tmp_path / 'full' / 'mine').touch()
    done = r3l(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, sentence)
    assert [path.name for path in tmp_path.iterdir()] == ['full']


def test_goals_come_from_the_simulator_or_from_photos(tmp_path: Path) -> None:
    done = r3l('goals', '--count', '3', '--out', 'goals', cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, '3 goal images in goals\n')
    photos = tmp_path / 'photos'
    photos.mkdir()
    Image.fromarray(np.zeros((60, 90, 3), np.uint8)).save(photos / 'a.jpg')
    done = r3l('goals', '--from-folder', 'photos', '--out', 'mine', cwd=tmp_path)
    assert done.returncode == 0
    with Image.open(tmp_path / 'mine' / 'goal_000.png') as image:
        assert image.size == (32, 32)


def test_help_imports_neither_torch_nor_ros(tmp_path: Path) -> None:
    code = (
        'import sys, r3l_bringup.cli as cli\n'
        'assert not {"torch", "rclpy", "mujoco", "numpy"} & set(sys.modules)'
    )
    subprocess.run([sys.executable, '-c', code], cwd=tmp_path, check=True)
    done = r3l('--help', cwd=tmp_path)
    assert done.returncode == 0
    for command in (
        'train',
        'experiment',
        'evaluate',
        'goals',
        'bench',
        'doctor',
        'test',
        'report',
    ):
        assert command in done.stdout
