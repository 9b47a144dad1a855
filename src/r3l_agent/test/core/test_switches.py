# SPDX-License-Identifier: Apache-2.0
"""All switches of the learner at once: a training that is killed and gone on with is the same."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
import pytest
from r3l_agent.core.loop import Feedback, Sensed, train, TrainConfig
from r3l_reward.core.goals import save_goals

STEPS = 150
COMMON = {
    'steps': STEPS, 'warmup_steps': 40, 'episode_steps': 5, 'homing_steps': 1,
    'gather_images': 40, 'vae_steps': 4, 'vae_batch': 8, 'encoder__channels': (2, 2),
    'encoder__shift': 1, 'latent_size': 3, 'hidden': (8,), 'learner__batch': 8,
    'reward__batch': 8, 'rnd_hidden': 8, 'rnd_output': 4, 'capacity': 100, 'negatives': 100,
    'warmup_capacity': 100, 'initial_negatives': 40, 'initial_updates': 3, 'round_steps': 10,
    'updates_per_round': 2, 'minimum_goals': 2, 'checkpoint_seconds': 0.1, 'n_step': 3,
    'actor_interval': 2, 'perturbation_interval': 3, 'balance': True, 'exclude_above': 0.5,
    'stall_guard': True, 'stall_window': 10, 'stall_tolerance': 0.9,
}  # fmt: skip


class KilledError(Exception):
    """Stands for a process that is gone."""


class Slide:
    """A red square that two commands push over a grey plane."""

    name = 'slide'
    image_size = 32
    feature_size = 0
    joints = 2
    joints_commanded = True
    low, high, home = -np.ones(2), np.ones(2), np.zeros(2)

    def __init__(self, dies_at: int | None = None) -> None:
        self._joints = np.zeros(2)
        self._place = np.full(2, 12.0)
        self._steps = 0
        self._dies_at = dies_at

    def observe(self) -> Sensed:
        """Look at the plane."""
        image = np.full((32, 32, 3), 90, np.uint8)
        row, column = self._place.astype(int)
        image[row : row + 8, column : column + 8] = (220, 40, 40)
        return Sensed(image, joint_position=self._joints.copy())

    def step(self, target: NDArray[np.float64]) -> Feedback:
        """Push by as much as the joints moved."""
        self._steps += 1
        if self._steps == self._dies_at:
            raise KilledError
        self._place = np.clip(self._place + 8 * (target - self._joints), 0, 23)
        self._joints = np.array(target)
        return Feedback()

    def reset(self, rng: np.random.Generator) -> None:
        """Put the square somewhere."""
        self._place = rng.uniform(0, 23, 2)

    def save_state(self) -> Mapping[str, NDArray[np.float64]]:
        """Return place and joints."""
        return {'place': self._place, 'joints': self._joints}

    def load_state(self, state: Mapping[str, NDArray[np.float64]]) -> None:
        """Take place and joints."""
        self._place, self._joints = np.array(state['place']), np.array(state['joints'])


def pictures(count: int, low: float, high: float) -> NDArray[np.uint8]:
    world, rng, found = Slide(), np.random.default_rng(0), []
    for _ in range(count):
        world._place = rng.uniform(low, high, 2)
        found.append(world.observe().image)
    return np.stack(found)


def config_of(tmp_path: Path, perturbation: str) -> TrainConfig:
    if perturbation != 'goals':
        return TrainConfig().set(**COMMON, perturbation=perturbation)
    starts = tmp_path / 'starts'
    if not starts.exists():
        save_goals(starts, pictures(6, 15, 23))
    return TrainConfig().set(**COMMON, perturbation='goals', reset_goals=str(starts))


@pytest.mark.parametrize('perturbation', ['rnd', 'goals'])
def test_a_training_that_was_killed_ends_as_one_that_was_not(
    tmp_path: Path, perturbation: str
) -> None:
    config, goals = config_of(tmp_path, perturbation), pictures(6, 0, 8)
    whole = train(Slide(), goals, config, run=tmp_path / 'whole')
    assert whole.env_steps == STEPS
    cut = tmp_path / 'cut'
    for dies_at in (30, 80, 50):
        with pytest.raises(KilledError):
            train(Slide(dies_at), goals, config, run=cut)
    assert train(Slide(), goals, config, run=cut).finished
    for name in ('checkpoints/policy.safetensors', 'interventions.jsonl'):
        assert (cut / name).read_bytes() == (tmp_path / 'whole' / name).read_bytes()
