# SPDX-License-Identifier: Apache-2.0
"""``r3l pretrain`` and what a run makes of it: no gathering, no VAE training, the same files."""

from __future__ import annotations

from pathlib import Path
import shutil

import numpy as np
import pytest
from r3l_agent.core.replay.buffer import RANDOM, Replay
from r3l_bringup import config
from r3l_bringup.config import load, Request
from r3l_bringup.in_process import train_in_process
from r3l_bringup.prepare import prepare
from r3l_bringup.pretrain import pretrain
from r3l_node.core.errors import ConfigError
from r3l_node.core.records import read_lines
from r3l_node.core.weights import load as load_weights
from r3l_reward.core.goals import save_goals
from r3l_reward.core.vice import RewardModel

QUICK = ('encoder.vae_steps=4', 'reward.initial_updates=3', 'reward.updates_per_round=2',
         'reward.round_steps=30', 'learner.round_steps=30')  # fmt: skip
SMALL = ('monitor.goal_count=20', 'learner.capacity=1000')


def images(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)


@pytest.fixture(scope='module')
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('recorded') / 'valve'
    folder.mkdir()
    values = config.resolve(Request())
    (folder / 'config.yaml').write_text(config.dump(values), encoding='utf-8')
    replay = Replay(folder / 'replay' / 'learner', 70, 32, 16, 9)
    number, zeros = np.arange(66), np.zeros((66, 9), np.float32)
    replay.ring.extend(
        sequence=number, policy=np.full(66, RANDOM), first=number % 11 == 0,
        last=number % 11 == 10, image=images(66, 0), joint_position=zeros,
        previous_action=zeros, action=zeros, latent=np.zeros((66, 16)),
    )  # fmt: skip
    replay.ring.flush()
    return folder


@pytest.fixture(scope='module')
def goals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('goals')
    save_goals(folder, images(20, 1))
    return folder


@pytest.fixture(scope='module')
def trained(recording: Path, goals: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp('out') / 'pretrained'
    pretrain([recording, recording], out, goals, Request(seed=4, sets=QUICK), 50)
    return out


def test_it_writes_encoder_classifier_picture_and_page(trained: Path) -> None:
    assert sorted(path.name for path in trained.iterdir()) == [
        'encoder.safetensors', 'pretrain.md', 'reconstructions.png', 'reward.safetensors',
    ]  # fmt: skip
    page = (trained / 'pretrain.md').read_text(encoding='utf-8')
    assert '132 images read at' in page
    assert 'is trained on 50 of them' in page
    assert f'r3l train --pretrained {trained}' in page
    model = RewardModel.from_weights(*load_weights(trained / 'reward.safetensors'))
    assert (model.input, model.size) == ('latent', 16)
    # 120 steps: the first round and four of 30 steps.
    metadata = load_weights(trained / 'reward.safetensors')[1]
    assert metadata['updates'] == str(3 + 4 * 2)


def test_the_same_seed_gives_the_same_weights(
    recording: Path, goals: Path, trained: Path, tmp_path: Path
) -> None:
    again = tmp_path / 'again'
    pretrain([recording, recording], again, goals, Request(seed=4, sets=QUICK), 50)
    for name in ('encoder.safetensors', 'reward.safetensors'):
        assert (again / name).read_bytes() == (trained / name).read_bytes(), name


def test_without_goals_there_is_no_classifier(recording: Path, tmp_path: Path) -> None:
    out = tmp_path / 'out'
    pretrain([recording], out, None, Request(sets=QUICK), 20_000)
    assert not (out / 'reward.safetensors').exists()
    with pytest.raises(ConfigError, match='out exists already'):
        pretrain([recording], out, None, Request(sets=QUICK), 20_000)
    made = prepare(Request(sets=SMALL, pretrained=str(out)), tmp_path / 'run', tmp_path)
    assert made.values['reward']['weights'] == ''
    assert made.given == ('pretrained: encoder, so no images are gathered and no VAE is '
                          'trained; 1,000 steps of warm-up',)  # fmt: skip


def test_a_run_starts_from_it_and_goes_on_without_it(trained: Path, tmp_path: Path) -> None:
    gone = tmp_path / 'gone'
    shutil.copytree(trained, gone)
    sets = (
        *SMALL, 'all.warmup_steps=40', 'all.round_steps=20', 'reward.initial_negatives=20',
        'reward.initial_updates=3', 'reward.updates_per_round=1', 'evaluator.starts=1',
        'evaluator.every=100000', 'evaluator.baselines=false', 'learner.batch=8',
        'learner.update_ratio=0.2',
    )  # fmt: skip
    request, run = Request(steps=60, sets=sets, pretrained=str(gone)), tmp_path / 'run'
    assert prepare(request, run, tmp_path).given[0].startswith('pretrained: encoder and class')
    shutil.rmtree(gone)
    moved = run.rename(tmp_path / 'moved')
    assert train_in_process(request, moved) == 0
    weights = load(moved / 'config.yaml')['encoder']['weights']
    assert weights == str(moved / 'pretrained' / 'encoder.safetensors')
    kept, given = (load_weights(path)[0] for path in
                   (moved / 'checkpoints' / 'encoder.safetensors',
                    trained / 'encoder.safetensors'))  # fmt: skip
    assert all(np.array_equal(kept[name], value) for name, value in given.items())
    metrics = read_lines(moved / 'metrics.jsonl')
    assert not [line for line in metrics if line['source'] == 'encoder']
    rounds = [line['vice/updates'] for line in metrics if line['source'] == 'reward']
    assert rounds == [11 + 3, 11 + 4, 11 + 5]  # counted on from those that were made before


@pytest.mark.parametrize(
    ('sets', 'sentence'),
    [
        (('all.latent_size=8',), 'have latent_size 16: expected 8'),
        (('reward.hidden=[64]',), r'has hidden \[128, 128\]: expected \[64\]'),
        (('reward.input=pixels',), 'has input latent: expected pixels'),
        (('encoder.weights=/x.safetensors',), r"encoder\.weights is '/x.*expected none beside"),
    ],
    ids=['latent', 'hidden', 'input', 'both'],
)
def test_what_does_not_fit_is_refused_before_there_is_a_folder(
    trained: Path, tmp_path: Path, sets: tuple[str, ...], sentence: str
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        prepare(Request(sets=sets, pretrained=str(trained)), tmp_path / 'run', tmp_path)
    with pytest.raises(ConfigError, match=r'no encoder\.safetensors: expected a folder that r3l'):
        prepare(Request(pretrained=str(tmp_path)), tmp_path / 'run', tmp_path)
    plain = prepare(Request(sets=SMALL), tmp_path / 'plain', tmp_path)
    with pytest.raises(ConfigError, match='was begun without --pretrained'):
        prepare(Request(sets=SMALL, pretrained=str(trained)), plain.folder, tmp_path)
    assert not (tmp_path / 'run').exists()


def test_the_warm_up_is_short_unless_it_is_named(trained: Path) -> None:
    for request, steps in (
        (Request(), 6_000),
        (Request(pretrained=str(trained)), 1_000),
        (Request(pretrained=str(trained), sets=('all.warmup_steps=3000',)), 3_000),
        (Request(pretrained=str(trained), steps=1_800), 600),
    ):
        values = config.resolve(request)
        found = {own['warmup_steps'] for own in values.values() if 'warmup_steps' in own}
        assert found == {steps}
