# SPDX-License-Identifier: Apache-2.0
"""
The profile ``faithful`` has every setting of the published system.

The tables are written from the authors' publication and their code of 2019, one section of the
system each, not from our parameter files. R3L counts steps of each policy, we count env steps:
they alternate, so an epoch of 1,000 steps per policy is one of 2,000 env steps.
"""

from __future__ import annotations

from functools import cache

import pytest
from r3l_bringup import config
from r3l_bringup.config import Request
from r3l_bringup.hardware import Values
from r3l_sim.core.tasks import task_named

TASKS = ('valve', 'beads', 'object')
# Strict round-robin, an episode each: 100 steps at 10 Hz; homing of the robot alone between them.
ALTERNATION = {
    'agent': {
        'control_rate': 10.0, 'episode_steps': 100, 'perturbation_share': 1.0, 'homing_steps': 10,
        'perturbation': 'rnd', 'random_hold': 1, 'success_steps': 0,
    },
    'sim': {'control_rate': 10.0, 'profile_speed': 1.5},
    'evaluator': {'control_rate': 10.0, 'profile_speed': 1.5},
}  # fmt: skip
# 32x32 image through a frozen VAE, nine joint positions, the last action; no object state.
OBSERVATION = {
    'sim': {'image_size': 32},
    'encoder': {'image_size': 32},
    'learner': {'image_size': 32, 'history': 1},
}
# Absolute joint targets, linear over the command range; homing goes to (0, -60, +60) degrees.
ACTION = {'agent': {'home': [0.0, -1.0471975511965976, 1.0471975511965976] * 3}}
SAC = {
    'learner': {
        'hidden': [512, 512], 'critics': 2, 'critic_subset': 2, 'layer_norm': False,
        'learning_rate': 3e-4, 'discount': 0.99, 'target_rate': 5e-3, 'batch': 256,
        'target_entropy': -9.0, 'initial_temperature': 1.0, 'n_step': 1, 'actor_interval': 1,
        # One update of each policy per step of its own.
        'update_ratio': 0.5, 'perturbation_interval': 1, 'perturbation': 'rnd',
        # What is evaluated is the policy itself; the switch ends what is looked ahead.
        'actor_average': 0.0, 'bootstrap_switch': False,
        # A pool of 500,000 for each.
        'share_replay': False, 'capacity': 1_000_000,
    },
    'agent': {'warmup_steps': 2000, 'steps': 2_000_000},
}  # fmt: skip
# The logit over its running deviation, and the novelty, for the task policy; novelty alone else.
REWARD = {
    'learner': {'normalise_reward': True, 'task_novelty': 1.0},
    'reward': {'form': 'logit'},
}
RND = {
    'learner': {
        'rnd_input': 'pixels', 'rnd_hidden': 256, 'rnd_output': 512, 'rnd_learning_rate': 1e-4,
        'rnd_clip': 1000.0,
    },
}  # fmt: skip
VICE = {
    'reward': {
        'input': 'pixels', 'channels': [64, 64, 64], 'hidden': [512, 512], 'l2': 1e-3,
        'learning_rate': 1e-4, 'batch': 128, 'mixup': 1.0, 'label_smoothing': 0.0,
        'gradient_penalty': 0.0, 'shift': 0, 'round_steps': 2000, 'updates_per_round': 5,
        'initial_updates': 5, 'held_out_limit': 100, 'negatives': 1_000_000,
    },
}  # fmt: skip
VAE = {
    'encoder': {
        'channels': [64, 64, 32], 'kernel': 3, 'activation': 'leaky_relu', 'l2': 5e-4,
        'likelihood': 'bernoulli', 'vae_learning_rate': 1e-4, 'vae_batch': 128,
        'held_out_share': 0.1, 'weights': '',
    },
}  # fmt: skip
SECTIONS = {
    'alternation': ALTERNATION, 'observation': OBSERVATION, 'action': ACTION, 'sac': SAC,
    'reward': REWARD, 'rnd': RND, 'vice': VICE, 'vae': VAE,
}  # fmt: skip
# Of each task: dimensions of the latent, weight of the KL divergence, goal pictures, fixed starts.
OF_TASK = {'valve': (16, 0.5, 250, 8), 'beads': (16, 1.0, 500, 8), 'object': (32, 0.5, 250, 24)}
# Parameters that do not say how anything is learned: what the world is.
WORLD = ('task',)


@cache
def _resolve(task: str) -> Values:
    return config.resolve(Request(task=task, profile='faithful'))


@pytest.mark.parametrize('task', TASKS)
@pytest.mark.parametrize('section', SECTIONS)
def test_a_section_has_its_published_values(task: str, section: str) -> None:
    expected: Values = SECTIONS[section]
    values = _resolve(task)
    found = {node: {name: values[node][name] for name in own} for node, own in expected.items()}
    for node, own in expected.items():
        assert found[node] == pytest.approx(own) if section == 'action' else found[node] == own


@pytest.mark.parametrize('task', TASKS)
def test_a_task_has_its_published_values(task: str) -> None:
    values = _resolve(task)
    encoder, goals = values['encoder'], values['monitor']['goal_count']
    assert values['evaluator']['starts'] == 0, 'those of the task'
    starts = len(task_named(task).published_starts)
    assert (encoder['latent_size'], encoder['beta'], goals, starts) == OF_TASK[task]
    assert {own['latent_size'] for own in values.values() if 'latent_size' in own} == {
        OF_TASK[task][0]
    }


@pytest.mark.parametrize('task', TASKS)
def test_what_was_tuned_for_a_task_does_not_leak_into_the_published_settings(task: str) -> None:
    first, other = _resolve('valve'), _resolve(task)
    differing = {
        name for node, own in other.items() for name in own if first[node][name] != own[name]
    }
    assert differing <= {*WORLD, 'latent_size', 'beta', 'goal_count'}
