# SPDX-License-Identifier: Apache-2.0
"""Actions of one episode; each depends on the seed and on the number of its step alone."""

from dataclasses import dataclass

import numpy as np
from r3l_agent.core.decision import Actor, Array, Observation, PolicyKind, PolicyVersion
from r3l_agent.core.observation import JointRange


@dataclass(slots=True)
class Episode:
    """
    The episode that runs now.

    :param policy: who acts.
    :param version: weights that act; None in warm-up.
    :param actor: None where the actions are random.
    :param previous_action: zeros at the beginning, shape (joints,).
    :param latent: of the observation before, shape (latent,).
    :param encoder_version: of the weights behind that latent.
    :param step: actions taken so far.
    :param successes: observations in a row, the last one among them, in which the task looks done.
    """

    policy: PolicyKind
    version: PolicyVersion | None
    actor: Actor | None
    previous_action: Array
    latent: Array
    encoder_version: int
    step: int = 0
    successes: int = 0

    def remember(self, observation: Observation, action: Array) -> None:
        """Take note of what the next observation vector needs of this one."""
        self.step += 1
        self.previous_action = action
        self.latent, self.encoder_version = observation.latent, observation.encoder_version


def random_action(seed: int, sequence: int, hold: int, joints: int) -> Array:
    """
    Draw a uniform action that stays the same for ``hold`` steps.

    :param seed: of the run.
    :param sequence: number of the step.
    :param hold: steps, at least 1.
    :param joints: length of an action.
    :return: in -1..1, shape (joints,).
    """
    rng = np.random.default_rng([seed, sequence // hold])
    return rng.uniform(-1.0, 1.0, joints).astype(np.float32)


def policy_action(
    episode: Episode, observation: Observation, joint_range: JointRange, seed: int, sequence: int
) -> Array:
    """
    Sample the action of the episode's actor.

    :param episode: with an actor and a version.
    :param observation: to answer.
    :param joint_range: for the joint positions of the observation vector.
    :param seed: of the run.
    :param sequence: number of the step.
    :return: within -1..1 or not finite, shape (joints,).
    """
    assert episode.version is not None
    assert episode.actor is not None
    # The change of a latent means nothing across two encoders.
    same = episode.encoder_version == observation.encoder_version
    vector = episode.version.spec.assemble(
        observation.latent,
        episode.latent if same else observation.latent,
        (episode.version.senses or joint_range).normalise(observation.joint_position),
        episode.previous_action,
    )
    rng = np.random.default_rng([seed, 1, sequence])
    action = np.asarray(episode.actor.act(vector, rng), dtype=np.float32)
    return np.minimum(np.maximum(action, -1.0), 1.0)
