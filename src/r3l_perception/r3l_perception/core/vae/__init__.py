# SPDX-License-Identifier: Apache-2.0
"""Variational auto-encoder that turns a camera image into a short latent vector."""

from r3l_perception.core.vae.config import VaeConfig
from r3l_perception.core.vae.networks import Vae
from r3l_perception.core.vae.training import train_vae
from r3l_perception.core.vae.weights import from_weights, to_weights

__all__ = ['Vae', 'VaeConfig', 'from_weights', 'to_weights', 'train_vae']
