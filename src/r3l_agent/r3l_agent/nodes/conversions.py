# SPDX-License-Identifier: Apache-2.0
"""Conversion between the messages of agent and learner and plain arrays."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from r3l_agent.core.decision import PolicyKind, PolicyVersion, Step
from r3l_agent.core.policy_store import read_version
from r3l_agent.core.replay.buffer import PERTURBATION, RANDOM, Row, TASK
from r3l_agent.core.safety import DriverState
from r3l_msgs.msg import Latent, SafetyState, Transition, Weights
from r3l_node.nodes.fields import float_array, float_field, MessageError
from r3l_node.nodes.images import image_array
from r3l_node.nodes.weights import read_weights
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Header

OBEYS = (SafetyState.RUN, SafetyState.DEGRADED)


def nanoseconds(header: Header) -> int:
    """Return the stamp of a header [ns]."""
    return int(header.stamp.sec) * 1_000_000_000 + int(header.stamp.nanosec)


def driver_state(message: SafetyState) -> DriverState:
    """Return the content of a message of the topic ``driver/safety``."""
    since = int(message.since.sec) * 1_000_000_000 + int(message.since.nanosec)
    return DriverState(
        message.state in OBEYS, message.code, message.reason, since, message.interruptions
    )


class JointReader:
    """
    Read joint positions by name, in an order of our own.

    :param names: joints in the order wanted.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._wanted = list(names)
        self._seen: list[str] = []
        self._order: NDArray[np.intp] = np.zeros(0, np.intp)

    def positions(self, message: JointState) -> NDArray[np.float64]:
        """
        Return the positions of the wanted joints.

        :param message: may have more joints and another order.
        :return: shape (joints,) [rad].
        :raises MessageError: if a joint is missing or a position is not finite.
        """
        if message.name != self._seen:
            self._learn(list(message.name))
        values = float_array(message.position, len(self._seen), name='joint_states position')
        return values[self._order]

    def _learn(self, names: list[str]) -> None:
        missing = [name for name in self._wanted if name not in names]
        if missing:
            raise MessageError(f'joint_states lacks {missing[0]}: has {", ".join(names)}')
        self._order = np.array([names.index(name) for name in self._wanted])
        self._seen = names


def latent_mean(message: Latent) -> NDArray[np.float32]:
    """
    Return the mean of a latent.

    :return: shape (latent,), a view; empty while there is no encoder.
    :raises MessageError: if it is not finite.
    """
    return float_array(message.mean, name='latent mean')


def fill_transition(message: Transition, step: Step, image: Image) -> None:
    """
    Write one step into a message that is used again and again: making one costs time.

    :param message: to be published next.
    :param step: what happened.
    :param image: of the observation; not copied.
    """
    message.header = image.header
    message.sequence = step.sequence
    message.episode = step.episode
    message.policy = int(step.policy)
    message.first = step.first
    message.last = step.last
    message.interrupted = step.interrupted
    message.joint_position = float_field(step.joint_position)
    message.previous_action = float_field(step.previous_action)
    message.action = float_field(step.action)
    message.latent_mean = float_field(step.latent)
    message.encoder_version = step.encoder_version
    message.image = image


def policy_version(
    message: Weights, joints: int, kinds: Sequence[PolicyKind] = (PolicyKind.TASK,)
) -> PolicyVersion:
    """
    Return the policies of a weights message.

    :param message: of the topic ``policy/weights``.
    :param joints: number of joints that the agent moves.
    :param kinds: policies that it must hold.
    :raises WeightsError: one sentence, if it does not hold them for that many joints.
    """
    tensors, metadata = read_weights(message, 'policy')
    return read_version(tensors, metadata, message.env_steps, message.version, joints, kinds)


def read_transition(
    message: Transition, joints: int, latent_size: int, image_size: int
) -> tuple[Row, int]:
    """
    Return what the learner stores of a transition message, checked.

    :param message: of the topic ``transition``.
    :param joints: number of joints.
    :param latent_size: length of a latent.
    :param image_size: side of the image [pixel].
    :return: the row (joint positions in rad) and the version of the encoder of its latent; after
        an interruption a chain of rows begins anew, as at the beginning of an episode.
    :raises MessageError: naming the first value that does not fit.
    """
    if message.policy not in (RANDOM, TASK, PERTURBATION):
        raise MessageError(f'policy is {message.policy}: expected {RANDOM} to {PERTURBATION}')
    version = message.encoder_version
    previous_action, action = (
        _action(message, name, joints) for name in ('previous_action', 'action')
    )
    row = Row(
        sequence=message.sequence,
        policy=message.policy,
        first=message.first or message.interrupted,
        last=message.last,
        image=image_array(message.image, (image_size, image_size)),
        joint_position=float_array(message.joint_position, joints, name='joint_position'),
        previous_action=previous_action,
        action=action,
        latent=float_array(message.latent_mean, latent_size if version else 0, name='latent_mean'),
    )
    return row, version


def _action(message: Transition, name: str, joints: int) -> NDArray[np.float32]:
    values = float_array(getattr(message, name), joints, name=name)
    if np.abs(values).max() > 1.0:
        raise MessageError(f'{name} has a value beyond 1: expected -1 to 1')
    return values
