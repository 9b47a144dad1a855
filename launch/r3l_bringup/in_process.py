# SPDX-License-Identifier: Apache-2.0
"""
Training in this process, without ROS: the same run folder, the same parameters, the same report.

What the graph spreads over its nodes, :func:`r3l_agent.train` does step by step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
import os
from pathlib import Path
import signal
from typing import Any, TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from r3l_bringup.config import Request
from r3l_bringup.hardware import Values
from r3l_bringup.prepare import lock, prepare, Run
from r3l_bringup.screen import Screen
from r3l_bringup.train import say_given, say_how_it_ended
from r3l_node.core.errors import ConfigError
from r3l_node.core.parameters import build

if TYPE_CHECKING:
    from r3l_agent import TrainConfig
    from r3l_sim.core.world import SceneWorld


def train_in_process(
    request: Request, folder: Path | None, given: bool = True, *, viewer: bool = False
) -> int:
    """
    Train to the end, showing the screen.

    :param folder: run folder; None: a new one below ``runs`` in the current folder.
    :param given: False if the user named nothing but the folder and perhaps the steps.
    :param viewer: refused; there is no topic to look at.
    :return: exit code.
    :raises ConfigError: before anything starts.
    """
    _refuse(request, viewer)
    run = prepare(request, folder, Path('runs'), given)
    _refuse_run(run)
    held = lock(run.folder)
    print(f'{"continuing" if run.resumed else "run folder"} {run.folder}', flush=True)
    say_given(run)
    try:
        with _interrupted() as number, Screen(run.folder) as screen:

            def stop() -> bool:
                screen.tick({})
                return number() != 0

            finished = _train(run, stop)
        if finished:
            # Imported at the end: plots need matplotlib.
            from r3l_bringup.report import write_report

            write_report(run.folder)
    finally:
        os.close(held)
    code = 0 if finished else 128 + number()
    say_how_it_ended(run.folder, code, '--no-ros ')
    return code


def train_config(values: Values) -> TrainConfig:
    """
    Return the settings of the training without ROS that are those of a graph.

    :param values: every parameter of every node of it.
    """
    from r3l_agent import TrainConfig
    from r3l_agent.core.loop.config import PARTS

    parts: dict[str, Any] = {
        name: build(kind, values[name], node=name) for name, kind in PARTS.items()
    }
    return TrainConfig(
        **parts, evaluate_every=values['evaluator']['every'], profile=values['monitor']['profile']
    )


def world(values: Values) -> SceneWorld:
    """
    Return the scene that the parameters of the simulator and of the agent describe.

    Episodic learning with the true reward is the instrumented oracle: it sees the object's state.
    """
    from r3l_sim.core.config import SimConfig
    from r3l_sim.core.world import SceneWorld

    agent = values['agent']
    oracle = agent['resets'] and values['learner']['reward_source'] == 'environment'
    return SceneWorld(
        build(SimConfig, values['sim'], node='sim'),
        features='state' if oracle else 'image',
        low=agent['joint_low'],
        high=agent['joint_high'],
        home=agent['home'],
    )


def _train(run: Run, stop: Callable[[], bool]) -> bool:
    # Imported here: torch and MuJoCo take a second.
    from r3l_agent import train
    from r3l_sim.core.config import EvaluatorConfig
    from r3l_sim.core.world import SceneEvaluation

    judged = build(EvaluatorConfig, run.values['evaluator'], node='evaluator')
    judge, scene = SceneEvaluation(judged, stop), world(run.values)
    try:
        result = train(
            scene, _goals(run.values, scene.feature_size), train_config(run.values),
            run=run.folder, evaluate=judge, stop=stop,
        )  # fmt: skip
    finally:
        scene.close()
        judge.close()
    return bool(result.finished)


def _goals(values: Values, features: int) -> NDArray[Any]:
    if features:  # the instrumented oracle has no use for examples
        return np.zeros((0, features), np.float32)
    from r3l_reward.core.goals import load_goals

    reward = values['reward']
    return load_goals(reward['goals'], reward['image_size'], reward['minimum_goals'])


def _refuse(request: Request, viewer: bool) -> None:
    if viewer:
        raise ConfigError('--viewer looks at a topic: expected a training with ROS')
    if request.hardware not in (None, 'sim'):
        raise ConfigError(f"hardware is '{request.hardware}': expected sim, with --no-ros")
    if request.pace not in (None, 'lockstep'):
        raise ConfigError(f"pace is '{request.pace}': expected lockstep, with --no-ros")


def _refuse_run(run: Run) -> None:
    """Refuse a run that was begun otherwise; a continued one says itself what it is."""
    monitor = run.values['monitor']
    _refuse(Request(hardware=monitor['hardware'], pace=monitor['pace']), viewer=False)


@contextmanager
def _interrupted() -> Iterator[Callable[[], int]]:
    """Note the first signal that asks to stop instead of dying of it; 0: none came."""
    came: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def note(number: int, frame: object) -> None:
        came.append(number)
        restore()  # a second one need not wait: nothing is lost but time

    for number in numbers:
        signal.signal(number, note)
    try:
        yield lambda: came[0] if came else 0
    finally:
        restore()
