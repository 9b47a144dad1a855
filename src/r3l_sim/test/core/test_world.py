# SPDX-License-Identifier: Apache-2.0
"""A scene as the world of a training without ROS."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from r3l_agent import World
from r3l_agent.core.loop.result import TrainingStoppedError
from r3l_agent.core.loop.world import Witness
from r3l_sim.core.config import EvaluatorConfig, SimConfig
from r3l_sim.core.life_log import read_life
from r3l_sim.core.scene import Scene
from r3l_sim.core.state_file import StateKeeper
from r3l_sim.core.world import SceneEvaluation, SceneWorld


def config(**values: Any) -> SimConfig:
    return SimConfig(backend='rays', **values)


def test_it_begins_where_the_simulator_of_the_graph_begins() -> None:
    world, scene = SceneWorld(config()), Scene('valve', backend='rays')
    world.reset(np.random.default_rng([3, 0]))
    StateKeeper(None, scene, 1).restore(3)
    assert world.scene.object_state() == scene.object_state()
    sensed = world.observe()
    assert sensed.image is not None
    assert np.array_equal(sensed.image, scene.image())
    assert np.array_equal(sensed.joint_position, scene.joint_position)


def test_it_is_a_world_with_records() -> None:
    world = SceneWorld(config())
    assert isinstance(world, World)
    assert isinstance(world, Witness)
    assert (world.name, world.image_size, world.feature_size, world.joints) == ('valve', 32, 0, 9)


def test_the_instrumented_oracle_sees_the_state_and_no_image() -> None:
    world = SceneWorld(config(), features='state')
    world.reset(np.random.default_rng(0))
    sensed = world.observe()
    angle = world.scene.object_state()['angle']
    assert sensed.image is None
    assert sensed.features == pytest.approx([np.cos(angle), np.sin(angle)], abs=1e-6)
    with pytest.raises(ValueError, match='expected one of image, state'):
        SceneWorld(config(), features='smell')


def test_its_own_reward_is_that_of_the_task() -> None:
    world = SceneWorld(config())
    world.reset(np.random.default_rng(1))
    feedback = world.step(world.home)
    state = world.scene.object_state()
    assert feedback.reward == world.scene.task.reward(state)
    assert not feedback.terminal


def test_a_saved_world_goes_on_exactly_with_its_records(tmp_path: Path) -> None:
    first = SceneWorld(config(run=str(tmp_path)))
    first.reset(np.random.default_rng(2))
    rng = np.random.default_rng(0)
    targets = rng.uniform(first.low, first.high, (8, 9))

    def go(world: SceneWorld, part: slice) -> None:
        for step, target in list(enumerate(targets))[part]:
            world.note(step)
            world.step(target)

    go(first, slice(0, 4))
    saved = {name: np.array(value) for name, value in first.save_state().items()}
    go(first, slice(4, 8))
    first.write_records(tmp_path)
    coverage = (tmp_path / 'coverage.json').read_text()
    life = read_life(tmp_path)
    assert life is not None
    assert len(life) == 8
    first.close()
    second = SceneWorld(config(run=str(tmp_path)))
    second.load_state(saved)
    go(second, slice(4, 8))
    second.write_records(tmp_path)
    assert (tmp_path / 'coverage.json').read_text() == coverage
    again = read_life(tmp_path)
    assert again is not None
    assert np.array_equal(again, life)
    second.close()


def test_an_evaluation_that_is_told_to_stop_stops_the_training(tmp_path: Path) -> None:
    judge = SceneEvaluation(
        EvaluatorConfig(backend='rays', starts=1, run=str(tmp_path)), stop=lambda: True
    )
    with pytest.raises(TrainingStoppedError):
        judge(({}, {}), ({}, {}), 0)
    assert not (tmp_path / 'baselines.json').exists()
