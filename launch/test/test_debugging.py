# SPDX-License-Identifier: Apache-2.0
"""The page for the morning after a bad night: its commands exist, and run on a recorded run."""

from __future__ import annotations

import json
from pathlib import Path
import re
import shlex

import numpy as np
import pytest
from r3l_bag.testing import Recording
from r3l_bringup import config
from r3l_bringup.cli import app
from r3l_bringup.config import Request
from r3l_bringup.paths import workspace
from r3l_node.core.files import write_atomic
from r3l_node.core.records import Scalars
from r3l_node.core.status import Status, write_status
from r3l_node.core.weights import pack
from r3l_perception.core.vae import to_weights
from r3l_reward.core.goals import save_goals
from r3l_reward.core.vice import ViceConfig, ViceTrainer
import typer
from typer.testing import CliRunner

PAGE = workspace() / 'docs' / 'debugging.md'
# The recording of this test lasts for six seconds.
SHORTER = {
    r'--at \S+': '--at 3.05', r'--images \d+': '--images 20 --set encoder.vae_steps=2',
}  # fmt: skip
# What needs a robot, a simulator or minutes is only looked up.
LIVE = ('train', 'evaluate', 'bench', 'doctor', 'replay', 'check')
RUN = 'runs/night'


def commands() -> list[str]:
    """Return the commands of the page, in their order."""
    text = PAGE.read_text(encoding='utf-8')
    return re.findall(r'^\$ \./r3l (.*)$', text, re.MULTILINE)


def is_live(command: str) -> bool:
    name = command.split()[0]
    return name in LIVE and '--compare' not in command


@pytest.fixture
def night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the run of a recorded night, in a folder of its own."""
    recording = Recording(steps=60)
    run = recording.write_run(tmp_path / RUN)
    goals = np.random.default_rng(2).standard_normal((40, 3)).astype(np.float32)
    classifier = ViceTrainer(ViceConfig(hidden=(8,), batch=8), goals, 5)
    for name, weights in (
        ('encoder', to_weights(recording.vae)),
        ('reward', classifier.weights()),
    ):
        write_atomic(run / 'checkpoints' / f'{name}.safetensors', pack(*weights))
    (run / 'config.yaml').write_text(config.dump(config.resolve(Request())), encoding='utf-8')
    images = np.random.default_rng(1).integers(0, 256, (20, 32, 32, 3)).astype(np.uint8)
    save_goals(run / 'goals', images)
    scalars = Scalars(run, events=False)
    for minute in range(1, 200):
        values = {'rollout/final_probability_task': 0.6, 'time/control_rate': 5.0}
        scalars.write('agent', 300 * minute, 60.0 * minute, values)
    scalars.close()
    write_status(Status(task='valve', phase='task', wall_s=12_000.0), run / 'status.json')
    monkeypatch.chdir(tmp_path)
    return run


def test_every_offline_command_of_the_page_runs(night: Path, tmp_path: Path) -> None:
    done = []
    for command in commands():
        if is_live(command):
            continue
        for long, short in SHORTER.items():
            command = re.sub(long, short, command)
        result = CliRunner().invoke(app, shlex.split(command))
        # The recording was never closed: that is what the check is there to find.
        code = 1 if command.startswith('bag check') and 'bag repair' not in done else 0
        assert result.exit_code == code, (command, result.output, result.exception)
        done.append(' '.join(command.split()[: 2 if command.startswith('bag') else 1]))
    assert {'report', 'bag check', 'bag repair', 'why', 'replay', 'pretrain', 'export'} <= {*done}
    assert '![Time line](time_line.png)' in (night / 'report.md').read_text(encoding='utf-8')
    info = json.loads((tmp_path / 'night_lerobot' / 'meta' / 'info.json').read_text())
    assert info['total_frames'] == 60
    for made in ('why/why.png', 'compare/disagreements.png', 'pretrained/reconstructions.png'):
        assert (tmp_path / made).stat().st_size > 1000, made


def test_every_other_command_of_the_page_exists() -> None:
    known = getattr(typer.main.get_command(app), 'commands')  # noqa: B009 a group has them
    live = [shlex.split(command) for command in commands() if is_live(command)]
    assert {words[0] for words in live} >= {'replay', 'evaluate', 'train', 'bench'}
    for words in live:
        # Its options are read as on the command line; nothing runs.
        known[words[0]].make_context(words[0], words[1:])


def test_the_page_answers_ten_questions() -> None:
    text = PAGE.read_text(encoding='utf-8')
    questions = re.split(r'^## ', text, flags=re.MULTILINE)[1:]
    assert [question.split('.')[0] for question in questions] == [str(n) for n in range(1, 11)]
    for question in questions:
        title = question.splitlines()[0]
        assert title.endswith('?'), title
        assert '$ ./r3l ' in question, title


def test_its_links_lead_somewhere() -> None:
    for link in re.findall(r'\]\(([^)#]+)[^)]*\)', PAGE.read_text(encoding='utf-8')):
        assert (PAGE.parent / link).exists() or link.startswith('https://'), link
