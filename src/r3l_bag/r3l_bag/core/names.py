# SPDX-License-Identifier: Apache-2.0
"""Topics of a recording, and those that a replay publishes on."""

from __future__ import annotations

IMAGE = 'camera/image_raw'
LATENT, REWARD = 'latent', 'reward'
# Answers to an image -> weights of the model that gives them.
WEIGHTS = {LATENT: 'encoder/weights', REWARD: 'reward/weights'}
# These are published on their own names. All others get the prefix: what a driver or a learner
# takes is never published, nor what the live nodes say themselves.
OWN = (
    IMAGE, 'camera/camera_info', 'joint_states', 'agent/status', 'learner/status', 'driver/state',
    'driver/safety', 'evaluation', 'metrics',
)  # fmt: skip
PREFIX = 'recorded/'
KNOWN = (
    *OWN, *WEIGHTS.values(), LATENT, REWARD, 'policy/weights', 'joint_command', 'transition',
    'diagnostics',
)  # fmt: skip


def relative_name(topic: str) -> str:
    """
    Return the name that the nodes know a recorded topic by.

    :param topic: as recorded, with the slash and perhaps the namespace of a robot in front.
    """
    for name in KNOWN:
        if topic.endswith('/' + name):
            return name
    return topic.lstrip('/')


def replayed_name(name: str) -> str:
    """
    Return the topic that a recorded one is published on.

    :param name: see ``relative_name``.
    """
    return name if name in OWN else PREFIX + name
