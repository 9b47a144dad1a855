# SPDX-License-Identifier: Apache-2.0
"""Parameters of ``encoder_node``."""

from __future__ import annotations

from dataclasses import dataclass

from r3l_node.core.compute import device_parameter, precision_parameter
from r3l_node.core.parameters import parameter
from r3l_perception.core.vae.config import VaeConfig


@dataclass(frozen=True, slots=True)
class EncoderConfig(VaeConfig):
    """What the node does, beside the VAE's own parameters; one field is one ROS parameter."""

    run: str = parameter('', 'folder of the run, absolute; empty: nothing is kept')
    kind: str = parameter(
        'vae',
        'what images are turned into: the latents of a VAE, or pixels as they are, which the '
        'policies see through learner.trunk',
        choices=('vae', 'pixels'),
    )
    seed: int = parameter(0, 'seed of the training', range=(0, 2**31 - 1))
    gather_images: int = parameter(
        6000, 'images gathered before the VAE is trained', range=(2, 1_000_000)
    )
    weights: str = parameter(
        '', 'file of trained encoder weights to use instead of training; empty: train'
    )
    device: str = device_parameter()
    precision: str = precision_parameter()
    lockstep: bool = parameter(True, 'receive every image; otherwise the newest as sensor data')
    replay: bool = parameter(
        False, 'train nothing and take the weights that a recording publishes (encoder/weights)'
    )
    preview_rate: float = parameter(
        2.0, 'rate of encoder/reconstruction while somebody listens [Hz]', range=(0.1, 30.0)
    )
