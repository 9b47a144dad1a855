# SPDX-License-Identifier: Apache-2.0
"""The page about a new task holds: its files are written, its code and its commands are run."""

from __future__ import annotations

from collections.abc import Iterator
import json
from pathlib import Path
import re
import shlex
import sys

import pytest
from r3l_bringup import config
from r3l_bringup.cli import app
from r3l_bringup.config import Request
from r3l_bringup.paths import module_root, workspace
from r3l_node.core.errors import ConfigError
from r3l_sim.core.tasks import task_named, TaskError, TASKS
from typer.testing import CliRunner

PAGE = workspace() / 'docs' / 'new_task.md'
TASK = 'slider:slider'
# The commands of the page, with less to do.
SHORTER = {'--steps 30000': '--steps 300', '--starts 32': '--starts 2', '--count 20': '--count 3'}
SMALL = (
    'monitor.goal_count=20', 'learner.capacity=1000', 'encoder.vae_steps=20',
    'reward.initial_negatives=50', 'all.round_steps=50', 'reward.initial_updates=5',
    'evaluator.every=300', 'evaluator.starts=2', 'all.backend=rays',
)  # fmt: skip


def _blocks() -> list[tuple[str, str, str]]:
    """Return language, name of the file and text of every block of code."""
    text = PAGE.read_text(encoding='utf-8')
    return re.findall(r'^```(\w+) ?(\S*)\n(.*?)^```$', text, re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a folder of one's own with the files of the page."""
    for _, name, text in _blocks():
        if name:
            (tmp_path / name).write_text(text, encoding='utf-8')
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    TASKS.pop('slider', None)
    sys.modules.pop('slider', None)


def _run(command: str, *settings: str) -> str:
    for long, short in SHORTER.items():
        command = command.replace(long, short)
    program, *arguments = shlex.split(command)
    assert program == './r3l'
    for setting in settings:
        arguments += ['--set', setting]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, (command, result.output, result.exception)
    return result.output


def test_the_page_leads_to_a_trained_policy(folder: Path) -> None:
    for language, name, text in _blocks():
        if language == 'python' and not name:
            exec(compile(text, str(PAGE), 'exec'), {})
        elif language == 'bash':
            for line in text.splitlines():
                _run(line, *(SMALL if ' train ' in line else ()))
    assert len(list((folder / 'goals').glob('*.png'))) == 3
    run = folder / 'runs' / 'slider'
    assert config.load(run / 'config.yaml')['encoder']['latent_size'] == 12
    lines = (run / 'evaluation.jsonl').read_text(encoding='utf-8').splitlines()
    assert json.loads(lines[-1])['env_steps'] == 300
    assert json.loads(lines[-1])['unit'] == 'm'
    assert 'slider' in (run / 'report.md').read_text(encoding='utf-8')
    assert (folder / 'slider.gif').stat().st_size > 1000


def test_a_task_of_another_folder_is_found_by_every_node(folder: Path) -> None:
    values = config.resolve(Request(task=TASK))
    assert {own['task'] for own in values.values() if 'task' in own} == {TASK}
    assert {own['latent_size'] for own in values.values() if 'latent_size' in own} == {12}
    assert module_root('slider') == folder.resolve()
    package = folder / 'hands' / 'tasks'
    package.mkdir(parents=True)
    for part in (folder / 'hands', package):
        (part / '__init__.py').touch()
    assert module_root('hands.tasks') == folder.resolve()


def test_faithful_takes_a_new_task_too(folder: Path) -> None:
    values = config.resolve(Request(task=TASK, profile='faithful'))
    assert values['encoder']['beta'] == 0.5


@pytest.mark.parametrize(
    ('task', 'sentence'),
    [
        ('nowhere:slider', "there is no module 'nowhere': expected one in the current folder"),
        ('slider:cup', r'cup\.yaml cannot be read'),
        ('slider', "task is 'slider': expected one of beads, object, valve"),
    ],
)
def test_a_task_that_there_is_not_is_refused_in_a_sentence(
    folder: Path, task: str, sentence: str
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        config.resolve(Request(task=task))


def test_a_name_stands_for_one_task(folder: Path) -> None:
    assert task_named(TASK) is task_named(TASK)
    with pytest.raises(TaskError, match=r"there is no task 'slider:cup': .* or MODULE:NAME"):
        task_named('slider:cup')
    sys.modules.pop('slider')
    with pytest.raises(TaskError, match="there is a task 'slider' already: expected another"):
        task_named(TASK)
