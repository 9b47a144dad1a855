# SPDX-License-Identifier: Apache-2.0
"""Env steps per second of learning without ROS over those of Stable-Baselines3's SAC."""

from __future__ import annotations

from pathlib import Path
import statistics
import tempfile
import time
from typing import Any

import numpy as np
from r3l_bringup.bench.sb3 import Sb3Loop
from r3l_bringup.bench.single import untrained_encoder
from r3l_bringup.config import Request, resolve
from r3l_bringup.hardware import Values
from r3l_bringup.in_process import train_config
from r3l_node.core.parameters import build
from r3l_node.core.weights import save
from r3l_sim.core.config import SimConfig
from r3l_sim.core.world import SceneWorld
import torch

WARM_UP = 500  # env steps of random motion
SETTLED = 800  # env steps after which every part has had its turn
GOALS = 40
_ROUNDS = 6
_CHUNK = 50  # env steps of the rival between two looks at the clock


def measure(seconds: float) -> dict[str, Any]:
    """
    Let both learn the valve in turns, in one process and one thread.

    Both see the same robot through the same encoder, make as many updates per env step, with
    networks and batches of one size. Ours also learns its reward, a second policy and novelty,
    and keeps a run folder; the rival has the true reward.

    :param seconds: of all turns of one of them [s].
    :return: ``ratio``: the median over the turns of ours over theirs, and the figures behind it.
    :raises ConfigError: if Stable-Baselines3 is not installed.
    """
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix='r3l_bench_') as name:
        turns, values = _take_turns(Path(name), seconds / _ROUNDS)
    ours, theirs, ratios = (
        [getattr(turn, key) for turn in turns.done] for key in ('ours', 'theirs', 'ratio')
    )
    figures = {
        'ratio': round(statistics.median(ratios), 3),
        'ratio_of_cpu_time': round(statistics.median(turn.cpu for turn in turns.done), 3),
        'r3l_env_steps_per_second': round(statistics.median(ours), 1),
        'sb3_env_steps_per_second': round(statistics.median(theirs), 1),
        'update_ratio': values['learner']['update_ratio'],
        'hidden': values['learner']['hidden'],
        'batch': values['learner']['batch'],
        'threads': torch.get_num_threads(),
    }
    for key, value in figures.items():
        print(f'{key:40} {value}')
    return figures


def _take_turns(folder: Path, seconds: float) -> tuple[TurnWorld, Values]:
    """Train ours, and the rival whenever it is its turn."""
    from r3l_agent import train

    weights = folder / 'encoder.safetensors'
    save(weights, *untrained_encoder(resolve(Request())))
    values = resolve(
        Request(
            sets=(
                f'all.warmup_steps={WARM_UP}',
                f'reward.initial_negatives={WARM_UP // 2}',
                'all.steps=1000000',
                f'encoder.weights={weights}',
            )
        )
    )
    rival = Sb3Loop(values)
    world = TurnWorld(values, rival, seconds)
    size = values['sim']['image_size']
    goals = np.random.default_rng(0).integers(0, 256, (GOALS, size, size, 3), dtype=np.uint8)
    try:
        train(world, goals, train_config(values), run=folder / 'run', stop=world.finished)
    finally:
        world.close()
        rival.close()
    return world, values


class Turn:
    """
    One turn of each.

    :param ours: env steps, wall time [s] and processor time [s].
    :param theirs: the same of the rival.
    """

    def __init__(
        self, ours: tuple[float, float, float], theirs: tuple[float, float, float]
    ) -> None:
        self.ours, self.theirs = ours[0] / ours[1], theirs[0] / theirs[1]
        self.ratio = self.ours / self.theirs
        self.cpu = (ours[0] / ours[2]) / (theirs[0] / theirs[2])


class TurnWorld(SceneWorld):
    """
    A scene in which the rival has its turns between two observations of ours.

    :param values: parameters of all nodes.
    :param rival: gets as much time as ours.
    :param seconds: of a turn [s].
    """

    def __init__(self, values: Values, rival: Sb3Loop, seconds: float) -> None:
        super().__init__(build(SimConfig, values['sim'], node='sim'))
        self.done: list[Turn] = []
        self._rival, self._seconds = rival, seconds
        self._turn_begun: tuple[float, float, float] | None = None
        self._warm = False

    def note(self, env_steps: int) -> None:
        """
        Give the turn to the rival when it is time.

        :param env_steps: taken so far.
        """
        super().note(env_steps)
        if env_steps < SETTLED or self.finished():
            return
        if self._turn_begun is None:
            self._turn_begun = _now(env_steps)
        elif time.perf_counter() - self._turn_begun[1] >= self._seconds:
            mine = _since(self._turn_begun, env_steps)
            theirs = self._let_rival()
            if self._warm:  # the first turns warm up
                self.done.append(Turn(mine, theirs))
            self._warm = True
            self._turn_begun = _now(env_steps)

    def finished(self) -> bool:
        """Whether all turns are over."""
        return len(self.done) >= _ROUNDS

    def _let_rival(self) -> tuple[float, float, float]:
        begun, count = _now(0), 0
        while time.perf_counter() - begun[1] < self._seconds:
            self._rival.run(_CHUNK)
            count += _CHUNK
        return _since(begun, count)


def _now(steps: int) -> tuple[float, float, float]:
    return float(steps), time.perf_counter(), time.process_time()


def _since(begun: tuple[float, float, float], steps: int) -> tuple[float, float, float]:
    now = _now(steps)
    return now[0] - begun[0], now[1] - begun[1], now[2] - begun[2]
