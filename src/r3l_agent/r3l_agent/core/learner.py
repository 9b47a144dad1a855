# SPDX-License-Identifier: Apache-2.0
"""Task policy and perturbation controller: what they learn from, and how."""

from collections.abc import Mapping
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from r3l_agent.core.agent_config import LEARNED
from r3l_agent.core.learner_config import check_trunk, LearningConfig
from r3l_agent.core.memory import Draw, joined, Memory
from r3l_agent.core.observation import HAND, JointRange, Layout, ObservationSpec
from r3l_agent.core.policy import describe
from r3l_agent.core.replay.buffer import (
    PERTURBATION,
    RANDOM,
    Replay,
    RESET,
    Row,
    SUCCESS,
    TASK,
)
from r3l_agent.core.rnd.model import inputs_of, latent_rnd, pixel_rnd, Rnd, STD_DECAY, STD_FLOOR
from r3l_agent.core.sac.learner import Batch, Sac, SacConfig
from r3l_agent.core.sac.pixels import PixelSac
from r3l_agent.core.sac.trunk import Trunk
from r3l_agent.core.success import SuccessHead
from r3l_node.core.compute import Compute, scalars
from r3l_node.core.ring import stored_capacity
from r3l_perception.core.encoders import Encoder, encoder_from_weights
from r3l_reward.core.vice import RewardModel
import torch
from torch import Tensor

Array = NDArray[np.float32]
Slots = NDArray[np.int64]
Tensors = dict[str, NDArray[np.float32]]


class Learner:
    """
    Own the replay, two soft actor-critics and the novelty of each.

    Update ``n`` draws its samples from a generator seeded with ``(seed, n)``, so that a learner
    that was saved and loaded continues exactly.

    :param config: settings.
    :param joints: command range of the joints.
    :param latent_size: length of the encoder's latent.
    :param seed: of all weights, samples and noise.
    :param folder: where the replay lives; None keeps it in memory.
    :param layout: where what is stored differs from a hand with a camera.
    :param prior: where experience of earlier runs lives, a part of each batch; None: nowhere.
    """

    def __init__(
        self,
        config: LearningConfig,
        joints: JointRange,
        latent_size: int,
        seed: int = 0,
        folder: Path | None = None,
        layout: Layout = HAND,
        prior: Path | None = None,
    ) -> None:
        self.config = config
        self.compute = Compute.named(config.device, config.precision, node='learner')
        check_trunk(config.trunk, config.image_size, latent_size, config.history)
        self.joints = joints
        self.seed = seed
        self.updates = 0
        self.layout = layout
        actions = len(joints.low)
        self.spec = ObservationSpec(latent_size, actions, config.history)
        if layout.joints is not None:
            self.spec = ObservationSpec(latent_size, layout.joints, config.history, actions)
        # Pixels are at hand in the images.
        stored = 0 if config.trunk else latent_size
        self.replay = Replay(folder, config.capacity, config.image_size, stored, actions, layout)
        self.memory = Memory(self.replay, self.spec)
        self.prior: Memory | None = None
        if prior is not None:
            rows = stored_capacity(prior)
            replay = Replay(prior, rows, config.image_size, stored, actions)
            self.prior = Memory(replay, self.spec)
        self.encoder: Encoder | None = None
        self.reward_model: RewardModel | None = None
        self.reward_version = 0
        # Rewards the perturbation for leading back to where attempts begin.
        self.reset_model: RewardModel | None = None
        self._reward_std = [1.0, 1.0]
        self.task = self._sac(seed)
        self.perturbation = self._sac(seed + 1)
        self._deployed = self.task.policy_flat.clone()
        self.task_rnd = self._rnd(seed + 2) if config.task_novelty else None
        self.perturbation_rnd = self._rnd(seed + 3)
        self._metrics: dict[str, Tensor] = {}
        # How hard to shake a training that stands still; None: nobody looks.
        self.stall_level: int | None = None
        self._powers = (config.discount ** np.arange(config.n_step + 1)).astype(np.float32)

    def _sac(self, seed: int) -> Sac:
        config = self.config
        settings = SacConfig(
            observations=self.spec.size,
            actions=self.spec.action_size,
            hidden=config.hidden,
            critics=config.critics,
            critic_subset=config.critic_subset,
            layer_norm=config.layer_norm,
            discount=config.discount,
            learning_rate=config.learning_rate,
            target_rate=config.target_rate,
            target_entropy=config.target_entropy,
            initial_temperature=config.initial_temperature,
        )
        if not config.trunk:
            return Sac(settings, seed, self.compute)
        trunk = Trunk(config.image_size, config.trunk, config.trunk_features)
        return PixelSac(settings, trunk, seed, self.compute)

    def _rnd(self, seed: int) -> Rnd:
        config, spec = self.config, self.spec
        rest = (config.rnd_output, config.rnd_learning_rate, config.rnd_clip, seed, self.compute)
        if config.rnd_input == 'latent':
            return latent_rnd(spec.latent_size, config.rnd_hidden, *rest)
        return pixel_rnd(config.image_size, spec.joints + spec.action_size, *rest)

    def add(self, row: Row) -> None:
        """
        Store one observation with the action that answered it.

        :param row: joint positions in rad; they are kept in units of the command range. Other
            proprioception is kept as it is.
        """
        if self.layout.joints is None:
            row = row._replace(joint_position=self.joints.normalise(row.joint_position))
        self.replay.append(row)

    def set_encoder(self, tensors: Mapping[str, Array], metadata: Mapping[str, str]) -> None:
        """
        Take an encoder and compute every stored latent with it.

        :param tensors: weights of the VAE by name.
        :param metadata: as the encoder published them.
        :raises ValueError: if its latent has another length, or it is no encoder.
        """
        encoder = encoder_from_weights(tensors, metadata)
        if encoder.latent_size != self.spec.latent_size:
            raise ValueError(
                f'the encoder has latents of {encoder.latent_size}: '
                f'expected {self.spec.latent_size}'
            )
        self.encoder = encoder
        for memory in self.memories:
            if memory.replay.keeps_latents:
                memory.replay.encode(self.encode)

    def encode(self, images: NDArray[Any]) -> Array:
        """
        Map images to latents.

        :param images: shape (batch, height, width, 3).
        :return: shape (batch, latent).
        :raises ValueError: if no encoder was set.
        """
        if self.encoder is None:
            raise ValueError('no encoder yet: expected set_encoder first')
        result: Array = self.encoder.encode(images)[0].numpy()
        return result

    def set_reward(
        self, tensors: Mapping[str, Array], metadata: Mapping[str, str], version: int
    ) -> None:
        """
        Take a classifier; rewards of stored transitions are its from now on.

        :param tensors: weights by name.
        :param metadata: as the classifier published them.
        :param version: > 0, another one for other weights.
        :raises ValueError: if these are not the weights of a classifier, or of two where the
            perturbation needs its own.
        """
        device = self.compute.device
        model = RewardModel.from_weights(tensors, metadata, device=device)
        if self.config.perturbation == 'goals':
            self.reset_model = RewardModel.from_weights(
                tensors, metadata, reset=True, device=device
            )
        self.reward_model, self.reward_version = model, version

    def ready(self) -> bool:
        """Whether there is an encoder, a classifier and a transition to learn from."""
        return (
            self.encoder is not None
            and (self.reward_model is not None or self.oracle)
            and (self.reset_model is not None or self.config.perturbation != 'goals')
            and self.replay.transitions(self._pool(TASK)) > 0
            and self.replay.transitions(self._pool(PERTURBATION)) > 0
        )

    @property
    def oracle(self) -> bool:
        """Whether the task policy is rewarded by the world itself."""
        return self.config.reward_source == 'environment'

    @property
    def memories(self) -> tuple[Memory, ...]:
        """What batches are drawn from: this run's experience, and that of earlier ones."""
        return (self.memory,) if self.prior is None else (self.memory, self.prior)

    @property
    def senses(self) -> JointRange | None:
        """Range of proprioception other than that of the joints commanded; None: that one."""
        return self.memory.senses

    @senses.setter
    def senses(self, senses: JointRange | None) -> None:
        for memory in self.memories:
            memory.senses = senses

    def set_stall(self, level: int, entropy: float) -> None:
        """
        Let the policies keep more entropy, and tell who acts that the training stands still.

        :param level: 0: it does not.
        :param entropy: added to the configured one [nat].
        """
        self.stall_level = level
        for sac in (self.task, self.perturbation):
            sac.target_entropy = self.config.target_entropy + entropy

    def metric(self, name: str) -> float:
        """Return one of the newest scalars, which must exist."""
        return float(self._metrics[name])

    def _pool(self, policy: int) -> tuple[int, ...]:
        return (RANDOM, TASK, PERTURBATION) if self.config.share_replay else (RANDOM, policy)

    @property
    def perturbation_due(self) -> bool:
        """Whether the next update is one of the perturbation, too."""
        due = self.updates % self.config.perturbation_interval == 0
        return due and self.config.perturbation in LEARNED

    def update(self) -> None:
        """Make one update of the task policy and, when it is due, of the perturbation."""
        rng = np.random.default_rng([self.seed, self.updates])
        drawn = self._drawn(rng, TASK)
        actor = self.updates % self.config.actor_interval == 0
        found = self.task.update(self._task_batch(*drawn), actor=actor)
        self._metrics |= {f'train/{name}': value for name, value in found.items()}
        if self.config.actor_average:
            self._deployed.lerp_(self.task.policy_flat, self.config.actor_average)
        else:
            self._deployed.copy_(self.task.policy_flat)
        if self.perturbation_due:
            drawn = self._drawn(rng, PERTURBATION)
            turn = self.updates // self.config.perturbation_interval
            actor = turn % self.config.actor_interval == 0
            found = self.perturbation.update(self._perturbation_batch(*drawn), actor=actor)
            self._metrics |= {f'perturbation/{name}': value for name, value in found.items()}
        self.updates += 1

    def _drawn(self, rng: np.random.Generator, policy: int) -> list[Slots]:
        """Draw a batch: slots of this run's transitions, then of those of earlier runs, if any."""
        size, pool = self.config.batch, self._pool(policy)
        if self.prior is None or not self.prior.replay.transitions(pool):
            return [self.replay.sample(rng, size, pool)]
        # At least two of this run: their spread is the scale of novelty.
        earlier = max(0, min(round(size * self.config.prior_share), size - 2))
        own = self.replay.sample(rng, size - earlier, pool)
        return [own, self.prior.replay.sample(rng, earlier, pool)]

    def _draws(self, slots: tuple[Slots, ...]) -> list[Draw]:
        count = self.config.n_step
        return [memory.draw(own, count) for memory, own in zip(self.memories, slots, strict=False)]

    def _task_batch(self, *slots: Slots) -> Batch:
        """Make a batch of first rows, those of this run first."""
        draws = self._draws(slots)
        (reward,) = self._tensors(self._reward(draws))
        if self.task_rnd is not None:
            reward = reward + self.config.task_novelty * self._novelty(self.task_rnd, draws)
        self._note_reward('train', reward, len(slots[0]))
        return self._batch(draws, reward)

    def _perturbation_batch(self, *slots: Slots) -> Batch:
        draws = self._draws(slots)
        if self.config.perturbation == 'goals':
            (reward,) = self._tensors(self._scaled(self._classified(draws, RESET), RESET))
            self._note_reward('reset', reward, len(slots[0]))
        else:
            reward = self._novelty(self.perturbation_rnd, draws)
            self._note_reward('rnd', reward, len(slots[0]))
        return self._batch(draws, reward)

    def _note_reward(self, name: str, reward: Tensor, own: int) -> None:
        """Keep the mean reward of this run's transitions, and beside it that of the others."""
        self._metrics[f'{name}/reward_mean'] = reward[0, :own].mean()
        if reward.shape[1] > own:
            self._metrics[f'{name}/prior_reward_mean'] = reward[0, own:].mean()

    def _novelty(self, rnd: Rnd, draws: list[Draw]) -> Tensor:
        """
        Reward each step, shape of all ``rows`` side by side.

        The predictor learns from the first steps of this run alone: what others have seen is
        still new to it.
        """
        parts: list[Tensor] = []
        for draw in draws:
            rows, found = draw.rows, []
            if self.config.rnd_input == 'pixels':
                # R3L's novelty is that of the observation before the action.
                rows = np.concatenate([draw.slots[None], rows[:-1]])
            if draw.memory is self.memory:
                inputs = self._rnd_inputs(rows[0])
                reward, self._metrics['rnd/loss'] = rnd.learn(inputs)
                found, rows = [reward[None]], rows[1:]
            if len(rows):
                later = rnd.measure(self._rnd_inputs(rows.ravel(), draw.memory))
                found.append(later.view(len(rows), -1))
            parts.append(found[0] if len(found) == 1 else torch.cat(found))
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)

    def _rnd_inputs(self, rows: Slots, memory: Memory | None = None) -> tuple[Tensor, ...]:
        memory = memory or self.memory
        if self.config.rnd_input == 'latent':
            return self._tensors(memory.latents(rows))
        return self._tensors(*memory.images(rows))

    def _tensors(self, *arrays: NDArray[np.generic]) -> tuple[Tensor, ...]:
        return inputs_of(*arrays, device=self.compute.device)

    def _reward(self, draws: list[Draw]) -> Array:
        """Return the task policy's reward of each step, shape of all ``rows`` side by side."""
        if not self.oracle:
            return self._scaled(self._classified(draws))
        (draw,) = draws
        reward: Array = draw.memory.replay.arrays['reward'][draw.rows]
        return self._scaled(reward)

    def _scaled(self, reward: Array, which: int = SUCCESS) -> Array:
        """Normalise rewards, shape (steps, batch), if asked to; the first ones tell the scale."""
        if self.config.normalise_reward:
            std = float(reward[0].std())
            self._reward_std[which] = STD_DECAY * self._reward_std[which] + (1.0 - STD_DECAY) * std
            reward = reward / np.float32(max(self._reward_std[which], STD_FLOOR))
        return reward

    def _model(self, which: int) -> RewardModel:
        model = self.reset_model if which == RESET else self.reward_model
        if model is None:
            raise ValueError('no classifier yet: expected set_reward first')
        return model

    def _classified(self, draws: list[Draw], which: int = SUCCESS) -> Array:
        model, version = self._model(which), self.reward_version
        found = [draw.memory.logits(draw.rows, version, model, which) for draw in draws]
        logit = found[0] if len(found) == 1 else np.concatenate(found, axis=1)
        return np.asarray(model.reward(logit), np.float32)

    def score(self, slots: Slots, which: int = SUCCESS) -> Array:
        """
        Compute a classifier's logits of stored rows.

        :param slots: shape (count,).
        :param which: ``SUCCESS``, or ``RESET`` for the second classifier.
        :return: shape (count,) [nat].
        """
        return self.memory.score(self._model(which), slots)

    def _batch(self, draws: list[Draw], reward: Tensor) -> Batch:
        """Join first rows with what followed; ``reward`` has the shape of all ``rows``."""
        arrays = (
            joined([draw.memory.observation(draw.slots) for draw in draws]),
            joined([draw.memory.replay.arrays['action'][draw.slots] for draw in draws]),
            joined([draw.memory.observation(draw.rows[-1]) for draw in draws]),
            joined([self._terminal(draw) for draw in draws]),
        )
        observation, action, next_observation, end = self._tensors(*arrays)
        if len(reward) == 1:
            return Batch(observation, action, reward[0], next_observation, end)
        steps = joined([draw.steps for draw in draws])
        weights = self._powers[:-1, None] * (np.arange(len(reward))[:, None] < steps)
        factors, discount = self._tensors(weights, self._powers[steps])
        total = (factors * reward).sum(dim=0)
        return Batch(observation, action, total, next_observation, end, discount)

    def _terminal(self, draw: Draw) -> Array:
        arrays, last = draw.memory.replay.arrays, draw.rows[-1]
        terminal = np.zeros(len(draw.slots), np.float32)
        if not self.config.bootstrap_switch:
            terminal[arrays['last'][last]] = 1.0
        if self.layout.outcomes:
            terminal[arrays['terminal'][last]] = 1.0
        return terminal

    def metrics(self) -> dict[str, float]:
        """Return the newest scalars by name (SB3's names, and ``rnd/``, ``perturbation/``)."""
        found = scalars(self._metrics) | {'train/n_updates': float(self.updates)}
        if self.stall_level is not None:
            found['stall/level'] = float(self.stall_level)
        return found

    def policy_weights(self) -> tuple[Tensors, dict[str, str]]:
        """
        Copy the policies for ``Policy.from_weights``, and the classifier of latents beside them.

        :return: arrays by name and the metadata.
        """
        tensors: Tensors = {}
        flats = {
            'task': self.task.policy_flat,
            'perturbation': self.perturbation.policy_flat,
            'deployed': self._deployed,
        }
        for name, flat in flats.items():
            arrays = self.task.policy_arrays(flat)
            tensors |= {f'{name}.{key}': value for key, value in arrays.items()}
        model = self.reward_model
        if model is not None and model.config.form != 'constant':
            tensors |= SuccessHead(model.layers).tensors()
        stall = {'stall_level': str(self.stall_level)} if self.stall_level else {}
        return tensors, describe(self.spec, self.joints, self.senses) | stall

    def state(self) -> tuple[dict[str, NDArray[np.generic]], dict[str, str]]:
        """
        Copy everything but the replay, for an exact continuation.

        :return: arrays by name and the metadata.
        """
        tensors: dict[str, NDArray[np.generic]] = {'deployed': self._deployed.cpu().numpy().copy()}
        for prefix, part in self._parts().items():
            for name, value in part.state().items():
                tensors[f'{prefix}.{name}'] = value.cpu().numpy().copy()
        metadata = {'updates': str(self.updates), 'reward_std': json.dumps(self._reward_std)}
        return tensors, describe(self.spec, self.joints) | metadata

    def _parts(self) -> dict[str, Sac | Rnd]:
        parts: dict[str, Sac | Rnd] = {'task': self.task, 'perturbation': self.perturbation}
        parts['perturbation_rnd'] = self.perturbation_rnd
        if self.task_rnd is not None:
            parts['task_rnd'] = self.task_rnd
        return parts

    def load(
        self, tensors: Mapping[str, NDArray[np.generic]], metadata: Mapping[str, str]
    ) -> None:
        """
        Continue from what ``state`` returned.

        :param tensors: arrays by name.
        :param metadata: as returned with them.
        :raises ValueError: one sentence, if they are of another architecture.
        """
        wanted = describe(self.spec, self.joints)
        if {key: metadata.get(key) for key in wanted} != wanted:
            raise ValueError(
                f'the learner state is of {metadata.get("policy")}: expected {wanted["policy"]}'
            )
        for prefix, part in self._parts().items():
            own = part.state()
            missing = [name for name in own if f'{prefix}.{name}' not in tensors]
            if missing:
                raise ValueError(f'the learner state lacks {prefix}.{missing[0]}')
            part.load(
                {name: torch.from_numpy(np.array(tensors[f'{prefix}.{name}'])) for name in own}
            )
        self._deployed.copy_(torch.from_numpy(np.array(tensors['deployed'])))
        self.updates = int(metadata['updates'])
        found = json.loads(metadata['reward_std'])
        # Runs of before there could be two classifiers have one number here.
        self._reward_std = found if isinstance(found, list) else [found, 1.0]
