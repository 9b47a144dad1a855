# SPDX-License-Identifier: Apache-2.0
"""r3l replay: what it starts, what it refuses, and a bag through its processes."""

from pathlib import Path
import subprocess
import sys

import pytest
from r3l_bag.testing import INFO, NANO, Recording, write_bag
from r3l_bringup.replay import plan, replay, ReplayRequest, run_of
from r3l_node.core.errors import ConfigError
from r3l_node.core.weights import pack
from r3l_node.nodes.weights import weights_message
from r3l_reward.core.vice import ViceConfig, ViceTrainer
from sensor_msgs.msg import Image
import yaml


@pytest.fixture(scope='module')
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a run with a bag."""
    folder = Recording(steps=30).write_run(tmp_path_factory.mktemp('runs') / 'night')
    (folder / 'config.yaml').write_text('{}\n', encoding='utf-8')
    return folder


def test_the_usual_nodes_are_started_with_what_was_recorded(run: Path, tmp_path: Path) -> None:
    chosen = plan(ReplayRequest(run))
    assert [spec.name for spec in chosen.graph] == ['encoder', 'reward', 'player']
    assert chosen.graph[-1].after == ('encoder', 'reward')
    assert chosen.run == run
    written = yaml.safe_load(chosen.write(tmp_path).read_text(encoding='utf-8'))
    assert written['/**/reward']['ros__parameters'] == {
        'replay': True, 'input': 'latent', 'use_sim_time': True,
    }  # fmt: skip
    player = written['/**/player']['ros__parameters']
    assert (player['rate'], player['encoder'], player['reward']) == (0.0, True, True)


@pytest.mark.parametrize(
    ('options', 'names', 'rate'),
    [
        ({'nodes': ('encoder',)}, ['encoder', 'player'], 0.0),
        ({'nodes': ('none',)}, ['player'], 1.0),
        ({'nodes': ('viewer',)}, ['encoder', 'reward', 'player'], 1.0),
        ({'port': 8765}, ['encoder', 'reward', 'player'], 1.0),
        ({'port': 8765, 'rate': 0.0}, ['encoder', 'reward', 'player'], 0.0),
    ],
)
def test_nodes_and_rate_can_be_chosen(
    run: Path, options: dict[str, object], names: list[str], rate: float
) -> None:
    chosen = plan(ReplayRequest(run, **options))
    assert [spec.name for spec in chosen.graph] == names
    assert chosen.parameters['player']['rate'] == rate


@pytest.mark.parametrize(
    ('options', 'sentence'),
    [
        (
            {'nodes': ('agent',)},
            "--node is 'agent': expected one of encoder, reward, viewer, none",
        ),
        ({'nodes': ('reward',)}, "--node is 'reward': expected encoder, too"),
        ({'nodes': ('none',), 'rate': 0.0}, '--rate is 0: expected more than that'),
        ({'start': '99'}, "--from is '99': expected a time from .* or seconds from 0 to 2.9"),
        ({'stop': 'noon'}, "--to is 'noon': expected a time from"),
    ],
)
def test_bad_input_is_refused_before_anything_starts(
    run: Path, options: dict[str, object], sentence: str
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        plan(ReplayRequest(run, **options))


def test_a_folder_without_a_bag_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r'has no \.mcap file: expected a bag'):
        replay(ReplayRequest(tmp_path))


def test_a_classifier_of_pixels_gets_the_images(tmp_path: Path) -> None:
    trainer = ViceTrainer(ViceConfig(input='pixels', channels=(4,)), Recording().images)
    weights = weights_message('reward', 1, 1, pack(*trainer.weights()))
    messages = [(NANO, '/camera/image_raw', Image()), (NANO + 1, '/reward/weights', weights)]
    bag = write_bag(tmp_path / 'a.mcap', iter(messages), {**INFO, 'pace': 'realtime'})
    chosen = plan(ReplayRequest(bag))
    assert chosen.parameters['reward']['input'] == 'pixels'
    assert chosen.parameters['reward']['use_sim_time'] is False
    assert chosen.run is None


def test_a_bag_belongs_to_the_run_that_it_lies_in(run: Path, tmp_path: Path) -> None:
    (bag,) = run.rglob('*.mcap')
    for path in (run, run / 'bags', bag.parent, bag):
        assert run_of(path) == run
    assert run_of(tmp_path) is None


def test_a_run_through_its_processes_says_what_it_said(run: Path) -> None:
    result = subprocess.run(
        [sys.executable, '-m', 'r3l_bringup', 'replay', str(run)],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    lines = result.stdout.splitlines()
    assert lines[-2:] == [
        'latent: 30 compared: 30 equal bit for bit, 0 within 1e-05, 0 differ',
        'reward: 19 compared: 19 equal bit for bit, 0 within 1e-05, 0 differ',
    ], result.stderr
    assert result.returncode == 0
