# SPDX-License-Identifier: Apache-2.0
"""Put the free object into the middle of its arena, the red prong towards the camera."""

from collections.abc import Callable
from itertools import islice
import math

import numpy as np
from numpy.typing import NDArray
from r3l_sim.core.scenes.object import (
    APOTHEM,
    BASE_RADIUS,
    OBJECT_SCENE,
    PRONG_END,
    PRONG_RADIUS,
    SIDES,
)
from r3l_sim.core.tasks.base import (
    Coordinate,
    largest_share,
    spread,
    State,
    Task,
    within,
    wrap_angle,
)

LENIENT = {'position': 0.035, 'orientation': 0.35}  # [m], [rad]
STRICT = {'position': 0.035, 'orientation': 0.15}  # R3L's limits for a goal
# As far out as the middle of the object can be: its base at a wall [m].
REACH = APOTHEM - BASE_RADIUS
_WALLS = 2 * np.pi * np.arange(SIDES) / SIDES  # directions of their normals [rad]
_PRONGS = 2 * np.pi * np.arange(3) / 3  # [rad]


def object_errors(state: State) -> dict[str, float]:
    """Return the distance from the middle [m] and the signed yaw in [-pi, pi) [rad]."""
    position = math.hypot(state['x'], state['y'])
    return {'position': position, 'orientation': wrap_angle(state['yaw'])}


def object_distance(state: State) -> float:
    """Return the larger error in multiples of its lenient limit; 1 is the edge of success."""
    return largest_share(object_errors(state), LENIENT)


def fits(state: State) -> bool:
    """
    Say whether the object is clear of the walls.

    :param state: object state by name.
    """
    middle = state['x'] * np.cos(_WALLS) + state['y'] * np.sin(_WALLS)
    prongs = PRONG_END * np.cos(_WALLS[:, None] - state['yaw'] - _PRONGS) + PRONG_RADIUS
    reach = np.maximum(prongs.max(axis=1), BASE_RADIUS)
    return bool((middle + reach <= APOTHEM).all())


def placement(shares: NDArray[np.float64]) -> State:
    """
    Return a place and a yaw in the arena; not each `fits`.

    :param shares: of the range of x, y and yaw, shape (3,), 0 to 1.
    """
    x, y, yaw = (shares * 2.0 - 1.0) * (REACH, REACH, math.pi)
    return {'x': float(x), 'y': float(y), 'yaw': float(yaw)}


def object_starts(count: int, seed: int = 0) -> list[State]:
    """
    Spread starts evenly over all places and yaws in the arena that are no success.

    :param count: number of starts.
    :param seed: 0 is the fixed set.
    """
    states = (placement(point) for point in spread(3, seed))
    good = (s for s in states if fits(s) and not within(object_errors(s), LENIENT))
    return list(islice(good, count))


def object_near_goal(rng: np.random.Generator) -> State:
    """Draw a place and a yaw at the goal or just outside, so that some come in by a push."""

    def near() -> State:
        radius, angle = 0.040 * math.sqrt(rng.uniform()), rng.uniform(-math.pi, math.pi)
        yaw = float(rng.uniform(-0.2, 0.2))
        return {'x': radius * math.cos(angle), 'y': radius * math.sin(angle), 'yaw': yaw}

    return _fitting(near)


def object_random(rng: np.random.Generator) -> State:
    """Draw a place and a yaw uniformly from the arena."""
    return _fitting(lambda: placement(rng.uniform(size=3)))


def _fitting(draw: Callable[[], State]) -> State:
    """Draw until the object is clear of the walls."""
    while not fits(state := draw()):
        pass
    return state


def _published() -> tuple[State, ...]:
    # R3L was evaluated from 24 starts; which, is not published.
    places = [math.radians(45 * k) for k in range(8)]
    return tuple(
        {'x': 0.03 * math.cos(a), 'y': 0.03 * math.sin(a), 'yaw': math.radians(yaw)}
        for a in places
        for yaw in (-60.0, 60.0, 180.0)
    )


OBJECT = Task(
    name='object',
    scene=OBJECT_SCENE,
    unit='1',
    error_units={'position': 'm', 'orientation': 'rad'},
    errors=object_errors,
    distance=object_distance,
    lenient=LENIENT,
    strict=STRICT,
    goal=STRICT,
    episode=10.0,
    hold=1.0,
    maps=(
        (
            Coordinate('x', 'm', -0.06, 0.06, lambda state: state['x'], bins=18),
            Coordinate('y', 'm', -0.06, 0.06, lambda state: state['y'], bins=18),
        ),
        (Coordinate('yaw', 'rad', -math.pi, math.pi, lambda state: wrap_angle(state['yaw'])),),
    ),
    starts=object_starts,
    published_starts=_published(),
    near_goal=object_near_goal,
    random_state=object_random,
)
