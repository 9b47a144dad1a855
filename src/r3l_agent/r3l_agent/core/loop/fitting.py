# SPDX-License-Identifier: Apache-2.0
"""Make settings, goals and world fit together, or say why they do not."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from r3l_agent.core.learner_config import check_trunk, LearningConfig
from r3l_agent.core.loop.config import TrainConfig
from r3l_agent.core.loop.gym_evaluation import GymEvaluation
from r3l_agent.core.loop.gym_world import GymWorld
from r3l_agent.core.loop.result import Evaluate
from r3l_agent.core.loop.world import World
from r3l_agent.core.observation import Layout
from r3l_node.core.errors import ConfigError
from r3l_perception.core.pixels import pixel_count
from r3l_reward.core.config import check_warm_up

# What must be the same in all parts that have it.
SHARED = (
    'task',
    'seed',
    'image_size',
    'latent_size',
    'warmup_steps',
    'round_steps',
    'perturbation',
)


def world_of(env: Any, goals: Any, evaluate: Any) -> tuple[World, Evaluate | None]:
    """
    Return what a user gave as a world and what judges policies.

    :param env: a Gymnasium environment or a ``World``.
    :param goals: by key, if a key says what the classifier sees.
    :param evaluate: a Gymnasium environment, an ``Evaluate`` or None.
    """
    keys = list(goals) if isinstance(goals, Mapping) else None
    world: World = GymWorld(env, keys) if _is_gym(env) else env
    if not isinstance(world, World):
        raise ConfigError(
            f'env is a {type(env).__name__}: expected a Gymnasium environment or a World'
        )
    if evaluate is not None and _is_gym(evaluate):
        if evaluate is env:
            raise ConfigError('evaluate is the environment of the training: expected another one')
        evaluate = GymEvaluation(evaluate, keys)
    return world, evaluate


def _is_gym(env: Any) -> bool:
    return hasattr(env, 'observation_space') and hasattr(env, 'action_space')


def fitted(config: TrainConfig, world: World, run: Path | None) -> TrainConfig:
    """
    Return settings of a world: its ranges and sizes, and one value of what parts share.

    :param config: as the user gave it.
    :param world: to act in.
    :param run: folder of the run, or None.
    :raises ConfigError: one sentence, if parts disagree or the world cannot have this.
    """
    low, high, home = (tuple(map(float, v)) for v in (world.low, world.high, world.home))
    values: dict[str, Any] = {
        'task': world.name,
        'run': '' if run is None else str(run),
        'lockstep': True,
        'driver': False,
        'joint_low': low,
        'joint_high': high,
        'home': home,
    }
    if len(config.agent.joint_names) != len(low):
        values['joint_names'] = tuple(f'action{k}' for k in range(len(low)))
    entropy = next(f.default for f in fields(LearningConfig) if f.name == 'target_entropy')
    if config.learner.target_entropy == entropy:
        values['target_entropy'] = -float(len(low))
    if world.image_size is not None:
        values['image_size'] = world.image_size
        if config.encoder.kind == 'pixels':
            values['latent_size'] = pixel_count(world.image_size)
    else:
        values['latent_size'] = world.feature_size
        _check_features(config)
    found = config.set(**values)
    _check_shared(found)
    if found.learner.reward_source == 'classifier':
        reward = found.reward
        check_warm_up(found.agent.warmup_steps, reward.round_steps, reward.initial_negatives)
    _check_pixels(found)
    if found.learner.perturbation == 'goals' and not found.reward.reset_goals:
        raise ConfigError(
            "perturbation is 'goals' and reward.reset_goals is '': expected a folder of images of "
            'states to begin from'
        )
    return found


def _check_features(config: TrainConfig) -> None:
    if config.encoder.kind == 'pixels':
        raise ConfigError("encoder.kind is 'pixels': expected 'vae' in a world without images")
    for name, part, field in (
        ('reward.input', config.reward, 'input'),
        ('learner.rnd_input', config.learner, 'rnd_input'),
    ):
        if getattr(part, field) == 'pixels':
            raise ConfigError(f'{name} is pixels: expected latent in a world without images')
    if config.reward.reset_goals or config.agent.perturbation == 'goals':
        raise ConfigError('perturbation is goals: expected another one in a world without images')


def _check_shared(config: TrainConfig) -> None:
    parts = config.parts()
    for name in SHARED:
        found = {part: getattr(own, name) for part, own in parts.items() if hasattr(own, name)}
        if len(set(found.values())) > 1:
            told = ', '.join(f'{part}.{name} is {value}' for part, value in found.items())
            raise ConfigError(f'{told}: expected one value (TrainConfig().set({name}=...))')


def _check_pixels(config: TrainConfig) -> None:
    learner, kind = config.learner, config.encoder.kind
    if (kind == 'pixels') != bool(learner.trunk):
        raise ConfigError(
            f"encoder.kind is '{kind}' and learner.trunk is {list(learner.trunk)}: expected both "
            'for pixels, or neither'
        )
    check_trunk(learner.trunk, learner.image_size, learner.latent_size, learner.history)
    if kind == 'pixels' and config.reward.input != 'pixels':
        raise ConfigError(
            f"encoder.kind is 'pixels' and reward.input is '{config.reward.input}': expected "
            "'pixels', because there are no latents"
        )


def layout_of(world: World, config: TrainConfig, slack: int) -> Layout:
    """
    Return what is stored of an observation in a world.

    :param world: to act in.
    :param config: settings.
    :param slack: rows by which the run must be able to go back.
    """
    # A scene with its own classifier is stored as the graph stores it.
    hand = world.joints_commanded and config.learner.reward_source == 'classifier'
    return Layout(
        joints=None if world.joints_commanded else world.joints,
        features=world.feature_size,
        outcomes=not hand,
        slack=slack,
    )


def examples_of(world: World, goals: Any, config: TrainConfig) -> NDArray[Any]:
    """
    Return examples of success as the classifier takes them.

    :param world: that they are of.
    :param goals: as the user gave them.
    :param config: settings.
    :raises ConfigError: one sentence, if they are of another shape or too few.
    """
    examples: NDArray[Any] = world.examples(goals) if isinstance(world, GymWorld) else goals
    shape: tuple[int, ...] = (world.feature_size,)
    if world.image_size is not None:
        shape = (world.image_size, world.image_size, 3)
    if examples.shape[1:] != shape:
        raise ConfigError(f'goals have shape {examples.shape}: expected (count, *{shape})')
    least = config.reward.minimum_goals
    if config.learner.reward_source == 'classifier' and len(examples) < least:
        raise ConfigError(
            f'{len(examples)} goals: expected at least {least} (reward.minimum_goals)'
        )
    return examples
