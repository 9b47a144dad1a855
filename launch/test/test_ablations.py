# SPDX-License-Identifier: Apache-2.0
"""Each ablation changes the ingredient that it names, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from r3l_bringup import config
from r3l_bringup.config import Request
from r3l_bringup.paths import config_folder, names
from r3l_node.core.errors import ConfigError
from typer.testing import CliRunner
import yaml

BASELINES = {
    'no_perturbation', 'no_vae', 'random_perturbation', 'constant_reward', 'oracle_reward',
    'two_goal', 'instrumented',
}  # fmt: skip
SWITCHES = {
    'no_bootstrap', 'no_layer_norm', 'no_mixup', 'no_label_smoothing', 'no_gradient_penalty',
    'separate_replay', 'raw_actor', 'single_latent', 'n_step3', 'utd2', 'critics10',
    'task_novelty', 'encoder_shift', 'balance', 'exclude_likely', 'actor_interval2', 'stall_guard',
    'low_floor', 'equal_perturbation', 'fixed_length',
}  # fmt: skip
MODERN = config.resolve(Request())


def _file(name: str) -> Path:
    return config_folder() / 'ablations' / f'{name}.yaml'


def test_there_is_one_for_each_ingredient() -> None:
    assert set(names('ablations')) >= BASELINES | SWITCHES


@pytest.mark.parametrize('name', names('ablations'))
def test_an_ablation_differs_from_the_profile_in_what_it_says_and_in_nothing_else(
    name: str,
) -> None:
    said: dict[tuple[str, str], object] = {('monitor', 'ablation'): name}
    for key, section in yaml.safe_load(_file(name).read_text(encoding='utf-8')).items():
        nodes = MODERN if key == config.EVERY else (key.removeprefix('/**/'),)
        for parameter, value in section['ros__parameters'].items():
            said |= {
                (node, parameter): value for node in nodes if parameter in MODERN[node]
            }  # fmt: skip
    values = config.resolve(Request(ablation=name))
    found = {
        (node, parameter): value
        for node, own in values.items()
        for parameter, value in own.items()
        if value != MODERN[node][parameter]
    }
    assert found == said


@pytest.mark.parametrize('name', names('ablations'))
def test_an_ablation_begins_with_a_sentence_about_itself(name: str) -> None:
    first = _file(name).read_text(encoding='utf-8').splitlines()[0]
    assert first.startswith('# ')
    assert first.endswith('.')


def test_the_command_lists_them(monkeypatch: pytest.MonkeyPatch) -> None:
    from r3l_bringup.cli import app

    monkeypatch.setenv('COLUMNS', '200')
    shown = CliRunner().invoke(app, ['train', '--help']).output
    assert all(name in shown for name in names('ablations'))


def test_one_that_there_is_not_is_refused_in_a_sentence() -> None:
    with pytest.raises(
        ConfigError, match="ablation is 'no_reward': expected one of actor_interval2, bal"
    ):
        config.resolve(Request(ablation='no_reward'))


def test_an_option_of_the_user_wins() -> None:
    values = config.resolve(Request(ablation='utd2', sets=('learner.update_ratio=3',)))
    assert values['learner']['update_ratio'] == 3.0
