# SPDX-License-Identifier: Apache-2.0
"""The page about Gymnasium holds: its programs are run, with fewer steps."""

from __future__ import annotations

from collections.abc import Mapping
import json
from pathlib import Path
import re
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from r3l_bringup.paths import workspace

PAGE = workspace() / 'docs' / 'gymnasium.md'
STEPS = 560
SHORTER = {
    r'\bsteps=[\d_]+': f'steps={STEPS}',
    r'\bwarmup_steps=[\d_]+': 'warmup_steps=500',
    r'\bgather_images=[\d_]+': 'gather_images=500',
}


def _program(name: str) -> str:
    text = PAGE.read_text(encoding='utf-8')
    found = re.search(rf'^```python {re.escape(name)}\n(.*?)^```$', text, re.MULTILINE | re.DOTALL)
    assert found is not None, name
    return found.group(1)


def _run(program: str, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> dict[str, Any]:
    for long, short in SHORTER.items():
        program = re.sub(long, short, program)
    monkeypatch.setattr('sys.argv', ['program', *arguments])
    names: dict[str, Any] = {}
    exec(compile(program, str(PAGE), 'exec'), names)
    return names


@pytest.fixture
def resets(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the resets of every environment, in the order in which they are made."""
    counts: list[int] = []
    make = gym.make

    def counting(*arguments: Any, **options: Any) -> Any:
        env, index = make(*arguments, **options), len(counts)
        counts.append(0)
        reset = env.reset

        def counted(**options: Any) -> Any:
            counts[index] += 1
            return reset(**options)

        env.reset = counted
        return env

    monkeypatch.setattr(gym, 'make', counting)
    return counts


@pytest.mark.parametrize('name', ['pendulum.py', 'reacher.py'])
def test_a_program_is_short(name: str) -> None:
    assert len(_program(name).splitlines()) <= 30


@pytest.mark.parametrize('name', ['pendulum.py', 'reacher.py'])
@pytest.mark.parametrize('arguments', [(), ('oracle',)])
def test_a_program_trains_and_resets_only_at_the_start(
    name: str,
    arguments: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    resets: list[int],
) -> None:
    monkeypatch.chdir(tmp_path)
    result = _run(_program(name), monkeypatch, *arguments)['result']
    assert result.finished
    assert result.env_steps == STEPS
    assert result.updates > 0
    assert [line['env_steps'] for line in result.evaluations] == [0, STEPS]
    assert all(np.isfinite(line['return_mean']) for line in result.evaluations)
    assert resets == [1, 20], 'one of the training, ten of each evaluation'
    (run,) = (tmp_path / 'runs').iterdir()
    lines = (run / 'evaluation.jsonl').read_text(encoding='utf-8').splitlines()
    assert [json.loads(line)['env_steps'] for line in lines] == [0, STEPS]
    if name == 'pendulum.py':
        used: Mapping[str, Any] = _run(_program('use.py'), monkeypatch)
        assert -2000 < used['total'] < 0
