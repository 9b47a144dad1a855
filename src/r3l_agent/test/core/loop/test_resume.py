# SPDX-License-Identifier: Apache-2.0
"""A training that is killed again and again ends as if it had been left alone."""

from collections.abc import Callable
from contextlib import suppress
import json
from pathlib import Path
import shutil
from typing import Any

import numpy as np
from numpy.typing import NDArray
import pytest
from r3l_agent import train, TrainConfig
from r3l_agent.core.loop.checkpoint import FILE
from r3l_agent.core.replay.buffer import Replay, TASK
from r3l_agent.core.training import PRIOR
from r3l_node.core.errors import ConfigError

MODELS = ('policy', 'reward', 'encoder')


def judge(encoder: Any, policy: Any, env_steps: int) -> dict[str, Any]:
    total = sum(float(np.abs(values).sum()) for values in policy[0].values())
    return {'success_rate': 0.0, 'success_rate_strict': 0.0, 'final_distance_mean': total,
            'unit': '1', 'starts': 1}  # fmt: skip


def lines(run: Path, name: str, *, without: tuple[str, ...]) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in (run / name).read_text('utf-8').splitlines()]
    return [{k: v for k, v in line.items() if k not in without} for line in found]


def rows(run: Path) -> dict[str, NDArray[Any]]:
    folder = run / 'replay' / 'learner'
    count = int(np.load(folder / 'count.npy')[0])
    found = {path.stem: np.load(path) for path in folder.glob('*.npy') if path.stem != 'count'}
    # A ring that is full holds the newest at the front.
    return {'count': np.array(count)} | {k: v[: min(count, len(v))] for k, v in found.items()}


def assert_same(run: Path, other: Path) -> None:
    for name in MODELS:
        path = Path('checkpoints') / f'{name}.safetensors'
        assert (run / path).read_bytes() == (other / path).read_bytes(), name
    assert lines(run, 'evaluation.jsonl', without=('wall_s',)) == lines(
        other, 'evaluation.jsonl', without=('wall_s',)
    )
    found, expected = rows(run), rows(other)
    for name, values in expected.items():
        assert np.array_equal(found[name], values), name


def killed_again_and_again(
    make_cart: Callable[..., Any], examples: Any, config: TrainConfig, run: Path
) -> int:
    """Train to the end although every life is longer by some steps only; return the lives."""
    rng = np.random.default_rng(5)
    life = 60
    for lives in range(1, 100):
        world = make_cart(die_at=life)
        with suppress(world.Killed):
            assert train(world, examples, config, run=run, evaluate=judge).finished
            return lives
        life += int(rng.integers(1, 40))
    raise AssertionError('it never ended')


@pytest.mark.parametrize(
    'changes',
    [{}, {'normalise_reward': True, 'stall_guard': True, 'stall_window': 40}, {'capacity': 120}],
    ids=['default', 'stateful switches', 'ring that wraps'],
)
def test_a_training_killed_again_and_again_ends_as_if_left_alone(
    make_cart: Callable[..., Any],
    examples: NDArray[np.float32],
    tiny: TrainConfig,
    tmp_path: Path,
    changes: dict[str, Any],
) -> None:
    config = tiny.set(**changes)
    whole = train(make_cart(), examples, config, run=tmp_path / 'whole', evaluate=judge)
    assert whole.env_steps == 260
    assert len(whole.evaluations) >= 4
    lives = killed_again_and_again(make_cart, examples, config, tmp_path / 'killed')
    assert lives >= 3
    assert_same(tmp_path / 'killed', tmp_path / 'whole')
    ignored = ('wall_s', 'time/fps', 'time/updates_per_second')
    found = lines(tmp_path / 'killed', 'metrics.jsonl', without=ignored)
    assert [(line['source'], line['env_steps']) for line in found if line['source'] == 'reward'] \
        == [(line['source'], line['env_steps'])
            for line in lines(tmp_path / 'whole', 'metrics.jsonl', without=ignored)
            if line['source'] == 'reward']  # fmt: skip


@pytest.mark.parametrize('kind', ['vae', 'pixels'])
def test_a_killed_training_on_images_ends_as_if_left_alone(
    make_cart: Callable[..., Any], tiny: TrainConfig, tmp_path: Path, kind: str
) -> None:
    def camera(die_at: int | None = None) -> Any:
        return make_cart(image_size=32, die_at=die_at)

    config = tiny.set(
        kind=kind, vae_steps=3, encoder__channels=(2, 2), reward__channels=(2, 2), steps=140,
        input='pixels', latent_size=4, trunk=(2, 2) if kind == 'pixels' else (), history=1,
    )  # fmt: skip
    goals = np.stack([camera().observe().image] * 20)
    train(camera(), goals, config, run=tmp_path / 'whole', evaluate=judge)
    killed_again_and_again(camera, goals, config, tmp_path / 'killed')
    assert_same(tmp_path / 'killed', tmp_path / 'whole')


def test_a_killed_training_with_prior_experience_ends_as_if_left_alone(
    make_cart: Callable[..., Any], tiny: TrainConfig, tmp_path: Path
) -> None:
    def hand(die_at: int | None = None) -> Any:
        cart = make_cart(image_size=32, die_at=die_at)
        cart.joints_commanded = True  # as a scene's
        return cart

    config = tiny.set(
        vae_steps=3, encoder__channels=(2, 2), latent_size=4, steps=140, metrics_steps=20
    )
    goals = np.stack([hand().observe().image] * 20)
    rng = np.random.default_rng(0)
    count = 40
    for name in ('whole', 'killed'):
        replay = Replay(tmp_path / name / PRIOR, count, 32, 4, 1)
        numbers, columns = np.arange(count), np.zeros((count, 1), np.float32)
        replay.ring.extend(
            sequence=numbers, policy=np.full(count, TASK), first=numbers % 10 == 0,
            last=numbers % 10 == 9, image=np.tile(goals, (2, 1, 1, 1)) // 2,
            joint_position=columns, previous_action=columns, action=columns,
            latent=rng.normal(size=(count, 4)),
        )  # fmt: skip
    train(hand(), goals, config, run=tmp_path / 'whole', evaluate=judge)
    killed_again_and_again(hand, goals, config, tmp_path / 'killed')
    assert_same(tmp_path / 'killed', tmp_path / 'whole')
    found, plain = lines(tmp_path / 'whole', 'metrics.jsonl', without=()), tmp_path / 'plain'
    assert any('train/prior_reward_mean' in line for line in found)
    train(hand(), goals, config, run=plain, evaluate=judge)
    policies = [(run / 'checkpoints/policy.safetensors').read_bytes()
                for run in (plain, tmp_path / 'whole')]  # fmt: skip
    assert policies[0] != policies[1]


def test_a_training_that_was_told_to_stop_goes_on_where_it_was(
    make_cart: Callable[..., Any],
    examples: NDArray[np.float32],
    tiny: TrainConfig,
    tmp_path: Path,
) -> None:
    train(make_cart(), examples, tiny, run=tmp_path / 'whole', evaluate=judge)
    asked = iter(range(10_000))
    stopped = train(
        make_cart(), examples, tiny, run=tmp_path / 'run', evaluate=judge,
        stop=lambda: next(asked) > 120,
    )  # fmt: skip
    assert not stopped.finished
    assert 60 < stopped.env_steps < 260
    world = make_cart()
    train(world, examples, tiny, run=tmp_path / 'run', evaluate=judge)
    assert world.resets == 0  # It went on from its saved state.
    assert_same(tmp_path / 'run', tmp_path / 'whole')


def test_a_finished_training_is_not_trained_again(
    make_cart: Callable[..., Any],
    examples: NDArray[np.float32],
    tiny: TrainConfig,
    tmp_path: Path,
) -> None:
    first = train(make_cart(), examples, tiny, run=tmp_path / 'run', evaluate=judge)
    shutil.copytree(tmp_path / 'run', tmp_path / 'copy')
    world = make_cart()
    again = train(world, examples, tiny, run=tmp_path / 'run', evaluate=judge)
    assert world.steps <= 3  # only homing
    assert again.updates == first.updates
    assert_same(tmp_path / 'run', tmp_path / 'copy')


def test_a_world_that_cannot_go_back_is_reset_and_the_training_goes_on(
    make_cart: Callable[..., Any],
    examples: NDArray[np.float32],
    tiny: TrainConfig,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    asked = iter(range(10_000))
    worlds = [make_cart(), make_cart()]
    for world in worlds:
        world.save_state = lambda: None
    train(worlds[0], examples, tiny, run=tmp_path, stop=lambda: next(asked) > 120)
    result = train(worlds[1], examples, tiny, run=tmp_path)
    assert result.finished
    assert worlds[1].resets == 1
    assert caplog.text.count('cannot go back to where it was') == 1


def test_other_settings_than_the_run_was_begun_with_are_refused(
    make_cart: Callable[..., Any],
    examples: NDArray[np.float32],
    tiny: TrainConfig,
    tmp_path: Path,
) -> None:
    train(make_cart(), examples, tiny, run=tmp_path)
    assert (tmp_path / FILE).exists()
    with pytest.raises(ConfigError, match=r'begun with learner\.batch 16, not 32'):
        train(make_cart(), examples, tiny.set(learner__batch=32), run=tmp_path)
    longer = train(make_cart(), examples, tiny.set(steps=300), run=tmp_path)
    assert longer.env_steps == 300


def test_a_run_of_the_graph_is_refused(
    make_cart: Callable[..., Any],
    examples: NDArray[np.float32],
    tiny: TrainConfig,
    tmp_path: Path,
) -> None:
    (tmp_path / 'checkpoints').mkdir()
    (tmp_path / 'checkpoints' / 'learner.safetensors').write_bytes(b'')
    with pytest.raises(ConfigError, match='trained by the ROS graph'):
        train(make_cart(), examples, tiny, run=tmp_path)
