# SPDX-License-Identifier: Apache-2.0
"""Gather what is sensed, fit the encoder to it once, then encode; as the encoder's node does."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from r3l_agent.core.loop.world import Sensed, World
from r3l_agent.core.observation import JointRange
from r3l_agent.core.schedule import Model
from r3l_node.core.compute import Compute
from r3l_node.core.errors import ConfigError
from r3l_node.core.ring import MappedRing
from r3l_node.core.weights import load, save
from r3l_perception.core.config import EncoderConfig
from r3l_perception.core.encoders import Encoder, encoder_from_weights
from r3l_perception.core.pixels import PixelEncoder
from r3l_perception.core.standardiser import spread, Standardiser
from r3l_perception.core.stored import encoder_file, keep_vae, pixel_encoder, stored_vae
from r3l_perception.core.vae import to_weights, train_vae, Vae

VERSION = 1  # It is fitted once and frozen.
Array = NDArray[np.float32]
EMPTY: Array = np.zeros(0, np.float32)
Progress = Callable[[int, dict[str, float]], None]


class Encoding:
    """
    Turn what is sensed into latents.

    :param config: settings; of an encoder of features only how many are gathered.
    :param world: says what is sensed.
    :param progress: called with images gathered and scalars while a VAE is trained; may raise.
    """

    def __init__(self, config: EncoderConfig, world: World, progress: Progress) -> None:
        self.config = config
        self.encoder: Encoder | None = None
        self.senses: JointRange | None = None
        self._progress = progress
        self._images = world.image_size is not None
        self._compute = Compute.named(config.device, config.precision, node='encoder')
        self._standardises = bool(world.joints) and not world.joints_commanded
        if not world.joints:
            self.senses = JointRange((), ())
        side = config.image_size
        fields: dict[str, tuple[tuple[int, ...], DTypeLike]] = {
            'image': ((side, side, 3), np.uint8)
            if self._images
            else ((world.feature_size,), np.float32)
        }
        if self._standardises:
            fields['joint_position'] = ((world.joints,), np.float32)
        folder = Path(config.run) / 'replay' / 'encoder' if config.run else None
        self.gathered = MappedRing(folder, config.gather_images, fields)
        if self._images and not self._standardises:
            self.encoder = self._given()

    def _given(self) -> Encoder | None:
        """Return an encoder of images that needs no training."""
        if self.config.kind == 'pixels':
            return pixel_encoder(self.config)
        return stored_vae(self.config) if self.config.weights else None

    def raw(self, sensed: Sensed) -> NDArray[Any]:
        """
        Return what is encoded and stored of an observation.

        :return: the image, shape (size, size, 3), or the features, shape (features,).
        """
        if not self._images:
            return sensed.features
        assert sensed.image is not None
        return sensed.image

    def due(self) -> bool:
        """Whether enough is gathered for an encoder and there is none yet."""
        return self.encoder is None and self.gathered.count >= self.config.gather_images

    def sense(self, sensed: Sensed) -> tuple[Array, int]:
        """
        Encode an observation, or gather it while there is no encoder.

        :return: latent, shape (latent,), or empty; version of its encoder, 0: none.
        """
        if self.encoder is not None:
            return self.encode(self.raw(sensed)[None])[0], VERSION
        row = {'image': self.raw(sensed)}
        if self._standardises:
            row['joint_position'] = sensed.joint_position
        self.gathered.append(**row)
        return EMPTY, 0

    def encode(self, batch: NDArray[Any]) -> Array:
        """
        Encode images or features.

        :param batch: shape (batch, size, size, 3) or (batch, features).
        :return: shape (batch, latent).
        """
        assert self.encoder is not None
        result: Array = self.encoder.encode(batch)[0].numpy()
        return result

    def fit(self) -> None:
        """Fit the encoder to what is gathered, or take the one that this run fitted before."""
        count = len(self.gathered)
        if self._standardises:
            mean, std = spread(self.gathered.arrays['joint_position'][:count])
            low, high = (mean - std).tolist(), (mean + std).tolist()
            self.senses = JointRange(tuple(low), tuple(high))
        values = np.asarray(self.gathered.arrays['image'][:count])
        if not self._images:
            self.encoder = self._fit_features(values)
        else:
            self.encoder = self._given() or self._fit_vae(values)

    def _fit_vae(self, images: NDArray[np.uint8]) -> Vae:
        stored = stored_vae(self.config)
        if stored is not None:
            return stored
        vae, metrics = train_vae(images, self.config, self.config.seed, self._tell, self._compute)
        self._progress(len(images), metrics)
        if self.config.run:
            keep_vae(Path(self.config.run), vae, images)
        return vae

    def _tell(self, step: int, metrics: dict[str, float]) -> None:
        self._progress(len(self.gathered), {'vae/step': float(step), **metrics})

    def _fit_features(self, features: Array) -> Standardiser:
        fitted = Standardiser.fit(features)
        if self.config.run:
            save(encoder_file(Path(self.config.run)), *fitted.to_weights())
        return fitted

    def restore(self) -> None:
        """
        Take the encoder that the run keeps.

        :raises ConfigError: if it is not there or no encoder.
        """
        run = Path(self.config.run)
        if self._images:
            self.encoder = self._given() or stored_vae(self.config)
        else:
            self.encoder = encoder_from_weights(*load(encoder_file(run)))
        if self.encoder is None:
            raise ConfigError(f'{encoder_file(run)} is gone: expected the encoder of the run')

    def weights(self) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
        """Return the encoder as it is kept: arrays by name and the metadata."""
        encoder = self.encoder
        if isinstance(encoder, PixelEncoder | Standardiser):
            return encoder.to_weights()
        assert isinstance(encoder, Vae)
        return to_weights(encoder)

    def model(self) -> Model:
        """Return the encoder as the learner takes it."""
        return Model(VERSION, self.gathered.count, *self.weights())
