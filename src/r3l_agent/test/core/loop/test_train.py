# SPDX-License-Identifier: Apache-2.0
"""What settings make of a training without ROS."""

from collections.abc import Callable
from pathlib import Path
import subprocess
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray
import pytest
from r3l_agent import Deployed, train, TrainConfig
from r3l_node.core.errors import ConfigError
from r3l_node.core.parameters import ParameterError
from r3l_node.core.records import read_lines
from r3l_node.core.status import read_status
from r3l_node.core.weights import load

Maker = Callable[..., Any]
Features = NDArray[np.float32]


def stored(run: Path, name: str) -> NDArray[Any]:
    folder = run / 'replay' / 'learner'
    values: NDArray[Any] = np.load(folder / f'{name}.npy')
    return values[: int(np.load(folder / 'count.npy')[0])]


def test_a_value_goes_to_every_part_that_knows_it() -> None:
    config = TrainConfig().set(seed=4, learner__batch=32, evaluate_every=7)
    parts = (config.agent, config.learner, config.reward, config.encoder)
    assert [part.seed for part in parts] == [4] * 4
    assert (config.learner.batch, config.reward.batch) == (32, TrainConfig().reward.batch)
    assert config.evaluate_every == 7


def test_an_unknown_or_wrong_value_is_refused() -> None:
    with pytest.raises(ConfigError, match="no parameter 'episode_step': did you mean 'episode_s"):
        TrainConfig().set(episode_step=3)
    with pytest.raises(ParameterError, match='update_ratio is -1: expected'):
        TrainConfig().set(update_ratio=-1.0)
    with pytest.raises(ConfigError, match='sim__seed: expected one of agent, learner'):
        TrainConfig().set(sim__seed=3)


def test_a_training_leaves_what_the_graph_leaves(
    make_cart: Maker, examples: Features, tiny: TrainConfig, tmp_path: Path
) -> None:
    result = train(make_cart(), examples, tiny, run=tmp_path)
    status = read_status(tmp_path / 'status.json')
    assert status is not None
    assert (status.task, status.phase, status.env_steps) == ('cart', 'done', 260)
    assert status.finished
    assert status.updates == result.updates == int(0.5 * (260 - 60))
    names = {name for line in read_lines(tmp_path / 'metrics.jsonl') for name in line}
    for prefix in ('vice/', 'rollout/'):
        assert any(name.startswith(prefix) for name in names), prefix
    assert list(tmp_path.glob('events.out.tfevents.*'))
    tensors, metadata = load(tmp_path / 'checkpoints' / 'policy.safetensors')
    assert metadata['env_steps'] == '260'
    encoder = load(tmp_path / 'checkpoints' / 'encoder.safetensors')
    policy = Deployed.from_weights(encoder, (tensors, metadata))
    world = make_cart()
    assert result.policy is not None
    assert policy(world.observe(), first=True) == result.policy(world.observe(), first=True)


def test_without_a_run_nothing_is_kept(
    make_cart: Maker,
    examples: Features,
    tiny: TrainConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert train(make_cart(), examples, tiny.set(steps=90)).finished
    assert not list(tmp_path.iterdir())


def test_the_same_seed_gives_the_same_policy_and_another_one_another(
    make_cart: Maker, examples: Features, tiny: TrainConfig
) -> None:
    world = make_cart()
    sensed = world.observe()
    targets = []
    for seed in (1, 1, 2):
        result = train(make_cart(), examples, tiny.set(steps=120, seed=seed))
        assert result.policy is not None
        targets.append(float(result.policy(sensed, first=True)[0]))
    assert targets[0] == targets[1] != targets[2]


def test_features_are_standardised_by_the_warm_up_and_proprioception_too(
    make_cart: Maker, examples: Features, tiny: TrainConfig, tmp_path: Path
) -> None:
    train(make_cart(), examples, tiny.set(steps=90), run=tmp_path)
    latent, features = stored(tmp_path, 'latent'), stored(tmp_path, 'image')
    tensors, metadata = load(tmp_path / 'checkpoints' / 'encoder.safetensors')
    assert metadata['model'] == 'standardise'
    expected = (features - tensors['mean']) / tensors['std']
    assert np.allclose(latent, expected, atol=1e-5)
    _, described = load(tmp_path / 'checkpoints' / 'policy.safetensors')
    gathered = np.load(tmp_path / 'replay' / 'encoder' / 'joint_position.npy')
    mean = gathered.mean()
    assert f'"low": [{mean - gathered.std():.3f}'[:12] in described['policy'].split('senses')[1]
    assert np.allclose(stored(tmp_path, 'joint_position'), 10.0, atol=0.4)  # kept as it was


def test_the_oracle_learns_from_the_worlds_own_reward(
    make_cart: Maker, tiny: TrainConfig, tmp_path: Path
) -> None:
    config = tiny.set(reward_source='environment', perturbation='none')
    result = train(make_cart(), np.zeros((0, 2), np.float32), config, run=tmp_path)
    assert result.updates == 100
    assert not (tmp_path / 'checkpoints' / 'reward.safetensors').exists()
    reward, position = stored(tmp_path, 'reward'), stored(tmp_path, 'image')[:, 0]
    inside = ~stored(tmp_path, 'first')
    assert np.allclose(reward[inside], -np.abs(position[inside]))
    names = {name for line in read_lines(tmp_path / 'metrics.jsonl') for name in line}
    assert 'rollout/own_return_task' in names


def test_episodes_with_resets_begin_anew_each_time_and_only_the_task_policy_acts(
    make_cart: Maker, examples: Features, tiny: TrainConfig, tmp_path: Path
) -> None:
    world = make_cart()
    result = train(world, examples, tiny.set(resets=True), run=tmp_path)
    assert result.interventions == 0
    assert world.resets == 1 + result.episodes
    assert set(stored(tmp_path, 'policy')) == {1, 2}
    first = stored(tmp_path, 'first')
    assert len(np.unique(stored(tmp_path, 'image')[first, 0])) == first.sum()


def test_parts_that_disagree_are_refused(
    make_cart: Maker, examples: Features, tiny: TrainConfig
) -> None:
    world = make_cart()
    with pytest.raises(ConfigError, match=r'agent\.seed is 9, learner\.seed is 3'):
        train(world, examples, tiny.set(agent__seed=9))
    with pytest.raises(ConfigError, match='warmup_steps is 20: expected at least 40'):
        train(world, examples, tiny.set(warmup_steps=20))
    with pytest.raises(ConfigError, match=r'reward\.input is pixels'):
        train(world, examples, tiny.set(input='pixels'))
    with pytest.raises(ConfigError, match='env is a int: expected a Gymnasium environment'):
        train(3, examples, tiny)
    assert world.steps == world.resets == 0


def test_importing_the_package_does_not_load_torch() -> None:
    script = 'import sys, r3l_agent; assert "torch" not in sys.modules'
    subprocess.run([sys.executable, '-c', script], check=True)
