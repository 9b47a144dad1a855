# SPDX-License-Identifier: Apache-2.0
"""The one place of the classifier's defaults, units and ranges."""

from __future__ import annotations

from dataclasses import dataclass

from r3l_node.core.parameters import parameter


@dataclass(frozen=True, slots=True)
class ViceConfig:
    """Architecture, loss and reward of the classifier; defaults are the profile ``modern``."""

    input: str = parameter('latent', 'what the classifier sees', choices=('latent', 'pixels'))
    channels: tuple[int, ...] = parameter(
        (64, 64, 64), 'channels of the stride-2 convolutions (pixels only)', range=(1, 512)
    )
    hidden: tuple[int, ...] = parameter(
        (128, 128), 'widths of the fully connected layers', range=(1, 4096)
    )
    form: str = parameter(
        'log_sigmoid',
        'reward as a function of the logit; constant switches the classifier off',
        choices=('log_sigmoid', 'probability', 'logit', 'constant'),
    )
    floor: float = parameter(
        -2.5, 'smallest log-probability; the reward there is 0 [nat]', range=(-100.0, -0.01)
    )
    learning_rate: float = parameter(3e-4, 'learning rate of Adam', range=(1e-7, 1.0))
    batch: int = parameter(64, 'goals per update; as many negatives', range=(1, 4096))
    mixup: float = parameter(
        1.0, 'alpha of the Beta distribution of mixup; 0 switches it off', range=(0.0, 100.0)
    )
    label_smoothing: float = parameter(
        0.05, 'labels are moved this far towards 1/2', range=(0.0, 0.99)
    )
    gradient_penalty: float = parameter(
        1.0, 'weight of the gradient penalty; 0 switches it off', range=(0.0, 1000.0)
    )
    gradient_norm: float = parameter(
        1.0, 'gradient norm that the penalty asks for [nat per input unit]', range=(0.0, 100.0)
    )
    l2: float = parameter(0.0, 'weight of the squared weights in the loss', range=(0.0, 1.0))
    shift: int = parameter(
        2, 'largest random shift of an image in training [pixel] (pixels only)', range=(0, 16)
    )
    exclude_above: float = parameter(
        1.0,
        'probability above which a negative looks like success and is left out of an update, as '
        'long as a quarter of the batch remains; 1 leaves out none',
        range=(0.0, 1.0),
    )
    held_out_share: float = parameter(0.2, 'share of the goals never trained on', range=(0.0, 0.5))
    held_out_limit: int = parameter(100, 'most goals that are held out', range=(0, 100_000))
