# SPDX-License-Identifier: Apache-2.0
"""Schedules of faults drawn from a seed, for drills that can be repeated."""

from collections.abc import Sequence
import random

from r3l_driver.emulator.faults import Fault, Kind
from r3l_node.core.errors import ConfigError

# Kinds of a drill; an unplugging brings its replugging with it.
DRILL = tuple(kind for kind in Kind if kind not in (Kind.REPLUG, Kind.CLEAR))


def random_schedule(
    seed: int,
    duration: float,
    ids: Sequence[int],
    count: int,
    kinds: Sequence[Kind] = DRILL,
    first: float = 10.0,
) -> list[tuple[float, Fault]]:
    """
    Draw faults that are evenly spread over a drill, with some jitter.

    Every kind occurs as often as any other, up to one; the order is random.

    :param duration: of the drill [s].
    :param ids: of the servos.
    :param count: of the faults.
    :param kinds: to choose from.
    :param first: when the first one may come [s].
    :return: times [s] and faults, sorted by time.
    :raises ConfigError: if there is no room, no kind or no servo for a fault.
    """
    if count < 1 or duration <= first or not kinds or not ids:
        raise ConfigError(
            f'drill of {duration:g} s with {count} faults of {len(kinds)} kinds for {len(ids)} '
            f'servos: expected more than {first:g} s and at least one of each'
        )
    rng = random.Random(seed)
    chosen = [kinds[k % len(kinds)] for k in range(count)]
    rng.shuffle(chosen)
    space = (duration - first) / count
    return [
        (round(first + (k + 0.25 * rng.random()) * space, 3), draw(kind, ids, rng))
        for k, kind in enumerate(chosen)
    ]


def draw(kind: Kind, ids: Sequence[int], rng: random.Random) -> Fault:
    """
    Draw one fault of a kind, with a strength that a real bus shows.

    :param ids: of the servos.
    :param rng: source of chance.
    """
    ident = rng.choice(list(ids))
    match kind:
        case Kind.DROP | Kind.CORRUPT | Kind.DUPLICATE:
            share = rng.choice((0.01, 0.1, 0.3))
            return Fault(kind, share, None, share, None, round(rng.uniform(1.0, 5.0), 2))
        case Kind.DELAY:
            return Fault(kind, round(rng.uniform(0.02, 0.08), 3), None, 1.0, rng.randint(1, 5))
        case Kind.MUTE:
            return Fault(kind, ident=ident, duration=round(rng.uniform(1.0, 5.0), 2))
        case Kind.HEAT:
            return Fault(kind, round(rng.uniform(62.0, 75.0), 1), ident)
        case Kind.SAG:
            # Below the limit of the factory, or so low that the servos restart.
            volts = rng.choice((9.0, 9.0, 4.0))
            return Fault(kind, volts, duration=round(rng.uniform(0.3, 2.0), 2))
        case Kind.SPIKE:
            angle = round(rng.choice((-1.0, 1.0)) * rng.uniform(0.8, 2.5), 2)
            return Fault(kind, angle, ident, count=rng.randint(1, 4))
        case Kind.UNPLUG:
            return Fault(kind, duration=round(rng.uniform(1.0, 6.0), 2))
        case _:
            return Fault(kind, ident=ident if kind is not Kind.CLEAR else None)
