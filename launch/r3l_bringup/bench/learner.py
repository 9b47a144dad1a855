# SPDX-License-Identifier: Apache-2.0
"""SAC updates per second of our learner over those of Stable-Baselines3."""

from __future__ import annotations

from collections.abc import Callable
import statistics
import time
from typing import Any

import numpy as np
from r3l_agent.core.learner import Learner
from r3l_agent.core.learner_config import LearningConfig
from r3l_agent.core.observation import JointRange, ObservationSpec
from r3l_agent.core.replay.buffer import Row, TASK
from r3l_bringup.bench.single import untrained_encoder, untrained_reward
from r3l_bringup.config import Request, resolve
from r3l_bringup.hardware import Values
from r3l_node.core.compute import Compute, DEVICES
from r3l_node.core.errors import ConfigError
import torch

_ROWS = 5_000
_ROUNDS = 6
_EPISODE = 25


def measure(seconds: float, device: str = 'cpu') -> dict[str, Any]:
    """
    Time both with the same networks, batch, device and one thread, in turns.

    :param seconds: of all rounds of one of them [s].
    :param device: where both learn.
    :return: ``ratio`` and the figures behind it.
    :raises ConfigError: if Stable-Baselines3 is not installed or there is no such device.
    """
    torch.set_num_threads(1)
    _check(device)
    values = resolve(Request())
    # SB3's critics have no LayerNorm and it has no second policy: without either here, too.
    here = {'device': device}
    same = {'layer_norm': False, 'perturbation': 'none', 'history': 1} | here
    ours = _our_updates(values, same)
    theirs = _sb3_updates(values, device)
    ours_normed = _our_updates(values, {'perturbation': 'none', 'history': 1} | here)
    whole = _our_updates(values, here)
    contestants = {'r3l': ours, 'sb3': theirs, 'r3l_layer_norm': ours_normed, 'r3l_whole': whole}
    if device != 'cpu':  # A CPU without bfloat16 units would only be slower.
        contestants['r3l_whole_bf16'] = _our_updates(values, here | {'precision': 'bf16'})
    rates: dict[str, list[float]] = {name: [] for name in contestants}
    for round_ in range(_ROUNDS + 1):
        for name, updates in contestants.items():
            rate = _rate(updates, seconds / _ROUNDS)
            if round_ > 0:  # the first one warms up
                rates[name].append(rate)
    found = {name: statistics.median(values) for name, values in rates.items()}
    figures = {
        'ratio': round(found['r3l'] / found['sb3'], 3),
        'r3l_updates_per_second': round(found['r3l'], 1),
        'sb3_updates_per_second': round(found['sb3'], 1),
        'r3l_layer_norm_updates_per_second': round(found['r3l_layer_norm'], 1),
        'r3l_both_policies_updates_per_second': round(found['r3l_whole'], 1),
        **(
            {'r3l_both_policies_bf16_updates_per_second': round(found['r3l_whole_bf16'], 1)}
            if 'r3l_whole_bf16' in found
            else {}
        ),
        'device': device,
        'hidden': values['learner']['hidden'],
        'batch': values['learner']['batch'],
        'threads': torch.get_num_threads(),
        'stable_baselines3': _sb3_version(),
    }
    for name, value in figures.items():
        print(f'{name:40} {value}')
    return figures


def _check(device: str) -> None:
    if device not in DEVICES:
        raise ConfigError(f"device is '{device}': expected {' or '.join(DEVICES)}")
    Compute.named(device, 'fp32', node='bench')


def _rate(updates: Callable[[int], None], seconds: float) -> float:
    count, begun = 0, time.perf_counter()
    while time.perf_counter() - begun < seconds:
        updates(20)
        count += 20
    if torch.cuda.is_available():
        torch.cuda.synchronize()  # what was asked for has to be done, too
    return count / (time.perf_counter() - begun)


def _our_updates(values: Values, changes: dict[str, Any]) -> Callable[[int], None]:
    """Return a function that makes updates of a learner with random experience."""
    own = values['learner']
    config = LearningConfig(
        capacity=2 * _ROWS, hidden=tuple(own['hidden']), batch=own['batch'], **changes
    )
    latent_size = values['encoder']['latent_size']
    joints = JointRange(tuple(values['agent']['joint_low']), tuple(values['agent']['joint_high']))
    learner = Learner(config, joints, latent_size)
    rng = np.random.default_rng(0)
    for sequence in range(_ROWS):
        learner.add(random_row(rng, sequence, config.image_size, latent_size, joints))
    learner.set_encoder(*untrained_encoder(values))
    model = untrained_reward(latent_size)
    learner.reward_model, learner.reward_version = model, 1

    def updates(count: int) -> None:
        for _ in range(count):
            learner.update()

    return updates


def random_row(
    rng: np.random.Generator, sequence: int, size: int, latent_size: int, joints: JointRange
) -> Row:
    """
    Return a row that looks like one of a task episode.

    :param rng: source of all its values.
    :param sequence: number of the row.
    :param size: side of the image [pixel].
    :param latent_size: length of the latent.
    :param joints: command range.
    """
    count = len(joints.low)
    return Row(
        sequence=sequence,
        policy=TASK,
        first=sequence % _EPISODE == 0,
        last=sequence % _EPISODE == _EPISODE - 1,
        image=rng.integers(0, 256, (size, size, 3), dtype=np.uint8),
        joint_position=rng.uniform(joints.low, joints.high).astype(np.float32),
        previous_action=rng.uniform(-1, 1, count).astype(np.float32),
        action=rng.uniform(-1, 1, count).astype(np.float32),
        latent=rng.standard_normal(latent_size).astype(np.float32),
    )


def _sb3_updates(values: Values, device: str) -> Callable[[int], None]:
    """Return a function that makes updates of SB3's SAC with random experience."""
    try:
        import gymnasium
        from stable_baselines3 import SAC
        from stable_baselines3.common.logger import configure
    except ImportError as error:
        raise ConfigError(
            'Stable-Baselines3 is not installed: pip install -r requirements/bench.txt'
        ) from error
    size = ObservationSpec(values['encoder']['latent_size'], 9, 1).size

    class Nothing(gymnasium.Env[Any, Any]):
        observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (size,), np.float32)
        action_space = gymnasium.spaces.Box(-1.0, 1.0, (9,), np.float32)

    own = values['learner']
    model = SAC(
        'MlpPolicy', Nothing(), buffer_size=2 * _ROWS, batch_size=own['batch'], device=device,
        policy_kwargs={'net_arch': list(own['hidden'])},
    )  # fmt: skip
    model.set_logger(configure(None, []))
    rng = np.random.default_rng(0)
    for _ in range(_ROWS):
        model.replay_buffer.add(
            rng.standard_normal((1, size)), rng.standard_normal((1, size)),
            rng.uniform(-1, 1, (1, 9)), rng.uniform(size=1), np.zeros(1), [{}],
        )  # fmt: skip
    model.policy.set_training_mode(True)
    return lambda count: model.train(gradient_steps=count, batch_size=own['batch'])


def _sb3_version() -> str:
    import stable_baselines3

    return str(stable_baselines3.__version__)
