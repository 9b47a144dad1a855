# SPDX-License-Identifier: Apache-2.0
"""What a task has to say about itself."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
import math

import numpy as np
from numpy.typing import NDArray
from r3l_node.core.errors import ConfigError
from r3l_sim.core.scenes.base import SceneSpec

State = Mapping[str, float]
BINS = 36  # of a coordinate, unless it says otherwise


class TaskError(ConfigError):
    """A task that does not exist."""


@dataclass(frozen=True, slots=True)
class Coordinate:
    """
    One axis of a map of where the object has been.

    :param name: for people.
    :param unit: of its values.
    :param low: least value [unit].
    :param high: greatest value; what is outside counts at the border [unit].
    :param value: object state -> value [unit].
    :param bins: how finely it is counted.
    """

    name: str
    unit: str
    low: float
    high: float
    value: Callable[[State], float]
    bins: int = BINS


@dataclass(frozen=True, slots=True)
class Task:
    """
    A task: a scene and its measure.

    An object state is a success if the size of **every** error is below its limit.  A deployed
    episode is one if every control step of its last part is.

    :param name: what the user calls it.
    :param scene: what stands on the table.
    :param unit: unit of the distance.
    :param error_units: name of each error -> its unit; 'rad' and 'm' are shown in degrees and mm.
    :param errors: object state -> errors from the goal by name, signed where that has a meaning.
    :param distance: object state -> one figure for curves, >= 0 [unit].
    :param lenient: limits of lenient success by name of the error.
    :param strict: the same for strict success.
    :param goal: the same for what goal pictures show.
    :param episode: length of a deployed episode [s].
    :param hold: the last part of it, all of which must be a success [s].
    :param maps: where the object has been is counted in each of these, of one or two axes.
    :param starts: (count, seed) -> object states, spread evenly, none a success; seed 0 is the
        fixed set.
    :param published_starts: as many object states as R3L was evaluated from.
    :param near_goal: generator -> an object state at or just outside the goal.
    :param random_state: generator -> an object state that training or play may begin in.
    :param play_steps: control steps of random motion around one goal picture.
    """

    name: str
    scene: SceneSpec
    unit: str
    error_units: Mapping[str, str]
    errors: Callable[[State], Mapping[str, float]]
    distance: Callable[[State], float]
    lenient: Mapping[str, float]
    strict: Mapping[str, float]
    goal: Mapping[str, float]
    episode: float
    hold: float
    maps: tuple[tuple[Coordinate, ...], ...]
    starts: Callable[[int, int], list[State]]
    published_starts: tuple[State, ...]
    near_goal: Callable[[np.random.Generator], State]
    random_state: Callable[[np.random.Generator], State]
    play_steps: int = 8

    def is_success(self, state: State, strict: bool = False) -> bool:
        """
        Say whether an object state is a success.

        :param state: object state by name.
        :param strict: by the strict limits.
        """
        return within(self.errors(state), self.strict if strict else self.lenient)

    def reward(self, state: State) -> float:
        """
        Return the true reward, for oracles: ``exp(-(d / 1.5)^2)``.

        d is the largest error in multiples of its lenient limit. Like the classifier's reward it
        is bounded and flat far away; minus the distance teaches an oracle less
        (docs/results/log.md).

        :param state: object state by name.
        :return: 1 at the goal, 0.64 at the edge of success, 0 far away [-].
        """
        return math.exp(-((largest_share(self.errors(state), self.lenient) / 1.5) ** 2))

    def is_goal(self, state: State) -> bool:
        """
        Say whether a picture of an object state may serve as a goal picture.

        :param state: object state by name.
        """
        return within(self.errors(state), self.goal)


def within(errors: Mapping[str, float], limits: Mapping[str, float]) -> bool:
    """
    Say whether every error is smaller than its limit.

    :param errors: by name.
    :param limits: by the same names, in the same units.
    """
    return all(abs(errors[name]) < limit for name, limit in limits.items())


def largest_share(errors: Mapping[str, float], limits: Mapping[str, float]) -> float:
    """
    Return the size of the largest error in multiples of its limit [-].

    :param errors: by name.
    :param limits: by the same names, in the same units.
    """
    return max(abs(errors[name]) / limit for name, limit in limits.items())


def wrap_angle(angle: float) -> float:
    """
    Return the equal angle in [-pi, pi).

    :param angle: any angle [rad].
    """
    return (angle + math.pi) % (2 * math.pi) - math.pi


def spread(dimensions: int, seed: int = 0) -> Iterator[NDArray[np.float64]]:
    """
    Fill the unit cube evenly, however many points are taken (an additive recurrence).

    The steps are powers of the generalised golden ratio, the root of x^(d+1) = x + 1
    (arXiv:1812.07286 compares such sequences with others).

    :param dimensions: d, of the cube.
    :param seed: 0 begins in the middle of the cube; others anywhere.
    :return: points without end, shape (dimensions,), 0 to 1.
    """
    ratio = 2.0
    for _ in range(40):
        ratio = (1.0 + ratio) ** (1.0 / (dimensions + 1))
    step = ratio ** -np.arange(1.0, dimensions + 1)
    point = np.full(dimensions, 0.5)
    if seed:
        point = np.random.default_rng(seed).uniform(size=dimensions)
    while True:
        yield point
        point = (point + step) % 1.0
