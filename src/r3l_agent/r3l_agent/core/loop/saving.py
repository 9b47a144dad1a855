# SPDX-License-Identifier: Apache-2.0
"""A training to and from its checkpoint."""

from collections.abc import Iterator
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from r3l_agent.core.learner import Learner
from r3l_agent.core.loop.checkpoint import Checkpoint, FILE, Group, rewind
from r3l_agent.core.loop.config import TrainConfig
from r3l_agent.core.loop.records import cut
from r3l_agent.core.loop.trainer import Published, Trainer
from r3l_agent.core.loop.world import Witness
from r3l_agent.core.observation import JointRange
from r3l_agent.core.replay.buffer import Replay, RESET, SUCCESS
from r3l_agent.core.schedule import Model
from r3l_agent.core.training import POLICY_FILE
from r3l_node.core.errors import ConfigError
from r3l_node.core.files import write_atomic
from r3l_node.core.parameters import flatten
from r3l_node.core.weights import pack, save, unpack, WeightsError
from r3l_reward.core.rounds import WEIGHTS_FILE
from r3l_reward.core.vice import RewardModel

LOG = logging.getLogger('r3l_agent.train')
CLASSIFIER, POLICY = 'classifier.', 'policy.'
# What begins the names of each classifier's logits.
SCORES = {SUCCESS: '', RESET: 'reset_'}
# The same for the experience of this run and that of earlier ones.
MEMORIES = ('', 'prior_')
# Rows between two checkpoints, at most and beside those of an episode: rings keep them in excess.
SLACK = 4096
# Settings that may differ between a run and its continuation.
FREE = (
    'run', 'steps', 'goals', 'reset_goals', 'weights', 'checkpoint_seconds', 'metrics_steps',
    'device', 'threads', 'policy_wait', 'classifier_wait', 'preview_rate',
)  # fmt: skip


def snapshot(trainer: Trainer) -> Checkpoint:
    """
    Copy all of a training; between two episodes only.

    :param trainer: just after the last step of an episode.
    """
    learning = trainer.learning
    training = learning.training
    learner = training.learner
    groups: dict[str, Group] = {'learner': training.state(), 'scores': (_scores(learner), {})}
    for model in training.classifiers.since(learner.reward_version):
        about = {'version': str(model.version), 'env_steps': str(model.env_steps)}
        groups[f'{CLASSIFIER}{model.version}'] = (
            model.tensors,
            {'about': json.dumps(about), 'metadata': json.dumps(dict(model.metadata))},
        )
    for one in trainer.published:
        if one.env_steps >= trainer.alternation.required:
            tensors, metadata = unpack(one.data)
            about = {'version': str(one.version), 'env_steps': str(one.env_steps)}
            groups[f'{POLICY}{one.version}'] = (
                tensors,
                {'about': json.dumps(about), 'metadata': json.dumps(metadata)},
            )
    reward = learning.classifier and learning.classifier.rounds.state()
    if reward:
        groups |= {'reward': reward[0], 'reward_optimizer': reward[1]}
    state = trainer.world.save_state()
    if state is not None:
        groups['world'] = (state, {})
    return Checkpoint(groups, _facts(trainer, learner.reward_version))


def _facts(trainer: Trainer, reward_version: int) -> dict[str, Any]:
    learning = trainer.learning
    classifier = learning.classifier
    senses = trainer.encoding.senses
    rings = {
        'learner': learning.training.learner.replay.ring.count,
        'encoder': trainer.encoding.gathered.count,
    }
    if classifier is not None:
        rings |= {f'reward/{name}': count for name, count in classifier.negatives.counts().items()}
    return {
        'settings': settings(trainer.config),
        'agent': trainer.alternation.state.to_json(),
        'homing': trainer.alternation.homing,
        'stamp': trainer.stamp,
        'resets': trainer.resets,
        'interventions': trainer.interventions,
        'rings': rings,
        'encoder': trainer.encoding.encoder is not None,
        'senses': None if senses is None else [senses.low, senses.high],
        'reward_version': reward_version,
        'round': None if classifier is None else classifier.schedule.last,
        'mark': trainer.marks.last,
        'sizes': trainer.records.sizes(),
        'wall_s': trainer.records.wall,
    }


def write(trainer: Trainer, run: Path) -> None:
    """
    Write the checkpoint of a training, and what tools read of it.

    :param trainer: just after the last step of an episode.
    :param run: its folder.
    """
    training = trainer.learning.training
    try:
        checkpoint = snapshot(trainer)
        data = checkpoint.pack()
    except WeightsError as error:
        LOG.error('checkpoint not written: %s', error)
        return
    tensors, metadata = checkpoint.group('learner')
    training.remember((tensors, metadata))
    write_atomic(run / FILE, data)
    write_models(trainer, run)


def write_models(trainer: Trainer, run: Path) -> None:
    """
    Write what tools read: policy, classifier, and the world's own records.

    :param run: folder of the run.
    """
    training, classifier = trainer.learning.training, trainer.learning.classifier
    folder = run / FILE.parent
    if training.policy_version:
        save(folder / POLICY_FILE, *training.described_policy())
    reward = classifier and classifier.rounds.state()
    if reward and classifier and classifier.schedule.last is not None:
        tensors, metadata = reward[0]
        about = {'env_steps': str(classifier.schedule.last)}
        save(folder / WEIGHTS_FILE, tensors, metadata | about)
    if isinstance(trainer.world, Witness):
        trainer.world.write_records(run)


def restore(trainer: Trainer, checkpoint: Checkpoint, run: Path) -> None:
    """
    Put a fresh training where a checkpoint left it.

    :param trainer: made with the checkpoint's ``agent`` and ``homing``.
    :param checkpoint: as read.
    :param run: folder of the run, which is at that checkpoint.
    :raises ConfigError: one sentence, if it does not fit the settings.
    """
    facts, learning = checkpoint.facts, trainer.learning
    training = learning.training
    trainer.stamp = facts['stamp']
    trainer.resets, trainer.interventions = facts['resets'], facts['interventions']
    if facts['mark'] is not None:
        trainer.marks.due(facts['mark'])
    training.load(*checkpoint.group('learner'), run / FILE)
    training.restored = True
    if facts['senses'] is not None:
        low, high = facts['senses']
        trainer.encoding.senses = JointRange(tuple(low), tuple(high))
    training.learner.senses = trainer.encoding.senses
    if facts['encoder']:
        trainer.encoding.restore()
        training.learner.encoder = trainer.encoding.encoder
    _restore_classifiers(trainer, checkpoint)
    for name in checkpoint.beginning(POLICY):
        tensors, metadata, version, env_steps = _versioned(checkpoint, name)
        trainer.adopt(Published(version, env_steps, pack(tensors, metadata)))
    world, _ = checkpoint.group('world')
    if world:
        trainer.world.load_state(world)
    else:
        LOG.warning('the world cannot go back to where it was: it is reset')
        trainer.world.reset(np.random.default_rng([trainer.config.agent.seed, 7, trainer.stamp]))


def _restore_classifiers(trainer: Trainer, checkpoint: Checkpoint) -> None:
    facts, learning = checkpoint.facts, trainer.learning
    learner, classifier = learning.training.learner, learning.classifier
    if classifier is not None:
        if facts['round'] is not None:
            classifier.schedule.resume(facts['round'])
        if trainer.encoding.encoder is not None:
            classifier.set_encoder(trainer.encoding.encode)
        if 'reward' in checkpoint.groups:
            classifier.rounds.load(
                checkpoint.group('reward'), checkpoint.group('reward_optimizer')
            )
    for name in checkpoint.beginning(CLASSIFIER):
        tensors, metadata, version, env_steps = _versioned(checkpoint, name)
        learning.training.add_classifier(Model(version, env_steps, tensors, metadata))
        learning.model = RewardModel.from_weights(tensors, metadata)
        if version == facts['reward_version']:
            learner.set_reward(tensors, metadata, version)
    scores, _ = checkpoint.group('scores')
    for replay, which, name in _scored(learner):
        if learner.reward_version:
            slots, logits = scores[f'{name}slots'], scores[f'{name}logits']
            replay.load_scores(learner.reward_version, slots, logits, which)


def _scored(learner: Learner) -> Iterator[tuple[Replay, int, str]]:
    """Name every replay with a classifier, and what begins the names of those logits."""
    for memory, of in zip(learner.memories, MEMORIES, strict=False):
        for which, name in SCORES.items():
            yield memory.replay, which, of + name


def _scores(learner: Learner) -> dict[str, NDArray[Any]]:
    """Copy the logits that were looked up so far, of both classifiers."""
    found: dict[str, NDArray[Any]] = {}
    for replay, which, name in _scored(learner):
        # Rows that nobody has scored are marked by version 0.
        slots, logits = replay.scores(learner.reward_version or -1, which)
        found |= {f'{name}slots': slots, f'{name}logits': logits}
    return found


def _versioned(checkpoint: Checkpoint, name: str) -> tuple[Any, Any, int, int]:
    tensors, described = checkpoint.group(name)
    about = json.loads(described['about'])
    metadata = json.loads(described['metadata'])
    return tensors, metadata, int(about['version']), int(about['env_steps'])


def settings(config: TrainConfig) -> dict[str, Any]:
    """
    Return what must be the same when a run is gone on with, as JSON holds it.

    :param config: settings that fit the world.
    """
    return {
        f'{part}.{name}': list(value) if isinstance(value, tuple) else value
        for part, own in config.parts().items()
        for name, value in flatten(own).items()
        if name not in FREE
    }


def check_settings(checkpoint: Checkpoint, config: TrainConfig, run: Path) -> None:
    """
    Refuse to go on with other settings.

    :param checkpoint: of the run.
    :param config: settings that fit the world.
    :param run: folder of the run, for the message.
    :raises ConfigError: naming the first one that differs.
    """
    before = checkpoint.facts['settings']
    for name, value in settings(config).items():
        if name in before and before[name] != value:
            raise ConfigError(
                f'{run} was begun with {name} {before[name]}, not {value}: expected the same '
                'settings, or another run'
            )


def go_back(run: Path, checkpoint: Checkpoint | None) -> None:
    """
    Make the files of a run what they were at a checkpoint, or at the beginning.

    :param run: folder of the run.
    :param checkpoint: None: the beginning.
    """
    facts = checkpoint.facts if checkpoint else {}
    rewind(run, facts.get('rings', {}))
    cut(run, facts.get('sizes', {}))
