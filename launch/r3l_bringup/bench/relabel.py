# SPDX-License-Identifier: Apache-2.0
"""How fast stored images get the scores of a new classifier."""

from __future__ import annotations

from collections.abc import Callable
import statistics
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from r3l_agent.core.learner import Learner
from r3l_agent.core.learner_config import LearningConfig
from r3l_agent.core.observation import JointRange
from r3l_bringup.bench.learner import random_row
from r3l_bringup.bench.single import untrained_reward
from r3l_bringup.config import Request, resolve
from r3l_bringup.hardware import Values
import torch

# Images re-scored per second and core, asked of a classifier of latents.
TARGET = 20_000
ROWS = 20_000
# An update scores what its batch has drawn and this classifier has not seen; in bulk is all else.
_CHUNKS = {'batch': 128, 'bulk': 1024}
_ROUNDS = 5


def measure(seconds: float) -> dict[str, Any]:
    """
    Give every stored row to one new classifier after another.

    The rate is per second of processor time of all threads, so that a library which spreads a
    product over the cores does not look faster per core.

    :param seconds: of all rounds of a chunk size [s].
    :return: ``ratio``: images per second and core over :data:`TARGET`, and the figures behind it.
    """
    torch.set_num_threads(1)
    values = resolve(Request())
    learner = _filled(values)
    rates = {name: _rate(learner, chunk, seconds) for name, chunk in _CHUNKS.items()}
    figures = {
        'ratio': round(min(rates.values()) / TARGET, 3),
        **{f'images_per_second_and_core_{name}': round(rate) for name, rate in rates.items()},
        'seconds_for_a_full_replay': round(values['learner']['capacity'] / rates['bulk'], 3),
        'latent_size': values['encoder']['latent_size'],
        'classifier': values['reward']['hidden'],
    }
    for name, value in figures.items():
        print(f'{name:40} {value}')
    return figures


def _filled(values: Values) -> Learner:
    config = LearningConfig(capacity=ROWS)
    joints = JointRange(tuple(values['agent']['joint_low']), tuple(values['agent']['joint_high']))
    learner = Learner(config, joints, values['encoder']['latent_size'])
    rng = np.random.default_rng(0)
    size = values['encoder']['latent_size']
    for sequence in range(ROWS):
        learner.add(random_row(rng, sequence, config.image_size, size, joints))
    learner.reward_model = untrained_reward(size)
    return learner


def _rate(learner: Learner, chunk: int, seconds: float) -> float:
    """Return the median number of images scored per second of processor time."""
    order = np.random.default_rng(1).permutation(ROWS)
    chunks = [order[start : start + chunk] for start in range(0, ROWS, chunk)]
    rates = []
    for round_ in range(_ROUNDS + 1):
        rate = _round(lambda: _score_all(learner, chunks), seconds / _ROUNDS)
        if round_ > 0:  # the first one warms up
            rates.append(rate)
    return statistics.median(rates)


def _round(score_all: Callable[[], None], seconds: float) -> float:
    count, spent, begun = 0, time.process_time(), time.perf_counter()
    while not count or time.perf_counter() - begun < seconds:
        score_all()
        count += ROWS
    return count / (time.process_time() - spent)


def _score_all(learner: Learner, chunks: list[NDArray[np.int64]]) -> None:
    """Do what the first update after a new classifier does, for all rows."""
    learner.reward_version += 1
    for slots in chunks:
        learner.replay.logits(slots, learner.reward_version, learner.score)
