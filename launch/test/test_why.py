# SPDX-License-Identifier: Apache-2.0
"""r3l why: everything that a recording has about one image."""

from pathlib import Path

import numpy as np
import pytest
from r3l_agent.core.rnd.model import latent_rnd
from r3l_agent.core.rnd.stored import novelty, stored_rnd
from r3l_bag.core.reader import Bag
from r3l_bag.testing import Recording
from r3l_bringup.moment import moment_of
from r3l_bringup.why import explain
from r3l_node.core.errors import ConfigError
from r3l_node.core.weights import save
from r3l_reward.core.goals import save_goals
import torch
import yaml

LEARNER = {'rnd_input': 'latent', 'rnd_hidden': 8, 'rnd_output': 4}


@pytest.fixture(scope='module')
def recording() -> Recording:
    """Return a recording whose models are known; see ``run``."""
    return Recording()


@pytest.fixture(scope='module')
def run(recording: Recording, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a run with a bag, goals and a checkpoint of the learner."""
    folder = recording.write_run(tmp_path_factory.mktemp('runs') / 'night')
    # One goal is the image of step 33 itself.
    save_goals(folder / 'goals', recording.images[[3, 8, 33]])
    section = {'/**/learner': {'ros__parameters': LEARNER}}
    (folder / 'config.yaml').write_text(yaml.safe_dump(section), encoding='utf-8')
    rnd = latent_rnd(3, 8, 4, 1e-4, 10.0, 5)
    state = {f'perturbation_rnd.{name}': value.numpy() for name, value in rnd.state().items()}
    save(folder / 'checkpoints' / 'learner.safetensors', state, {})
    return folder


def test_a_reward_is_explained(run: Path, recording: Recording, tmp_path: Path) -> None:
    text = explain(run, '3.35', None, tmp_path / 'out')
    latent = recording.vae.encode(recording.images[33][None])[0].numpy()
    logits = [float(model.logits(latent)[0]) for model in recording.models]
    lines = text.splitlines()
    assert 'stamp 3.300 s' in lines[0]
    assert '(3.30 s from the start)' in lines[0]
    assert lines[1] == 'agent: phase task, episode 1, step 33, env step 34, policy version 0'
    assert lines[2] == 'action: [+0.50, -0.50] (-1 to 1), chosen by the task policy'
    assert lines[3] == 'driver: run'
    assert f'logit {logits[2]:.4f}, by classifier version 3' in lines[4]
    assert lines[5].startswith(f'classifier 2 (the one before): logit {logits[1]:.4f}')
    assert lines[6].startswith(f'classifier 3 (then in use): logit {logits[2]:.4f}')
    assert lines[7].startswith('one step before: logit ')
    assert lines[8].startswith('nearest goals in latent space: goal 2 at 0.000, goal ')
    expected = latent_rnd(3, 8, 4, 1e-4, 10.0, 5).measure((torch.from_numpy(latent),))
    assert lines[9].startswith(f'novelty: {float(expected[0]):.3f} by the run')
    written = (tmp_path / 'out' / 'why.md').read_text(encoding='utf-8')
    assert written.startswith('# reward ')
    assert all(f'- {line}' in written for line in lines[:10])
    assert (tmp_path / 'out' / 'why.png').read_bytes().startswith(b'\x89PNG')


def test_the_newest_classifier_is_shown_beside_the_older_ones(run: Path, tmp_path: Path) -> None:
    text = explain(run, '1.55', None, tmp_path / 'out')
    assert 'classifier 1 (then in use)' in text
    assert 'classifier 3 (the newest)' in text
    assert 'the one before' not in text
    assert 'chosen by random motion' in text


def test_what_is_not_known_is_said(run: Path, tmp_path: Path) -> None:
    text = explain(run, '0.25', None, tmp_path / 'out')
    assert 'reward: none was recorded for this image' in text
    bag = Recording().write(tmp_path / 'alone.mcap')
    text = explain(bag, '3.35', None, tmp_path / 'out')
    assert 'nearest goals: unknown' in text
    assert 'novelty: unknown (the bag lies in no run' in text
    save_goals(tmp_path / 'goals', Recording().images[:2])
    text = explain(bag, '3.35', tmp_path / 'goals', tmp_path / 'out')
    assert 'nearest goals in latent space: goal ' in text


def test_the_image_before_a_moment_is_taken_or_else_the_next(run: Path) -> None:
    bag = Bag(run)
    assert moment_of(bag, bag.start).stamp == 0
    moment = moment_of(bag, bag.start + 3_399_000_000)
    assert moment.stamp == 3_300_000_000
    assert (moment.transition.sequence, moment.status.step, moment.phase) == (33, 33, 'task')
    assert moment.before.header.stamp.nanosec == 200_000_000
    assert moment.after.header.stamp.nanosec == 400_000_000
    assert moment_of(bag, bag.end).after is None


def test_a_moment_without_images_is_refused(run: Path) -> None:
    bag = Bag(run)
    with pytest.raises(ConfigError, match='there is no image within a minute of'):
        moment_of(bag, bag.end + 3600 * 10**9)
    with pytest.raises(ConfigError, match="--at is '99': expected a time from"):
        explain(run, '99')


def test_a_checkpoint_of_another_novelty_is_refused_or_left_out(run: Path) -> None:
    path = run / 'checkpoints' / 'learner.safetensors'
    assert stored_rnd(path, 3, {**LEARNER, 'rnd_input': 'pixels'}) is None
    assert stored_rnd(run / 'none', 3, LEARNER) is None
    with pytest.raises(ConfigError, match=r'expected one of shape'):
        stored_rnd(path, 4, LEARNER)
    rnd = stored_rnd(path, 3, LEARNER)
    assert novelty(rnd, np.zeros((2, 3), np.float32)).shape == (2,)
