# SPDX-License-Identifier: Apache-2.0
"""Weights messages."""

from builtin_interfaces.msg import Time
from r3l_msgs.msg import Weights
from r3l_node.core.weights import digest, Tensors, unpack, WeightsError
from r3l_node.nodes.fields import byte_field


def weights_message(
    name: str, version: int, env_steps: int, data: bytes, stamp: Time | None = None
) -> Weights:
    """
    Make a weights message.

    :param name: what the weights are for: ``encoder``, ``reward`` or ``policy``.
    :param version: from 1, increasing.
    :param env_steps: env step up to whose data the model was trained.
    :param data: as made by :func:`r3l_node.core.weights.pack`.
    :param stamp: time of publication.
    """
    message = Weights(name=name, version=version, env_steps=env_steps, sha256=digest(data))
    if stamp is not None:
        message.header.stamp = stamp
    message.data = byte_field(data)
    return message


def read_weights(message: Weights, name: str) -> tuple[Tensors, dict[str, str]]:
    """
    Return tensors and metadata of a weights message, verified.

    :param name: what the weights must be for.
    :raises WeightsError: one sentence saying what is wrong with the message.
    """
    if message.name != name:
        raise WeightsError(f"weights are for '{message.name}': expected '{name}'")
    if message.version < 1:
        raise WeightsError(f'{name} weights have version 0: expected at least 1')
    data = memoryview(message.data).cast('B')
    if digest(data) != message.sha256:
        raise WeightsError(f'{name} weights version {message.version} do not match their SHA-256')
    try:
        return unpack(data)
    except WeightsError as error:
        raise WeightsError(f'{name} weights version {message.version}: {error}') from error
