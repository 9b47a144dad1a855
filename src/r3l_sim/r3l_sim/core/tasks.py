# SPDX-License-Identifier: Apache-2.0
"""What counts as success, and where a deployed evaluation starts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
import math

import numpy as np
from r3l_node.core.errors import ConfigError
from r3l_sim.core.scenes.base import SceneSpec
from r3l_sim.core.scenes.valve import VALVE

State = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Task:
    """
    A task: a scene and its measure.

    :param name: what the user calls it.
    :param scene: what stands on the table.
    :param unit: unit of the distance.
    :param lenient: success if the distance stays below this through the last second [unit].
    :param strict: the same for strict success [unit].
    :param goal: goal pictures show distances up to this [unit].
    :param episode: length of a deployed episode [s].
    :param hold: the last part of it, all of which must be within the threshold [s].
    :param distance: object state -> distance to the goal, >= 0 [unit].
    :param error: object state -> signed error for people to read [unit].
    :param error_range: least and greatest error [unit].
    :param starts: (count, seed) -> object states, spread evenly; seed 0 is the fixed set.
    :param published_starts: the object states that R3L was evaluated from.
    :param near_goal: generator -> an object state at or just outside the goal.
    :param random_state: generator -> an object state that training or play may begin in.
    """

    name: str
    scene: SceneSpec
    unit: str
    lenient: float
    strict: float
    goal: float
    episode: float
    hold: float
    distance: Callable[[State], float]
    error: Callable[[State], float]
    error_range: tuple[float, float]
    starts: Callable[[int, int], list[State]]
    published_starts: tuple[State, ...]
    near_goal: Callable[[np.random.Generator], State]
    random_state: Callable[[np.random.Generator], State]


class TaskError(ConfigError):
    """A task that does not exist."""


def wrap_angle(angle: float) -> float:
    """
    Return the equal angle in [-pi, pi).

    :param angle: any angle [rad].
    """
    return (angle + math.pi) % (2 * math.pi) - math.pi


def valve_error(state: State) -> float:
    """Return the signed angle from the goal, in [-pi, pi) [rad]."""
    return wrap_angle(state['angle'])


def valve_distance(state: State) -> float:
    """Return the absolute angle to the goal, 0 to pi [rad]."""
    return abs(wrap_angle(state['angle']))


def valve_starts(count: int, seed: int = 0) -> list[State]:
    """
    Spread starts evenly over the circle, none exactly at the goal.

    :param count: number of starts.
    :param seed: 0 puts the goal in the middle between two starts; others turn the whole set.
    """
    spacing = 2 * math.pi / count
    shift = 0.5 if seed == 0 else float(np.random.default_rng(seed).uniform(0.05, 0.95))
    return [{'angle': -math.pi + (k + shift) * spacing} for k in range(count)]


def valve_near_goal(rng: np.random.Generator) -> State:
    """Draw an angle up to half a goal tolerance outside, so that some come in by a push."""
    return {'angle': float(rng.uniform(-0.15, 0.15))}


def valve_random(rng: np.random.Generator) -> State:
    """Draw an angle uniformly from the circle."""
    return {'angle': float(rng.uniform(-math.pi, math.pi))}


TASKS: dict[str, Task] = {
    'valve': Task(
        name='valve',
        scene=VALVE,
        unit='rad',
        lenient=0.26,
        strict=0.1,
        goal=0.1,
        episode=10.0,
        hold=1.0,
        distance=valve_distance,
        error=valve_error,
        error_range=(-math.pi, math.pi),
        starts=valve_starts,
        # R3L's hardware evaluation: a start every 45 degrees, target at -75 degrees.
        published_starts=tuple({'angle': wrap_angle(math.radians(45 * k + 75))} for k in range(8)),
        near_goal=valve_near_goal,
        random_state=valve_random,
    ),
}


def task_named(name: str) -> Task:
    """
    Look a task up.

    :raises TaskError: if there is none of this name.
    """
    if name not in TASKS:
        raise TaskError(f"there is no task '{name}': expected {', '.join(TASKS)}")
    return TASKS[name]


def distance(task: str, state: State) -> float:
    """
    Return how far an object state is from the task's goal.

    :param task: name of the task.
    :param state: object state by name.
    :return: distance in the task's unit, >= 0.
    """
    return task_named(task).distance(state)
