# SPDX-License-Identifier: Apache-2.0
"""The encoder of a run on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from r3l_node.core.errors import ConfigError
from r3l_node.core.files import write_atomic
from r3l_node.core.weights import load, save
from r3l_perception.core.config import EncoderConfig
from r3l_perception.core.picture import comparison, png
from r3l_perception.core.pixels import PixelEncoder
from r3l_perception.core.vae import from_weights, to_weights, Vae

PICTURE = 'reconstructions.png'
PREVIEW_IMAGES = 8


def encoder_file(run: Path) -> Path:
    """
    Return where a run keeps its encoder.

    :param run: folder of the run.
    """
    return run / 'checkpoints' / 'encoder.safetensors'


def stored_vae(config: EncoderConfig) -> Vae | None:
    """
    Read the VAE that the run trained, or else that of the parameter ``weights``.

    One that was given is kept in the run, too.

    :param config: names the run and the weights.
    :return: None if there is none yet.
    :raises ConfigError: naming the file, if it is no such VAE.
    """
    kept = encoder_file(Path(config.run)) if config.run else None
    given = Path(config.weights) if config.weights else None
    path = kept if kept is not None and kept.exists() else given
    if path is None:
        return None
    try:
        tensors, metadata = load(path)
        vae = from_weights(tensors, metadata, expected=config)
    except ConfigError as error:
        text = str(error)
        raise ConfigError(text if str(path) in text else f'{path}: {text}') from error
    if kept is not None and path != kept:
        save(kept, tensors, metadata)
    return vae


def pixel_encoder(config: EncoderConfig) -> PixelEncoder:
    """
    Return the encoder that leaves images as they are, and keep it in the run like any other.

    :param config: names the run and the size of its images.
    """
    encoder = PixelEncoder(config.image_size)
    if config.run:
        save(encoder_file(Path(config.run)), *encoder.to_weights())
    return encoder


def keep_vae(run: Path, vae: Vae, images: NDArray[np.uint8]) -> None:
    """
    Write a trained VAE into its run, with a picture of what it keeps of some images.

    :param run: folder of the run.
    :param vae: just trained.
    :param images: that it was trained on, shape (count, height, width, 3).
    """
    chosen = np.linspace(0, len(images) - 1, min(len(images), PREVIEW_IMAGES)).astype(int)
    some = images[chosen]
    write_atomic(run / PICTURE, png(comparison(some, vae.decode(vae.encode(some)[0]))))
    save(encoder_file(run), *to_weights(vae))
