# SPDX-License-Identifier: Apache-2.0
"""Task, profile and options become one checked parameter file."""

from __future__ import annotations

from pathlib import Path

import pytest
from r3l_bringup import config
from r3l_bringup.config import Request
from r3l_bringup.graph import graph, TRAIN
from r3l_bringup.train import train
from r3l_node.core.errors import ConfigError
from r3l_node.core.parameters import flatten
import yaml

MODERN = {
    'encoder': {'latent_size': 16, 'likelihood': 'whitened_gaussian', 'gather_images': 6000},
    'reward': {'input': 'latent', 'form': 'log_sigmoid', 'mixup': 1.0},
    'agent': {'control_rate': 5.0, 'episode_steps': 50, 'homing_steps': 3, 'steps': 100_000},
    'learner': {'hidden': [128, 128], 'layer_norm': True, 'discount': 0.95, 'batch': 128,
                'share_replay': True, 'bootstrap_switch': True, 'rnd_input': 'latent'},
    'sim': {'control_rate': 5.0, 'image_size': 32, 'profile_speed': 6.0, 'evaluation': False},
    'evaluator': {'starts': 32},
}  # fmt: skip


def test_the_default_profile_has_its_values() -> None:
    values = config.resolve(Request())
    found = {node: {name: values[node][name] for name in own} for node, own in MODERN.items()}
    assert found == MODERN


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
        (Request(task='vlave'), "task is 'vlave': expected one of beads, object, valve"),
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


@pytest.mark.parametrize(
    ('sets', 'sentence'),
    [
        (
            ('encoder.kind=pixels',),
            r"encoder.kind is 'pixels' and learner.trunk is \[\]: expected",
        ),
        (('learner.trunk=[8]',), r"kind is 'vae' and learner.trunk is \[8\]: expected none"),
        (('encoder.kind=pixels', 'learner.trunk=[8]'), 'latent_size is 16: expected 3072'),
        (
            ('encoder.kind=pixels', 'learner.trunk=[8]', 'all.latent_size=3072'),
            'learner.history is 2: expected 1',
        ),
        (
            ('encoder.kind=pixels', 'learner.trunk=[8]', 'all.latent_size=3072', 'all.history=1'),
            r"reward.input is 'latent': expected 'pixels', because there are no latents",
        ),
    ],
)
def test_pixels_are_asked_for_with_all_that_they_need(
    sets: tuple[str, ...], sentence: str
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        config.resolve(Request(sets=sets))


@pytest.mark.parametrize(
    ('setting', 'sentence'),
    [
        ('agent.resets=true', 'agent.resets is true: expected false in the graph'),
        ('learner.reward_source=environment', "learner.reward_source is 'environment': expected"),
    ],
)
def test_the_graph_refuses_oracles(tmp_path: Path, setting: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        train(Request(sets=(setting,)), tmp_path / 'run')
    assert not (tmp_path / 'run').exists()
