# SPDX-License-Identifier: Apache-2.0
"""Gymnasium environments as worlds: what is seen, what is refused, when they are reset."""

from typing import Any

import gymnasium
from gymnasium import spaces
import numpy as np
import pytest
from r3l_agent import GymWorld, train, TrainConfig
from r3l_agent.core.interventions import INTERVENTIONS
from r3l_node.core.errors import ConfigError
from r3l_node.core.records import read_lines

Space = spaces.Box | spaces.Dict


class Drift(gymnasium.Env[Any, Any]):
    """A point that drifts and dies at the border; observed as the test wants."""

    def __init__(self, space: Space, *, deadly: bool = False) -> None:
        self.observation_space = space
        self.action_space = spaces.Box(-1.0, 2.0, (1, 2), np.float32)
        self.deadly = deadly
        self.seeds: list[int | None] = []
        self.actions: list[Any] = []
        self.x = 0.0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        self.seeds.append(seed)
        self.x = 0.0
        return self._see(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert self.action_space.contains(action)
        self.actions.append(action)
        self.x += 0.1 * float(action.sum())
        return self._see(), -abs(self.x), self.deadly and abs(self.x) > 0.5, False, {}

    def _see(self) -> Any:
        whole = {
            'achieved': np.array([self.x, 1.0], np.float32),
            'speed': np.array([3.0], np.float32),
            'camera': np.full((48, 64, 3), int(abs(self.x) * 100) % 256, np.uint8),
        }
        if isinstance(self.observation_space, spaces.Dict):
            return {name: whole[name] for name in self.observation_space.spaces}
        return whole['achieved']


VECTOR = spaces.Box(-np.inf, np.inf, (2,), np.float32)
SPEED = spaces.Box(-np.inf, np.inf, (1,), np.float32)
CAMERA = spaces.Box(0, 255, (48, 64, 3), np.uint8)
BOTH = spaces.Dict(achieved=VECTOR, speed=SPEED)
ALL = spaces.Dict(achieved=VECTOR, speed=SPEED, camera=CAMERA)


def test_a_box_is_what_the_classifier_sees() -> None:
    world = GymWorld(Drift(VECTOR))
    world.reset(np.random.default_rng(0))
    assert (world.image_size, world.feature_size, world.joints) == (None, 2, 0)
    assert world.observe().features.tolist() == [0.0, 1.0]


def test_keys_that_are_no_goals_are_proprioception() -> None:
    world = GymWorld(Drift(BOTH), ['achieved'])
    world.reset(np.random.default_rng(0))
    sensed = world.observe()
    assert sensed.features.tolist() == [0.0, 1.0]
    assert sensed.joint_position.tolist() == [3.0]
    assert (world.feature_size, world.joints) == (2, 1)


def test_one_array_of_goals_is_the_image_if_there_is_one_or_else_all_vectors() -> None:
    seen = GymWorld(Drift(ALL))
    assert (seen.goals, seen.image_size, seen.joints) == (['camera'], 48, 3)
    felt = GymWorld(Drift(BOTH))
    assert (felt.goals, felt.feature_size, felt.joints) == (['achieved', 'speed'], 3, 0)


def test_images_are_cut_to_a_square() -> None:
    world = GymWorld(Drift(ALL))
    world.reset(np.random.default_rng(0))
    image = world.observe().image
    assert image is not None
    assert image.shape == (48, 48, 3)
    assert world.examples(np.zeros((3, 48, 64, 3), np.uint8)).shape == (3, 48, 48, 3)


def test_goals_by_key_are_joined_in_the_order_of_the_observation() -> None:
    world = GymWorld(Drift(BOTH), ['speed', 'achieved'])
    goals = world.examples({'speed': np.full((4, 1), 3.0), 'achieved': np.zeros((4, 2))})
    assert goals.tolist() == [[0.0, 0.0, 3.0]] * 4
    assert goals.dtype == np.float32


def test_a_target_is_an_action_of_the_environment() -> None:
    world = GymWorld(Drift(VECTOR))
    world.reset(np.random.default_rng(0))
    assert world.low.tolist() == [-1.0, -1.0]
    assert world.home.tolist() == [0.0, 0.0]
    feedback = world.step(np.array([1.0, 2.0]))
    assert world.env.actions[0].tolist() == [[1.0, 2.0]]
    assert feedback.reward == pytest.approx(-0.3)


@pytest.mark.parametrize(
    ('env', 'goals', 'message'),
    [
        (Drift(spaces.Dict(a=spaces.Discrete(3))), None, 'a is a Discrete: expected a Box'),
        (Drift(BOTH), ['other'], "goals have the key 'other': expected of achieved, speed"),
        (Drift(ALL), ['camera', 'speed'], 'goals are speed, camera: expected one image alone'),
        (Drift(BOTH), [], 'goals have no key'),
    ],
)
def test_what_cannot_be_a_world_is_refused(env: Any, goals: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        GymWorld(env, goals)


def test_actions_without_bounds_are_refused() -> None:
    env = Drift(VECTOR)
    env.action_space = spaces.Box(-np.inf, np.inf, (1,), np.float32)
    with pytest.raises(ConfigError, match='expected finite low < high'):
        GymWorld(env)
    env.action_space = spaces.Discrete(2)
    with pytest.raises(ConfigError, match='actions are of Discrete: expected a Box'):
        GymWorld(env)


@pytest.mark.parametrize(
    ('goals', 'message'),
    [
        (np.zeros((30, 3)), r'goals has shape \(30, 3\)'),
        (np.full((30, 2), np.nan), 'not finite'),
        (np.zeros((5, 2)), '5 goals: expected at least 20'),
    ],
)
def test_goals_that_do_not_fit_are_refused(tiny: TrainConfig, goals: Any, message: str) -> None:
    env = Drift(VECTOR)
    with pytest.raises(ConfigError, match=message):
        train(env, goals, tiny)
    assert not env.seeds  # Nothing has moved.


def test_it_is_reset_only_at_the_start_though_a_time_limit_passes(tiny: TrainConfig) -> None:
    env = Drift(BOTH)
    limited = gymnasium.wrappers.TimeLimit(env, max_episode_steps=15)
    goals = {'achieved': np.zeros((30, 2))}
    result = train(limited, goals, tiny.set(steps=120))
    assert result.finished
    assert result.env_steps == 120
    assert len(env.seeds) == 1
    assert result.interventions == 0
    assert len(env.actions) > 120


def test_a_terminal_state_makes_a_reset_that_is_counted(tiny: TrainConfig, tmp_path: Any) -> None:
    env = Drift(VECTOR, deadly=True)
    result = train(env, np.zeros((30, 2)), tiny.set(steps=120), run=tmp_path)
    assert result.interventions > 0
    assert len(env.seeds) == 1 + result.interventions
    lines = read_lines(tmp_path / INTERVENTIONS)
    assert [line['kind'] for line in lines] == ['reset'] * result.interventions
    assert lines[-1]['count'] == result.interventions
    folder = tmp_path / 'replay' / 'learner'
    count = int(np.load(folder / 'count.npy')[0])
    terminal, last = (np.load(folder / f'{name}.npy')[:count] for name in ('terminal', 'last'))
    # A terminal of the homing is reset, too, but ends no episode.
    assert 0 < terminal.sum() <= result.interventions
    assert last[terminal].all()
    states = np.load(folder / 'image.npy')[:count]
    assert (np.abs(states[terminal, 0]) > 0.5).all()
    assert (np.abs(states[~terminal, 0]) <= 0.5).all()


def test_images_with_proprioception_are_trained_on(tiny: TrainConfig) -> None:
    goals = {'camera': np.zeros((30, 48, 64, 3), np.uint8)}
    config = tiny.set(steps=90, vae_steps=3, channels=(4, 4), encoder__latent_size=4)
    with pytest.raises(ConfigError, match='expected one value'):
        train(Drift(ALL), goals, config)
    result = train(Drift(ALL), goals, config.set(latent_size=4))
    assert result.finished
    assert result.policy is not None
    world = GymWorld(Drift(ALL), ['camera'])
    world.reset(np.random.default_rng(0))
    target = result.policy(world.observe(), first=True)
    assert ((world.low <= target) & (target <= world.high)).all()


def test_evaluation_in_an_environment_tells_return_and_success(tiny: TrainConfig) -> None:
    class Judged(Drift):
        def step(self, action: Any) -> Any:
            *rest, info = super().step(action)
            return *rest, info | {'is_success': True}

    judge = gymnasium.wrappers.TimeLimit(Judged(VECTOR), max_episode_steps=5)
    env = Drift(VECTOR)
    result = train(env, np.zeros((30, 2)), tiny.set(steps=90), evaluate=judge)
    assert [line['env_steps'] for line in result.evaluations] == [0, 60, 90]
    for line in result.evaluations:
        assert line['success_rate'] == 1.0
        assert line['return_mean'] <= 0.0
    with pytest.raises(ConfigError, match='expected another one'):
        train(env, np.zeros((30, 2)), tiny, evaluate=env)
