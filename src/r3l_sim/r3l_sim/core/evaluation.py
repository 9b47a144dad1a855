# SPDX-License-Identifier: Apache-2.0
"""Deployed evaluation: a policy, fixed starts, no learning, success only where it stays."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from r3l_sim.core.hand import HOME
from r3l_sim.core.mjcf import TASK_CAMERA
from r3l_sim.core.scene import Scene
from r3l_sim.core.tasks import State, Task

Act = Callable[[NDArray[np.uint8], NDArray[np.float64], bool], NDArray[np.floating]]
Watch = Callable[[Sequence[Scene]], None]
FILM_COLUMNS = 9
FILM_SIZE = (64, 64)  # of a frame [px]


class EvaluationStoppedError(RuntimeError):
    """The evaluation was told to stop before its end."""


@dataclass(frozen=True, slots=True)
class EvaluationResult:
    """
    What one evaluation found.

    :param unit: unit of every distance.
    :param starts: the object states that the episodes began in.
    :param distances: after each step, shape (starts, steps) [unit].
    :param errors: by name, each of shape (starts, steps + 1) in the task's ``error_units``;
        column 0 is the start.
    :param success: within the lenient limits through the last second, shape (starts,).
    :param success_strict: the same with the strict limits, shape (starts,).
    :param frames: pictures for a film strip, shape (starts, columns, height, width, 3), or None.
    :param frame_steps: the number of steps taken before each column, shape (columns,).
    :param period: control period [s].
    """

    unit: str
    starts: tuple[State, ...]
    distances: NDArray[np.float64]
    errors: Mapping[str, NDArray[np.float64]]
    success: NDArray[np.bool_]
    success_strict: NDArray[np.bool_]
    frames: NDArray[np.uint8] | None
    frame_steps: NDArray[np.int64]
    period: float

    @property
    def success_rate(self) -> float:
        """Fraction of the starts that succeeded, 0 to 1."""
        return float(self.success.mean())

    @property
    def success_rate_strict(self) -> float:
        """Fraction of the starts that succeeded strictly, 0 to 1."""
        return float(self.success_strict.mean())

    @property
    def final_distance_mean(self) -> float:
        """Mean distance after the last step [unit]."""
        return float(self.distances[:, -1].mean())

    @property
    def final_errors(self) -> dict[str, NDArray[np.float64]]:
        """Errors after the last step by name, each of shape (starts,), as in `errors`."""
        return {name: values[:, -1] for name, values in self.errors.items()}


def evaluate(
    scene: Scene,
    act: Act,
    starts: Sequence[State],
    *,
    steps: int | None = None,
    film: bool = True,
    stop: Callable[[], bool] = lambda: False,
    watch: Watch = lambda scenes: None,
) -> EvaluationResult:
    """
    Run one episode from each start, all at once.

    :param scene: supplies model and camera; its own state is not touched.
    :param act: (images (n, height, width, 3) uint8, joint positions (n, 9) [rad], first step?)
        -> joint targets (n, 9) [rad].
    :param starts: object states to begin in; the hand begins in its home pose.
    :param steps: control steps of an episode; the task's deployed episode if None.
    :param film: keep pictures for a film strip.
    :param stop: asked again and again; True ends the evaluation.
    :param watch: shown the scenes of all starts, at the start and after each step.
    :raises EvaluationStoppedError: if `stop` said so.
    :raises ValueError: if there is no start, or no time to hold still in.
    """
    task = scene.task
    steps = round(task.episode / scene.period) if steps is None else steps
    hold = max(1, round(task.hold / scene.period))
    if not starts or steps < hold:
        raise ValueError(f'{len(starts)} starts of {steps} steps: expected >= 1 of >= {hold}')
    scenes = [scene.twin() for _ in starts]
    for one, start in zip(scenes, starts, strict=True):
        one.reset(**start)
    frame_steps = np.unique(np.linspace(0, steps, FILM_COLUMNS).round().astype(np.int64))
    states = [[one.object_state() for one in scenes]]
    frames = []
    for step in range(steps + 1):
        watch(scenes)
        if film and step in frame_steps:
            views = [one.picture(FILM_SIZE, TASK_CAMERA) for one in _unless(stop, scenes)]
            frames.append(views)
        if step == steps:
            break
        images = np.stack([one.image() for one in _unless(stop, scenes)])
        joints = np.stack([one.joint_position for one in scenes])
        targets = act(images, joints, step == 0)
        for one, target in zip(_unless(stop, scenes), targets, strict=True):
            one.step(target)
        states.append([one.object_state() for one in scenes])
    last = states[-hold:]
    return EvaluationResult(
        unit=task.unit,
        starts=tuple(starts),
        distances=np.array([[task.distance(state) for state in row] for row in states[1:]]).T,
        errors=_errors(task, states),
        success=_all(task, last, strict=False),
        success_strict=_all(task, last, strict=True),
        frames=np.array(frames).swapaxes(0, 1) if film else None,
        frame_steps=frame_steps,
        period=scene.period,
    )


def _errors(task: Task, states: list[list[dict[str, float]]]) -> dict[str, NDArray[np.float64]]:
    errors = [[task.errors(state) for state in row] for row in states]
    return {
        name: np.array([[error[name] for error in row] for row in errors]).T
        for name in task.error_units
    }


def _all(task: Task, states: list[list[dict[str, float]]], *, strict: bool) -> NDArray[np.bool_]:
    """Say of each episode whether all its states are a success, shape (starts,)."""
    episodes = zip(*states, strict=True)
    return np.array([all(task.is_success(state, strict) for state in one) for one in episodes])


def _unless(stop: Callable[[], bool], scenes: list[Scene]) -> Iterator[Scene]:
    for scene in scenes:
        if stop():
            raise EvaluationStoppedError('the evaluation was told to stop')
        yield scene


def hold_still(
    images: NDArray[np.uint8], joint_position: NDArray[np.float64], first: bool
) -> NDArray[np.float64]:
    """Stay in the home pose: the lowest baseline there is; an `Act`."""
    return np.tile(np.array(HOME), (len(joint_position), 1))


def random_motion(low: Sequence[float], high: Sequence[float], seed: int, hold: int = 2) -> Act:
    """
    Return an `Act` that draws uniform targets and keeps each for some steps.

    :param low: lowest targets, shape (9,) [rad].
    :param high: highest targets, shape (9,) [rad].
    :param seed: of the generator.
    :param hold: control steps per target.
    """
    rng = np.random.default_rng(seed)
    held: dict[str, NDArray[np.float64]] = {}
    count = 0

    def act(
        images: NDArray[np.uint8], joint_position: NDArray[np.float64], first: bool
    ) -> NDArray[np.float64]:
        nonlocal count
        count = 0 if first else count + 1
        if count % hold == 0:
            held['target'] = rng.uniform(low, high, (len(joint_position), len(low)))
        return held['target']

    return act
