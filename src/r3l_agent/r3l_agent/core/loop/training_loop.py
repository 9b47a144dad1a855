# SPDX-License-Identifier: Apache-2.0
"""The whole training in one process: what the graph does, step by step."""

from collections.abc import Callable, Mapping
import logging
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray
from r3l_agent.core.agent_state import AgentState
from r3l_agent.core.loop.checkpoint import Checkpoint, read
from r3l_agent.core.loop.config import TrainConfig
from r3l_agent.core.loop.deployed import Deployed
from r3l_agent.core.loop.fitting import examples_of, fitted, layout_of, world_of
from r3l_agent.core.loop.records import EVALUATION, Records
from r3l_agent.core.loop.result import Evaluate, TrainingStoppedError, TrainResult
from r3l_agent.core.loop.saving import (
    check_settings,
    go_back,
    restore,
    SLACK,
    write,
    write_models,
)
from r3l_agent.core.loop.trainer import Trainer
from r3l_agent.core.loop.world import World
from r3l_agent.core.policy import Policy
from r3l_node.core.records import read_lines
from r3l_node.core.status import Status
from r3l_reward.core.goals import load_goals
import torch

Goals = NDArray[Any] | Mapping[str, NDArray[Any]]
LOG = logging.getLogger('r3l_agent.train')


def _never() -> bool:
    return False


def train(
    env: World | Any,
    goals: Goals,
    config: TrainConfig | None = None,
    *,
    run: Path | str | None = None,
    evaluate: Evaluate | Any | None = None,
    stop: Callable[[], bool] = _never,
) -> TrainResult:
    """
    Train a policy from examples of success, without resets and without a reward function.

    :param env: a Gymnasium environment, or a ``World``.
    :param goals: examples of success: images, shape (count, size, size, 3) uint8, or feature
        vectors, shape (count, features); by key of a Dict observation, or as one array.
    :param config: settings; the defaults if None. Ranges of actions and sizes of images and
        features are those of the environment, whatever the configuration says.
    :param run: folder to keep everything in; one that a stopped training left is gone on with.
    :param evaluate: judges the deployed policy every ``evaluate_every`` env steps; a Gymnasium
        environment: by its reward and ``info['is_success']``, in that environment.
    :param stop: asked at every step; True ends the training after a checkpoint.
    :return: where it stands.
    :raises ConfigError: one sentence, if settings, goals and environment do not fit together.
    """
    world, judge = world_of(env, goals, evaluate)
    folder = _folder(run)
    settings = fitted(config or TrainConfig(), world, folder)
    examples = examples_of(world, goals, settings)
    threads = torch.get_num_threads()
    torch.set_num_threads(settings.learner.threads)
    try:
        return _train(world, examples, settings, folder, judge, stop)
    finally:
        torch.set_num_threads(threads)


def _folder(run: Path | str | None) -> Path | None:
    if run is None:
        return None
    folder = Path(run).expanduser().resolve()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _train(
    world: World,
    examples: NDArray[Any],
    config: TrainConfig,
    run: Path | None,
    judge: Evaluate | None,
    stop: Callable[[], bool],
) -> TrainResult:
    checkpoint = read(run) if run else None
    state = None
    if checkpoint is not None and run is not None:
        check_settings(checkpoint, config, run)
        agent = AgentState.from_json(checkpoint.facts['agent'], config.agent.task)
        state = agent, int(checkpoint.facts['homing'])
    if run is not None:
        go_back(run, checkpoint)
    records = _records(config, run, checkpoint)
    try:
        layout = layout_of(world, config, SLACK + 2 * config.agent.longest_episode if run else 0)
        trainer = Trainer(
            world, examples, _reset_goals(config), config, layout, records, judge, stop, state
        )
        if checkpoint is not None and run is not None:
            restore(trainer, checkpoint, run)
        else:
            world.reset(np.random.default_rng([config.agent.seed, 0]))
            trainer.begin()
        finished = _go(trainer, run, config.learner.checkpoint_seconds)
        return _result(trainer, run, finished)
    finally:
        records.close()


def _records(config: TrainConfig, run: Path | None, checkpoint: Checkpoint | None) -> Records:
    agent = config.agent
    status = Status(task=agent.task, profile=config.profile, steps=agent.steps)
    if run is None or checkpoint is None:
        return Records(run, status)
    lines = tuple(read_lines(run / EVALUATION))
    return Records(run, status, checkpoint.facts['wall_s'], lines)


def _reset_goals(config: TrainConfig) -> NDArray[np.uint8] | None:
    reward = config.reward
    if not reward.reset_goals:
        return None
    return load_goals(reward.reset_goals, reward.image_size, reward.minimum_goals)


def _go(trainer: Trainer, run: Path | None, period: float) -> bool:
    """Take steps to the end, or until it is told to stop; return whether that is the end."""
    due = monotonic() + period
    kept = trainer.rows
    try:
        while trainer.step():
            if not trainer.episode_over:
                continue
            stopping, steps = trainer.stopping(), trainer.env_steps
            full = trainer.rows - kept >= SLACK or steps >= trainer.config.agent.steps
            if run is not None and (stopping or full or monotonic() >= due):
                write(trainer, run)
                due = monotonic() + period
                kept = trainer.rows
            if stopping:
                return False
        trainer.evaluate_last()
    except TrainingStoppedError:
        return False
    if run is not None:
        write_models(trainer, run)
    trainer.records.status.finished = True
    return True


def _result(trainer: Trainer, run: Path | None, finished: bool) -> TrainResult:
    training, agent = trainer.learning.training, trainer.alternation
    policy = None
    encoder = trainer.encoding.encoder
    if encoder is not None:
        policy = Deployed(encoder, Policy.from_weights(*training.learner.policy_weights()))
    return TrainResult(
        run=run,
        env_steps=trainer.env_steps,
        updates=training.learner.updates,
        episodes=agent.state.episode,
        interventions=trainer.interventions,
        finished=finished,
        evaluations=tuple(trainer.records.evaluations),
        policy=policy,
    )
