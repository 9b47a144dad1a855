# SPDX-License-Identifier: Apache-2.0
"""The real graph with a recorder that always fails, and without one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
import os
from pathlib import Path
from typing import Any

import pytest
from r3l_bringup.config import dump, load, Request, resolve
from r3l_bringup.graph import node, TRAIN
from r3l_bringup.hardware import enabled_graph, graph_of
from r3l_node.core.records import read_lines
from r3l_node.core.status import read_status

TrainingStarter = Callable[..., AbstractContextManager[Any]]
STEPS = 40
SETTINGS = (
    'monitor.goal_count=20', 'encoder.gather_images=1000', 'all.warmup_steps=40',
    'all.round_steps=20', 'reward.initial_negatives=40', 'reward.initial_updates=1',
    'evaluator.starts=2', 'evaluator.baselines=false', 'learner.capacity=1000',
    'monitor.final_wait=0.0',
)  # fmt: skip
# Python imports this module by itself, in every process that finds it.
BREAK = """
import os
with open('/proc/self/cmdline', 'rb') as file:
    words = file.read().split(bytes(1))
if b'__node:=recorder' in words:
    os._exit(1)
"""


@pytest.mark.timeout(200)
def test_a_recorder_that_always_fails_stops_no_training(
    tmp_path: Path, start_training: TrainingStarter, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / 'broken'
    broken.mkdir()
    (broken / 'sitecustomize.py').write_text(BREAK, encoding='utf-8')
    monkeypatch.setenv('PYTHONPATH', f'{broken}{os.pathsep}{os.environ.get("PYTHONPATH", "")}')
    with start_training(tmp_path / 'run', STEPS, SETTINGS) as training:
        assert training.process.wait(timeout=170) == 0
    status = read_status(tmp_path / 'run' / 'status.json')
    assert status is not None
    assert status.env_steps == STEPS
    faults = read_lines(tmp_path / 'run' / 'faults.jsonl')
    assert {fault['node'] for fault in faults} == {'recorder'}
    assert not (tmp_path / 'run' / 'bags').exists()


def test_a_recorder_that_is_not_wanted_is_not_started_and_not_waited_for() -> None:
    values = resolve(Request(sets=('recorder.enabled=false',)))
    assert {spec.name for spec in graph_of(values)} == {spec.name for spec in TRAIN}
    started = {spec.name: spec for spec in enabled_graph(values)}
    assert started.keys() == {spec.name for spec in TRAIN} - {'recorder'}
    assert 'recorder' not in started['agent'].after


def test_the_agent_waits_for_the_recorder_and_can_do_without() -> None:
    assert 'recorder' in node('agent').after
    assert [spec.name for spec in TRAIN if not spec.vital] == ['recorder']


def test_a_run_that_is_older_than_the_recorder_gets_one(tmp_path: Path) -> None:
    values = resolve(Request())
    text = dump(values)
    file = tmp_path / 'config.yaml'
    file.write_text(text.partition('/**/recorder:')[0] + '/**/agent:' +
                    text.partition('/**/agent:')[2], encoding='utf-8')  # fmt: skip
    assert 'recorder' not in file.read_text(encoding='utf-8')
    assert load(file)['recorder'] == values['recorder']
