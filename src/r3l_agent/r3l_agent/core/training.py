# SPDX-License-Identifier: Apache-2.0
"""The learner without ROS: experience and models in, updates and checkpoints out."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from r3l_agent.core.interventions import append, rewind
from r3l_agent.core.learner import Learner, Tensors
from r3l_agent.core.observation import HAND, JointRange, Layout
from r3l_agent.core.replay.buffer import Row
from r3l_agent.core.schedule import ClassifierSchedule, Model, updates_due
from r3l_agent.core.stall import StallGuard
from r3l_agent.core.training_config import LearnerConfig
from r3l_node.core.errors import ConfigError
from r3l_node.core.files import write_atomic
from r3l_node.core.weights import digest, load, pack, save
from r3l_perception.core.encoders import encoder_from_weights
from r3l_reward.core.vice import RewardModel

LEARNER_FILE = 'learner.safetensors'
POLICY_FILE = 'policy.safetensors'
# Experience of earlier runs, below the folder of this one.
PRIOR = Path('replay') / 'prior'
# Updates in a row with a loss that is not finite, after which the last good state is taken again.
PATIENCE = 3

State = tuple[dict[str, NDArray[np.generic]], dict[str, str]]


class Training:
    """
    Count experience and updates, and keep what a restart needs.

    :param config: settings.
    :param layout: where what is stored differs from a hand with a camera.
    :param keep: write and read checkpoints of its own; otherwise the owner keeps ``state``.
    :raises ConfigError: if the run folder holds the state of another task or architecture.
    """

    def __init__(self, config: LearnerConfig, layout: Layout = HAND, *, keep: bool = True) -> None:
        self.config = config
        self._folder = Path(config.run) / 'checkpoints' if config.run and keep else None
        replay = Path(config.run) / 'replay' / 'learner' if config.run else None
        joints = JointRange(config.joint_low, config.joint_high)
        try:
            self.learner = Learner(
                config, joints, config.latent_size, config.seed, replay, layout,
                _prior(config, layout),
            )  # fmt: skip
        except ConfigError:
            raise
        except ValueError as error:
            raise ConfigError(f'learner: {error}') from error
        self.classifiers = ClassifierSchedule(config.round_steps)
        self.env_steps = 0
        self.episode_end = 0
        self.policy_version = 0
        self.policy_steps = 0
        self.encoder_version = 0
        self.bad_updates = 0
        self.rollbacks = 0
        self._encoder_digest = ''
        self._bad_in_a_row = 0
        self._cut: set[int] = set()
        self._good: State | None = None
        self._guard: StallGuard | None = None
        if config.stall_guard:
            self._guard = StallGuard(config.stall_tolerance, config.latent_size, config.seed)
            self._shake(0)
        self.restored = self._restore()

    @property
    def owed(self) -> int:
        """Updates that are due and not made."""
        config = self.config
        due = updates_due(config.update_ratio, config.warmup_steps, self.env_steps)
        return max(0, due - self.learner.updates)

    @property
    def done_steps(self) -> int:
        """Env step up to which all updates that are due have been made."""
        owed, ratio = self.owed, self.config.update_ratio
        return self.env_steps - int(np.ceil(owed / ratio)) if owed and ratio else self.env_steps

    @property
    def ratio(self) -> float:
        """Updates made per env step after the warm-up."""
        return self.learner.updates / max(1, self.env_steps - self.config.warmup_steps)

    def add(self, row: Row, encoder_version: int) -> bool:
        """
        Store one observation; its latent is computed again if it is of another encoder.

        :param row: joint positions in rad.
        :param encoder_version: of its latent; 0: none.
        :return: true at the end of an episode.
        """
        if self.learner.encoder is not None and encoder_version != self.encoder_version:
            row = row._replace(latent=self.learner.encode(row.image[None])[0])
        if row.sequence in self._cut:
            self._cut.discard(row.sequence)
            row = row._replace(first=True)
        self.learner.add(row)
        if row.last:
            self.episode_end = self.env_steps
        else:
            self.env_steps += 1
            self._watch(row)
        return row.last

    def _watch(self, row: Row) -> None:
        """Show the guard where the training is, and at the end of a window ask it."""
        guard, config = self._guard, self.config
        if guard is None:
            return
        guard.see(row.latent)
        if self.env_steps % config.stall_window:
            return
        found = guard.judge()
        if found.changed:
            self._shake(found.level)
            if config.run:
                values = {'level': found.level, **found.figures}
                append(Path(config.run), 'stall', self.env_steps, values)

    def _shake(self, level: int) -> None:
        self.learner.set_stall(level, level * self.config.stall_entropy)

    def interrupt(self, sequence: int) -> None:
        """
        Make sure that no transition ends at a row, whether it is here already or still to come.

        :param sequence: of the row.
        """
        replay = self.learner.replay
        if sequence > replay.last_sequence:
            self._cut.add(sequence)
        else:
            replay.interrupt(sequence)

    def set_encoder(self, model: Model) -> None:
        """
        Take an encoder; latents that it made before a restart are not computed again.

        :param model: its weights.
        :raises ValueError: one sentence, if the learner cannot use it.
        """
        fingerprint = digest(pack(model.tensors, model.metadata))
        if fingerprint == self._encoder_digest:
            self.learner.encoder = encoder_from_weights(model.tensors, model.metadata)
        else:
            self.learner.set_encoder(model.tensors, model.metadata)
        self.encoder_version = model.version
        self._encoder_digest = fingerprint
        # Latents are changed for good: an older checkpoint would not know by whom.
        self.save()

    def add_classifier(self, model: Model) -> None:
        """
        Take note of a classifier; it is used when it is due.

        :param model: its weights.
        :raises ValueError: one sentence, if the learner cannot use it.
        """
        config = self.config
        found = RewardModel.from_weights(model.tensors, model.metadata)
        if config.perturbation == 'goals':
            RewardModel.from_weights(model.tensors, model.metadata, reset=True)
        size = config.latent_size if found.input == 'latent' else config.image_size
        if found.size != size:
            raise ValueError(
                f'the classifier scores {found.input} of size {found.size}: expected {size}'
            )
        self.classifiers.add(model)

    def use_classifier(self) -> None:
        """Take the classifier that is due now."""
        lockstep = self.config.lockstep
        model = self.classifiers.choose(self.env_steps) if lockstep else self.classifiers.newest()
        if model is not None and model.version != self.learner.reward_version:
            self.learner.set_reward(model.tensors, model.metadata, model.version)

    def update(self) -> None:
        """Make one update; go back to the last good state if losses stay unusable."""
        learned = self.learner.perturbation_due and self.config.perturbation == 'rnd'
        self.learner.update()
        if self._guard is not None:
            names = ('train/reward_mean', 'rnd/loss') if learned else ('train/reward_mean',)
            figures = [self.learner.metric(name) for name in names]
            if all(np.isfinite(figures)):
                self._guard.learn(*figures)
        if all(np.isfinite(value) for value in self.learner.metrics().values()):
            self._bad_in_a_row = 0
            return
        self.bad_updates += 1
        self._bad_in_a_row += 1
        if self._bad_in_a_row >= PATIENCE and self._good is not None:
            self._bad_in_a_row = 0
            self.rollbacks += 1
            made = self.learner.updates
            self.learner.load(*self._good)
            # Counted on: the same updates would draw the same batches and fail again.
            self.learner.updates = made

    def policy(self, env_steps: int) -> bytes:
        """
        Return a new version of the policies.

        :param env_steps: up to which they have been trained.
        :return: a safetensors file.
        :raises WeightsError: if they hold a value that is not finite.
        """
        tensors, metadata = self.learner.policy_weights()
        data = pack(tensors, metadata)
        self.policy_version += 1
        self.policy_steps = env_steps
        return data

    def save(self) -> None:
        """
        Keep the state, in memory and in the run folder.

        :raises WeightsError: if it holds a value that is not finite; the old one is kept.
        """
        tensors, metadata = self.state()
        data = pack(tensors, metadata)
        self.remember((tensors, metadata))
        if self._folder is not None:
            write_atomic(self._folder / LEARNER_FILE, data)
            save(self._folder / POLICY_FILE, *self.described_policy())

    def remember(self, state: State) -> None:
        """
        Take note of a state to go back to when losses become unusable.

        :param state: as ``state`` returned it, all of it finite.
        """
        self._good = state

    def described_policy(self) -> tuple[Tensors, dict[str, str]]:
        """Return the policies as they are kept for tools: arrays by name and the metadata."""
        policy, described = self.learner.policy_weights()
        described = described | {
            'env_steps': str(self.policy_steps),
            'version': str(self.policy_version),
        }
        return policy, described

    def state(self) -> State:
        """Copy everything but the replay: arrays by name and the metadata."""
        tensors, metadata = self.learner.state()
        counts = {
            'task': self.config.task,
            'rows': self.learner.replay.ring.count,
            'env_steps': self.env_steps,
            'episode_end': self.episode_end,
            'policy_version': self.policy_version,
            'policy_steps': self.policy_steps,
            'encoder_version': self.encoder_version,
            'encoder_digest': self._encoder_digest,
        }
        metadata |= {f'run.{name}': str(value) for name, value in counts.items()}
        if self._guard is not None:
            arrays, metadata['run.stall'] = self._guard.state()
            tensors |= {f'stall.{name}': value for name, value in arrays.items()}
        return tensors, metadata

    def _restore(self) -> bool:
        path = self._folder / LEARNER_FILE if self._folder is not None else None
        if path is None or not path.exists():
            self._recount(0)
            return False
        tensors, metadata = load(path)
        self.load(tensors, metadata, path)
        self._recount(int(metadata['run.rows']))
        return True

    def load(
        self,
        tensors: Mapping[str, NDArray[np.generic]],
        metadata: Mapping[str, str],
        path: Path,
    ) -> None:
        """
        Continue from what ``state`` returned.

        :param tensors: arrays by name.
        :param metadata: as returned with them.
        :param path: of the file that it was read from, for messages.
        :raises ConfigError: naming the file, if it is of another task or architecture.
        """
        task = metadata.get('run.task')
        if task != self.config.task:
            raise ConfigError(f'{path} belongs to task {task!r}: expected {self.config.task!r}')
        try:
            self.learner.load(tensors, metadata)
            self._read_counts(metadata)
            self._load_guard(tensors, metadata)
        except (KeyError, ValueError, RuntimeError) as error:
            raise ConfigError(f'{path}: {error}') from error
        self._good = (dict(tensors), dict(metadata))

    def _load_guard(
        self, tensors: Mapping[str, NDArray[np.generic]], metadata: Mapping[str, str]
    ) -> None:
        if self._guard is not None:
            self._guard.load({'visited': tensors['stall.visited']}, metadata['run.stall'])
            self._shake(self._guard.level)
            if self.config.run:
                rewind(Path(self.config.run), self.env_steps)

    def _read_counts(self, metadata: Mapping[str, str]) -> None:
        self.env_steps = int(metadata['run.env_steps'])
        self.episode_end = int(metadata['run.episode_end'])
        self.policy_version = int(metadata['run.policy_version'])
        self.policy_steps = int(metadata['run.policy_steps'])
        self.encoder_version = int(metadata['run.encoder_version'])
        self._encoder_digest = metadata['run.encoder_digest']

    def _recount(self, known: int) -> None:
        """Count what the replay received after the checkpoint was written."""
        ring = self.learner.replay.ring
        for index in range(max(known, ring.count - len(ring)), ring.count):
            if ring.arrays['last'][ring.slot(index)]:
                self.episode_end = self.env_steps
                # One version was published at the end of each of these episodes.
                self.policy_version += 1
            else:
                self.env_steps += 1


def _prior(config: LearnerConfig, layout: Layout) -> Path | None:
    """Return where the run keeps the experience of earlier ones, if it was given any."""
    folder = Path(config.run) / PRIOR if config.run else None
    if folder is None or not folder.exists() or not config.prior_share:
        return None
    if layout.features or layout.outcomes or layout.joints is not None:
        raise ConfigError(
            f'{folder} holds images, joints and actions alone: expected a world with a camera '
            'whose rewards come from the classifier'
        )
    return folder
