# SPDX-License-Identifier: Apache-2.0
"""The benches of learning without ROS give figures that fit together."""

from pathlib import Path
import sys

import pytest
from r3l_bringup.bench import loop, relabel, run_bench
from r3l_bringup.bench.sb3 import LatentEnv, rhythm, Sb3Loop
from r3l_bringup.cli import app
from r3l_bringup.config import Request, resolve
from r3l_bringup.hardware import Values
from r3l_node.core.errors import ConfigError
import torch
from typer.testing import CliRunner


def test_stored_images_are_scored_again_by_each_classifier(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relabel, 'ROWS', 2_000)
    figures = run_bench('relabel', 0.2, tmp_path / 'relabel.json')
    assert figures['images_per_second_and_core_batch'] > 0
    assert figures['ratio'] == pytest.approx(
        min(figures[f'images_per_second_and_core_{name}'] for name in ('batch', 'bulk'))
        / relabel.TARGET,
        abs=1e-3,
    )
    assert (tmp_path / 'relabel.json').is_file()


@pytest.mark.parametrize(('ratio', 'expected'), [(1.0, (1, 1)), (4.0, (1, 4)), (0.25, (4, 1))])
def test_the_rival_has_our_ratio(ratio: float, expected: tuple[int, int]) -> None:
    assert rhythm(ratio) == expected


def test_a_rival_that_is_not_installed_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'stable_baselines3', None)
    with pytest.raises(ConfigError, match=r'not installed: pip install -r requirements/bench.txt'):
        Sb3Loop(resolve(Request()))


def test_the_rival_sees_what_our_policies_see_and_is_never_reset() -> None:
    env = LatentEnv(resolve(Request(sets=('sim.backend=rays', 'agent.episode_steps=2'))))
    env._scene.set_object(angle=1.0)
    observation, _ = env.reset(seed=0)
    assert observation.shape == env.observation_space.shape == (50,)
    assert env._scene.object_state()['angle'] == pytest.approx(1.0, abs=0.2)
    ends = [env.step(env.action_space.sample())[2:4] for _ in range(2)]
    assert ends == [(False, False), (False, True)]
    env.close()


@pytest.mark.parametrize('command', [['train'], ['bench', 'learner']])
def test_a_device_that_is_not_there_is_one_sentence(
    command: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, [*command, '--device', 'cuda'])
    assert isinstance(done.exception, ConfigError)
    assert "device is 'cuda': expected 'cpu', because PyTorch" in str(done.exception)
    assert list(tmp_path.iterdir()) == []


def test_one_option_trains_everything_on_a_device() -> None:
    values = resolve(Request(sets=('all.device=cuda', 'all.precision=bf16')))
    nodes = {node for node, own in values.items() if own.get('device') == 'cuda'}
    assert nodes == {'learner', 'reward', 'encoder'}
    assert {node for node, own in values.items() if own.get('precision') == 'bf16'} == nodes


def test_only_what_learns_is_measured_on_a_device() -> None:
    with pytest.raises(ConfigError, match="device is 'cuda' and bench is 'sim': expected one of"):
        run_bench('sim', 0.5, None, 'cuda')
    with pytest.raises(ConfigError, match="device is 'gpu': expected cpu or cuda"):
        run_bench('learner', 0.5, None, 'gpu')


class Rival:
    """Stands in for the library that tests do not need."""

    def __init__(self, values: Values) -> None:
        self.steps = 0

    def run(self, steps: int) -> None:
        self.steps += steps

    def close(self) -> None:
        pass


def test_loop_and_rival_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, 'WARM_UP', 250)
    monkeypatch.setattr(loop, 'SETTLED', 260)
    monkeypatch.setattr(loop, 'Sb3Loop', Rival)
    figures = run_bench('loop', 0.2, None)
    assert 0 < figures['r3l_env_steps_per_second'] < figures['sb3_env_steps_per_second']
    assert 0 <= figures['ratio'] < 1
    assert figures['update_ratio'] == 1.0
