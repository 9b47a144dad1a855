# SPDX-License-Identifier: Apache-2.0
"""Split four beads on a rail: two to each side."""

from functools import partial
from itertools import islice

import numpy as np
from numpy.typing import ArrayLike, NDArray
from r3l_sim.core.scenes.beads import BEADS as NAMES
from r3l_sim.core.scenes.beads import BEADS_SCENE, MIDDLE, RADIUS, STOP, TARGETS
from r3l_sim.core.tasks.base import Coordinate, spread, State, Task

DIAMETER = 2 * RADIUS  # [m]
LENIENT = 0.015  # R3L's limit for goal pictures [m]
_ROOM = 2 * STOP - (len(NAMES) - 1) * DIAMETER  # that four beads leave on the rail [m]
_WIDEST = 2.0  # window that the beads are drawn from, in free rooms
_REACH = 0.017  # largest mean error that play around a goal begins with [m]


def beads_error(state: State) -> float:
    """Return the mean distance of the beads to their targets [m]."""
    return sum(
        abs(state[name] - target) for name, target in zip(NAMES, TARGETS, strict=True)
    ) / len(NAMES)


def arrangement(shares: ArrayLike) -> State:
    """
    Put the beads on the rail: anywhere, in a heap, against the stops.

    Four independent places would leave two beads on each side nearly always.  Play does not: it
    heaps beads up and pushes them against the stops.  So the places are drawn from a window.

    :param shares: of the free room for each bead, in any order, then of the width of the window
        and of the place of its middle; shape (6,), 0 to 1.
    """
    *beads, width, middle = np.asarray(shares, np.float64).tolist()
    window = middle + _WIDEST * width * (np.sort(beads) - 0.5)
    room = np.clip(window, 0.0, 1.0) * _ROOM
    return _state(room - STOP + DIAMETER * np.arange(len(NAMES)))


def beads_starts(count: int, seed: int = 0) -> list[State]:
    """
    Spread starts evenly over all arrangements of the beads that are no success.

    :param count: number of starts.
    :param seed: 0 is the fixed set.
    """
    states = (arrangement(point) for point in spread(len(NAMES) + 2, seed))
    return list(islice((state for state in states if beads_error(state) >= LENIENT), count))


def beads_near_goal(rng: np.random.Generator) -> State:
    """Draw an arrangement from all that are a success or just not, at any mean error alike."""
    while True:
        errors = rng.dirichlet(np.ones(len(NAMES))) * len(NAMES) * rng.uniform(0.0, _REACH)
        places = np.array(TARGETS) + errors * rng.choice((-1.0, 1.0), len(NAMES))
        if np.diff(places).min() >= DIAMETER and np.abs(places).max() <= STOP:
            return _state(places)


def beads_random(rng: np.random.Generator) -> State:
    """Draw any arrangement of the beads."""
    return arrangement(rng.uniform(size=len(NAMES) + 2))


def _state(places: ArrayLike) -> State:
    found: NDArray[np.float64] = np.asarray(places, np.float64)
    return dict(zip(NAMES, found.tolist(), strict=True))


def _bead(name: str, state: State) -> float:
    return state[name]


# R3L was evaluated from 8 starts; which, is not published.  These are its reset position, all
# beads at one end, three at one end, and splits that are not wide enough [mm].
_STARTS = (
    tuple(1e3 * place for place in MIDDLE),
    (-110.0, -75.0, -40.0, -5.0),
    (5.0, 40.0, 75.0, 110.0),
    (-100.0, -65.0, -30.0, 100.0),
    (-100.0, 30.0, 65.0, 100.0),
    (-75.0, -40.0, 40.0, 75.0),
    (-105.0, -35.0, 35.0, 105.0),
    (-100.0, -17.5, 17.5, 100.0),
)

BEADS = Task(
    name='beads',
    scene=BEADS_SCENE,
    unit='m',
    error_units={'position': 'm'},
    errors=lambda state: {'position': beads_error(state)},
    distance=beads_error,
    lenient={'position': LENIENT},
    strict={'position': 0.0075},
    goal={'position': LENIENT},
    episode=10.0,
    hold=1.0,
    maps=tuple((Coordinate(name, 'm', -STOP, STOP, partial(_bead, name)),) for name in NAMES),
    starts=beads_starts,
    published_starts=tuple(_state(np.array(places) * 1e-3) for places in _STARTS),
    near_goal=beads_near_goal,
    random_state=beads_random,
    # Long enough to look like success in play, most of which lies heaped against the stops; with
    # 8 a classifier takes those for failures.
    play_steps=40,
)
