# SPDX-License-Identifier: Apache-2.0
"""Task, profile and options become one checked parameter file."""

from __future__ import annotations

from pathlib import Path

import pytest
from r3l_bringup import config
from r3l_bringup.config import Request
from r3l_bringup.graph import graph, TRAIN
from r3l_node.core.errors import ConfigError
from r3l_node.core.parameters import flatten
import yaml

# The published system: value of each parameter that has a published one.
PUBLISHED = {
    'encoder': {
        'image_size': 32, 'latent_size': 16, 'channels': [64, 64, 32], 'kernel': 3,
        'activation': 'leaky_relu', 'likelihood': 'bernoulli', 'beta': 0.5,
        'vae_learning_rate': 1e-4, 'vae_batch': 128, 'l2': 5e-4, 'held_out_share': 0.1,
    },
    'reward': {
        'input': 'pixels', 'channels': [64, 64, 64], 'hidden': [512, 512], 'form': 'logit',
        'learning_rate': 1e-4, 'batch': 128, 'mixup': 1.0, 'label_smoothing': 0.0,
        'gradient_penalty': 0.0, 'l2': 1e-3, 'shift': 0, 'updates_per_round': 5,
        'round_steps': 2000, 'held_out_limit': 100,
    },
    'agent': {
        'control_rate': 10.0, 'episode_steps': 100, 'warmup_steps': 2000, 'perturbation': 'rnd',
        'homing_steps': 10,
    },
    'learner': {
        'hidden': [512, 512], 'critics': 2, 'layer_norm': False, 'learning_rate': 3e-4,
        'discount': 0.99, 'target_rate': 5e-3, 'batch': 256, 'target_entropy': -9.0,
        'share_replay': False, 'capacity': 1_000_000, 'update_ratio': 0.5,
        'perturbation_interval': 1, 'perturbation': 'rnd', 'rnd_input': 'pixels',
        'rnd_output': 512, 'rnd_learning_rate': 1e-4, 'rnd_clip': 1000.0, 'task_novelty': 1.0,
        'normalise_reward': True, 'history': 1, 'bootstrap_switch': False, 'actor_average': 0.0,
    },
    'sim': {'control_rate': 10.0, 'image_size': 32},
    'evaluator': {'starts': 8},
    'monitor': {'goal_count': 250},
}  # fmt: skip
MODERN = {
    'encoder': {'latent_size': 16, 'likelihood': 'whitened_gaussian', 'gather_images': 6000},
    'reward': {'input': 'latent', 'form': 'log_sigmoid', 'mixup': 1.0},
    'agent': {'control_rate': 5.0, 'episode_steps': 25, 'homing_steps': 3, 'steps': 100_000},
    'learner': {'hidden': [128, 128], 'layer_norm': True, 'discount': 0.95, 'batch': 128,
                'share_replay': True, 'bootstrap_switch': True, 'rnd_input': 'latent'},
    'sim': {'control_rate': 5.0, 'image_size': 32, 'profile_speed': 6.0, 'evaluation': False},
    'evaluator': {'starts': 32},
}  # fmt: skip


@pytest.mark.parametrize(('profile', 'expected'), [('faithful', PUBLISHED), ('modern', MODERN)])
def test_a_profile_has_its_published_values(
    profile: str, expected: dict[str, dict[str, object]]
) -> None:
    values = config.resolve(Request(profile=profile))
    found = {node: {name: values[node][name] for name in own} for node, own in expected.items()}
    assert found == expected


@pytest.mark.parametrize('name', ['tasks/valve', 'profiles/modern', 'profiles/faithful'])
def test_a_file_holds_only_what_differs_from_the_defaults(name: str) -> None:
    path = config.config_folder() / f'{name}.yaml'
    document = yaml.safe_load(path.read_text(encoding='utf-8'))
    nodes = (*graph('fake'), *TRAIN)
    defaults = {spec.name: flatten(spec.config_type()()) for spec in nodes}
    for key, section in document.items():
        node = key.removeprefix('/**/')
        for parameter, value in section['ros__parameters'].items():
            value = tuple(value) if isinstance(value, list) else value
            owners = defaults if key == config.EVERY else {node: defaults[node]}
            found = [own[parameter] for own in owners.values() if parameter in own]
            if parameter not in ('task', 'profile'):
                assert any(value != default for default in found), f'{name}: {key}.{parameter}'


def test_later_layers_win_and_all_nodes_get_what_they_know() -> None:
    values = config.resolve(
        Request(seed=7, steps=90_000, pace='realtime', sets=('agent.episode_steps=9',))
    )
    assert {own['seed'] for own in values.values() if 'seed' in own} == {7}
    assert {own['steps'] for own in values.values() if 'steps' in own} == {90_000}
    assert values['sim']['pace'] == 'realtime'
    assert values['agent']['lockstep'] is False
    assert values['agent']['episode_steps'] == 9


def test_a_short_run_has_a_short_warm_up() -> None:
    values = config.resolve(Request(steps=3000))
    assert values['agent']['warmup_steps'] == values['learner']['warmup_steps'] == 1000
    assert values['encoder']['gather_images'] == 1000
    assert values['reward']['initial_negatives'] <= 1000
    named = config.resolve(Request(steps=3000, sets=('all.warmup_steps=1500',)))
    assert named['agent']['warmup_steps'] == 1500


def test_a_parameter_file_is_read_back_as_it_was(tmp_path: Path) -> None:
    values = config.resolve(Request(profile='faithful'))
    path = tmp_path / 'config.yaml'
    path.write_text(config.dump(values), encoding='utf-8')
    assert config.load(path) == values
    document = yaml.safe_load(path.read_text(encoding='utf-8'))
    assert set(document) == {f'/**/{spec.name}' for spec in TRAIN}
    assert document['/**/agent']['ros__parameters']['use_sim_time'] is True
    assert 'use_sim_time' not in document['/**/sim']['ros__parameters']


@pytest.mark.parametrize(
    ('request_', 'sentence'),
    [
        (Request(task='vlave'), "task is 'vlave': expected one of valve"),
        (Request(profile='old'), "profile is 'old': expected one of faithful, modern"),
        (Request(pace='fast'), "pace is 'fast': expected lockstep or realtime"),
        (Request(seed=-1), 'monitor.seed is -1: expected an integer from 0 to 2147483647'),
        (
            Request(sets=('agent.epsiode_steps=3',)),
            "agent has no parameter 'epsiode_steps': did you mean 'episode_steps'?",
        ),
        (Request(sets=('agnet.seed=1',)), "the graph has no node 'agnet': did you mean 'agent'?"),
        (Request(sets=('all.sped=1',)), "no node has a parameter 'sped'"),
        (
            Request(sets=('agent.episode_steps=0',)),
            'agent.episode_steps is 0: expected an integer from 1 to 100000',
        ),
        (
            Request(sets=('seed',)),
            "--set is 'seed': expected NODE.PARAM=VALUE, as in agent.seed=1",
        ),
        (
            Request(sets=('sim.image_size=64',)),
            'sim.image_size is 64 and encoder.image_size is 32: expected one value for the whole '
            'graph (--set all.image_size=...)',
        ),
        (
            Request(sets=('all.warmup_steps=100',)),
            'agent.warmup_steps is 100: expected at least 500, when the classifier is trained '
            'first (reward.initial_negatives in whole reward.round_steps)',
        ),
    ],
)
def test_a_wrong_request_is_refused_in_a_sentence(request_: Request, sentence: str) -> None:
    with pytest.raises(ConfigError) as raised:
        config.resolve(request_)
    assert str(raised.value) == sentence


@pytest.mark.parametrize(
    ('name', 'text', 'value'),
    [
        ('learning_rate', '1e-4', 1e-4),
        ('rnd_clip', '3', 3.0),
        ('hidden', '[64, 32]', [64, 32]),
        ('layer_norm', 'false', False),
        ('perturbation', 'none', 'none'),
    ],
)
def test_values_on_the_command_line_are_yaml(name: str, text: str, value: object) -> None:
    node = 'all' if name == 'perturbation' else 'learner'
    assert config.resolve(Request(sets=(f'{node}.{name}={text}',)))['learner'][name] == value
