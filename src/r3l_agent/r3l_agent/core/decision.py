# SPDX-License-Identifier: Apache-2.0
"""What goes into the alternation and what comes out of it, in SI units and plain arrays."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from r3l_agent.core.observation import JointRange, ObservationSpec
from r3l_agent.core.success import SuccessHead

Array = NDArray[np.float32]
Positions = NDArray[np.float64]


class Phase(IntEnum):
    """What the agent is doing; the values of r3l_msgs/AgentStatus."""

    UNSPECIFIED = 0
    WAITING = 1
    WARM_UP = 2
    TASK = 3
    PERTURBATION = 4
    HOMING = 5
    PAUSED = 6
    DONE = 7


class PolicyKind(IntEnum):
    """Who chose an action; the values of r3l_msgs/Transition."""

    UNSPECIFIED = 0
    RANDOM = 1
    TASK = 2
    PERTURBATION = 3


PHASE_OF = {
    PolicyKind.RANDOM: Phase.WARM_UP,
    PolicyKind.TASK: Phase.TASK,
    PolicyKind.PERTURBATION: Phase.PERTURBATION,
}


class Actor(Protocol):
    """Something that answers an observation vector with an action."""

    def act(self, observation: Array, rng: np.random.Generator | None) -> Array:
        """
        Choose an action.

        :param observation: shape (observations,).
        :param rng: exploration noise; None: the deterministic action.
        :return: shape (joints,), in -1..1.
        """
        ...


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    """
    One set of policy weights.

    :param env_steps: env step up to whose data it was trained [-].
    :param version: of the weights, from 1 [-].
    :param spec: layout of the observation that its actors expect.
    :param actors: the actor of each learned policy.
    :param senses: range that normalises proprioception; None: that of the commands.
    :param stall_level: how hard to perturb, because the training stands still; 0: as ever.
    :param success: tells whether the task looks done; None: nothing here does.
    """

    env_steps: int
    version: int
    spec: ObservationSpec
    actors: dict[PolicyKind, Actor]
    senses: JointRange | None = None
    stall_level: int = 0
    success: SuccessHead | None = None


@dataclass(frozen=True, slots=True)
class Observation:
    """
    One complete observation: what the camera and the joints said at one moment.

    :param stamp: of the image [ns].
    :param joint_position: shape (joints,) [rad].
    :param latent: mean of the image's latent, shape (latent,); empty if there is no encoder yet.
    :param encoder_version: of the weights behind the latent; 0: none.
    """

    stamp: int
    joint_position: Positions
    latent: Array
    encoder_version: int


@dataclass(frozen=True, slots=True)
class Step:
    """
    One observation and the action that answered it; becomes a r3l_msgs/Transition.

    :param sequence: number of this step, increasing over the life of a run.
    :param episode: episode it belongs to, from 0.
    :param policy: who chose the action.
    :param first: true for the first observation of an episode.
    :param last: true where the episode was cut; ``action`` is zeros and was not executed.
    :param joint_position: shape (joints,) [rad].
    :param previous_action: in -1..1, zeros if ``first``, shape (joints,).
    :param action: in -1..1, shape (joints,).
    :param latent: shape (latent,).
    :param encoder_version: of the weights behind the latent; 0: none.
    :param interrupted: true for the first step after a fault of the driver.
    """

    sequence: int
    episode: int
    policy: PolicyKind
    first: bool
    last: bool
    joint_position: Positions
    previous_action: Array
    action: Array
    latent: Array
    encoder_version: int
    interrupted: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """
    The answer to one observation.

    :param stamp: of the observation [ns].
    :param phase: what the agent is doing now.
    :param target: absolute joint targets to command, shape (joints,) [rad]; None: no command.
    :param step: what the learner is told; None while homing, waiting or repeating an answer.
    :param reason: why there is no command; empty otherwise.
    :param dropped: true if the observation was unusable; false if it may be offered again.
    """

    stamp: int
    phase: Phase
    target: Positions | None = None
    step: Step | None = None
    reason: str = ''
    dropped: bool = False
