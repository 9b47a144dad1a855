# SPDX-License-Identifier: Apache-2.0
"""Turn the valve to angle 0 from any angle."""

import math

import numpy as np
from r3l_sim.core.scenes.valve import VALVE as SCENE
from r3l_sim.core.tasks.base import Coordinate, State, Task, wrap_angle


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


VALVE = Task(
    name='valve',
    scene=SCENE,
    unit='rad',
    error_units={'angle': 'rad'},
    errors=lambda state: {'angle': valve_error(state)},
    distance=valve_distance,
    lenient={'angle': 0.26},
    strict={'angle': 0.1},
    goal={'angle': 0.1},
    episode=10.0,
    hold=1.0,
    maps=((Coordinate('error', 'rad', -math.pi, math.pi, valve_error),),),
    starts=valve_starts,
    # R3L's hardware evaluation: a start every 45 degrees, target at -75 degrees.
    published_starts=tuple({'angle': wrap_angle(math.radians(45 * k + 75))} for k in range(8)),
    near_goal=valve_near_goal,
    random_state=valve_random,
)
