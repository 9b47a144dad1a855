# SPDX-License-Identifier: Apache-2.0
"""r3l replay --compare: a bag scored with other models, without ROS."""

from pathlib import Path

import numpy as np
import pytest
from r3l_bag.core.reader import Bag
from r3l_bag.testing import INFO, NANO, Recording, write_bag
from r3l_bringup.compare import compare_bag, table
from r3l_bringup.models import models_of, weights_of
from r3l_bringup.recorded import pixels_of, Told, told
from r3l_node.core.errors import ConfigError
from r3l_node.core.weights import load, save
from r3l_perception.core.pixels import PixelEncoder
from r3l_perception.core.vae import to_weights
from r3l_reward.core.vice import ViceConfig, ViceTrainer
from sensor_msgs.msg import Image

GOALS = np.random.default_rng(7).standard_normal((20, 3)).astype(np.float32)


@pytest.fixture(scope='module')
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a recording."""
    return Recording().write(tmp_path_factory.mktemp('bag') / 'night.mcap')


def keep(folder: Path, recording: Recording) -> Path:
    """Write the models of a recording as a run keeps them."""
    save(folder / 'checkpoints' / 'encoder.safetensors', *to_weights(recording.vae))
    trainer = recording._trainer
    save(folder / 'checkpoints' / 'reward.safetensors', *trainer.weights())
    return folder


def test_the_same_models_differ_only_where_they_were_trained_further(tmp_path: Path) -> None:
    recording = Recording()
    bag = recording.write(tmp_path / 'night.mcap')
    written = compare_bag(bag, keep(tmp_path / 'run', recording), '3.1', '', tmp_path / 'out')
    text = written.read_text(encoding='utf-8')
    # From the last round on the newest classifier is the one that was in use.
    row = next(line for line in text.splitlines() if line.startswith('| all |'))
    cells = [cell.strip() for cell in row.split('|')[2:-1]]
    assert cells[0] == '9'
    assert cells[1] == cells[2]
    assert cells[3:] == ['1.000', '0.0%']
    for picture in ('compare.png', 'disagreements.png'):
        assert (tmp_path / 'out' / picture).read_bytes().startswith(b'\x89PNG')
    assert text.count('| 2026-') == 9


def test_another_classifier_is_compared_by_phase(bag: Path, tmp_path: Path) -> None:
    trainer = ViceTrainer(ViceConfig(hidden=(8,)), GOALS, 9)
    save(tmp_path / 'other.safetensors', *trainer.weights())
    written = compare_bag(bag, tmp_path / 'other.safetensors', out=tmp_path / 'out')
    text = written.read_text(encoding='utf-8')
    assert '29 of 29 rewarded images' in text
    assert [line.split('|')[1].strip() for line in text.splitlines() if ' | 0.' in line][:3] == [
        'all', 'warm-up', 'task',
    ]  # fmt: skip
    assert text.count('| 2026-') == 12


def test_the_table_is_what_numpy_says() -> None:
    rng = np.random.default_rng(0)
    logits = rng.standard_normal(6).astype(np.float32)
    other = np.float32([1.0, -1.0, 2.0, -2.0, 0.5, 0.1])
    recorded = Told(
        np.arange(6),
        np.arange(6),
        logits,
        1 / (1 + np.exp(-logits)),
        ['task'] * 4 + ['homing'] * 2,
    )
    given = 1 / (1 + np.exp(-other))
    rows = table(recorded, np.arange(6), given, other)
    opposite = ((logits > 0) != (other > 0)).mean()
    assert rows[2] == (
        f'| all | 6 | {recorded.probabilities.mean():.3f} | {given.mean():.3f} | '
        f'{np.corrcoef(logits, other)[0, 1]:.3f} | {opposite:.1%} |'
    )
    assert [row.split('|')[1:3] for row in rows[3:]] == [[' task ', ' 4 '], [' homing ', ' 2 ']]


def test_models_that_do_not_fit_are_refused_in_one_sentence(bag: Path, tmp_path: Path) -> None:
    larger = ViceTrainer(ViceConfig(hidden=(8,)), np.zeros((9, 5), np.float32))
    save(tmp_path / 'larger.safetensors', *larger.weights())
    save(tmp_path / 'pixels.safetensors', *PixelEncoder(32).to_weights())
    save(tmp_path / 'nothing.safetensors', {}, {'model': 'another'})
    for name, sentence in (
        ('larger.safetensors', 'the classifier scores latents of 5: expected 3'),
        ('pixels.safetensors', "the classifier scores latents of 3: expected 3072, the encoder's"),
        ('nothing.safetensors', 'is no encoder and no classifier'),
        ('none', 'does not exist: expected a run folder or encoder.safetensors'),
        ('.', 'holds no encoder.safetensors or reward.safetensors'),
    ):
        with pytest.raises(ConfigError, match=sentence):
            compare_bag(bag, tmp_path / name, out=tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


def test_a_bag_without_rewards_is_refused(tmp_path: Path) -> None:
    recording = Recording(steps=3)
    bag = recording.write(tmp_path / 'short.mcap')
    with pytest.raises(ConfigError, match='has no reward in that time'):
        compare_bag(bag, keep(tmp_path / 'run', Recording()), out=tmp_path / 'out')


def test_images_of_another_size_are_refused(bag: Path, tmp_path: Path) -> None:
    trainer = ViceTrainer(
        ViceConfig(input='pixels', channels=(4,)), np.zeros((9, 48, 48, 3), np.uint8)
    )
    save(tmp_path / 'other.safetensors', *trainer.weights())
    with pytest.raises(ConfigError, match=r'images of the bag are 32x32 pixels: expected 48x48'):
        compare_bag(bag, tmp_path / 'other.safetensors', out=tmp_path / 'out')


def test_models_of_a_pretraining_are_found(tmp_path: Path) -> None:
    recording = Recording()
    save(tmp_path / 'encoder.safetensors', *to_weights(recording.vae))
    found = models_of(tmp_path)
    assert found.classifier is None
    assert found.encoder.latent_size == 3
    assert load(tmp_path / 'encoder.safetensors')[1]['model'] == 'r3l_vae'


def test_what_was_told_is_joined_by_stamp(bag: Path) -> None:
    opened = Bag(bag)
    found = told(opened, opened.start, opened.end + 1)
    assert found.stamps.tolist() == [step * 10**8 for step in range(11, 40)]
    assert found.phases == ['warm-up'] * 10 + ['task'] * 19
    assert weights_of(opened, 'reward') == [1, 2, 3]


@pytest.mark.parametrize(
    ('change', 'sentence'),
    [({'encoding': 'yuv422'}, "encoding is 'yuv422'"), ({'step': 5}, 'image has 12 bytes')],
)
def test_an_image_that_cannot_be_read_is_named(
    tmp_path: Path, change: dict[str, object], sentence: str
) -> None:
    fields = {'encoding': 'bgr8', 'height': 2, 'width': 2, 'step': 6, 'data': bytes(range(12))}
    image = Image(**fields)
    bag = Bag(write_bag(tmp_path / 'a.mcap', iter([(NANO, '/camera/image_raw', image)]), INFO))
    decoded = bag.decode(next(bag.messages()))
    assert pixels_of(decoded)[0, 0].tolist() == [2, 1, 0]
    bad = Image(**{**fields, **change})
    bag = Bag(write_bag(tmp_path / 'b.mcap', iter([(NANO, '/camera/image_raw', bad)]), INFO))
    with pytest.raises(ConfigError, match=sentence):
        pixels_of(bag.decode(next(bag.messages())))
