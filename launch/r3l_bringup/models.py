# SPDX-License-Identifier: Apache-2.0
"""Encoders and classifiers of recordings, runs and files, without ROS."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from r3l_bag.core.names import WEIGHTS
from r3l_bag.core.reader import Bag, Message
from r3l_node.core.errors import ConfigError
from r3l_node.core.weights import load, unpack
from r3l_perception.core.encoders import encoder_from_weights
from r3l_perception.core.pixels import PixelEncoder
from r3l_perception.core.vae import Vae
from r3l_reward.core.vice import RewardModel

ImageEncoder = Vae | PixelEncoder
ENCODER_FILE, REWARD_FILE = 'encoder.safetensors', 'reward.safetensors'


@dataclass(frozen=True, slots=True)
class Models:
    """What turns images into probabilities; None: not there."""

    encoder: ImageEncoder | None
    classifier: RewardModel | None
    name: str

    def score(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """
        Return the logits of images; both models must be there.

        :param images: shape (n, height, width, 3).
        :return: shape (n,) [nat].
        """
        assert self.classifier is not None
        if self.classifier.input == 'pixels':
            return self.classifier.logits(images)
        assert self.encoder is not None
        return self.classifier.logits(self.encoder.encode(images)[0].numpy())

    def completed_by(self, other: Models) -> Models:
        """
        Take from others what is not there.

        :raises ConfigError: if they do not fit together, or something is still missing.
        """
        encoder, classifier = self.encoder or other.encoder, self.classifier or other.classifier
        if classifier is None:
            raise ConfigError(f'neither {self.name} nor {other.name} has a classifier')
        if classifier.input == 'latent':
            if encoder is None:
                raise ConfigError(f'neither {self.name} nor {other.name} has an encoder')
            if encoder.latent_size != classifier.size:
                raise ConfigError(
                    f'the classifier scores latents of {classifier.size}: expected '
                    f"{encoder.latent_size}, the encoder's ({self.name}, {other.name})"
                )
        return Models(encoder, classifier, self.name)

    @property
    def image_size(self) -> int:
        """Side of the images that can be scored [px]."""
        if self.classifier is not None and self.classifier.input == 'pixels':
            return self.classifier.size
        assert self.encoder is not None
        return self.encoder.image_size


def models_of(path: Path) -> Models:
    """
    Read the models of a run, of a folder with their files, or one of a file.

    :param path: run folder, folder of ``encoder.safetensors`` and ``reward.safetensors`` or one
        such file.
    :raises ConfigError: one sentence, if there are none.
    """
    if path.is_file():
        tensors, metadata = load(path)
        return _sorted_out(tensors, metadata, path)
    for folder in (path / 'checkpoints', path):
        files = [folder / name for name in (ENCODER_FILE, REWARD_FILE)]
        found = [models_of(file) for file in files if file.exists()]
        if found:
            encoder = next((one.encoder for one in found if one.encoder), None)
            classifier = next((one.classifier for one in found if one.classifier), None)
            return Models(encoder, classifier, path.name)
    what = 'holds no' if path.is_dir() else 'does not exist: expected a run folder or'
    raise ConfigError(f'{path} {what} {ENCODER_FILE} or {REWARD_FILE}')


def weights_of(bag: Bag, topic: str) -> list[int]:
    """
    Return the versions of a model that are in a bag, in the order of their publication.

    :param topic: ``latent`` or ``reward``: what the model answers with.
    """
    versions: dict[int, None] = {}
    for message in bag.messages([WEIGHTS[topic]]):
        versions[int(bag.decode(message).version)] = None
    return list(versions)


def recorded_encoder(bag: Bag) -> ImageEncoder | None:
    """Return the encoder in a bag, None if there is none."""
    message = next(iter(bag.messages([WEIGHTS['latent']])), None)
    if message is None:
        return None
    return _sorted_out(*_content(bag, message), bag.path).encoder


def recorded_classifier(bag: Bag, message: Message) -> RewardModel:
    """Return the classifier of a message of ``reward/weights``."""
    return RewardModel.from_weights(*_content(bag, message))


def _content(bag: Bag, message: Message) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    return unpack(bytes(bag.decode(message).data))


def _sorted_out(tensors: dict[str, NDArray[Any]], metadata: dict[str, str], path: Path) -> Models:
    if metadata.get('model') == 'r3l_vice':
        return Models(None, RewardModel.from_weights(tensors, metadata), path.name)
    try:
        encoder = encoder_from_weights(tensors, metadata)
    except ConfigError as error:
        raise ConfigError(f'{path} is no encoder and no classifier: {error}') from error
    if not isinstance(encoder, Vae | PixelEncoder):
        raise ConfigError(f'{path} encodes features: expected an encoder of images')
    return Models(encoder, None, path.name)
