# SPDX-License-Identifier: Apache-2.0
"""Score latents or images with a trained classifier."""

from __future__ import annotations

from collections.abc import Mapping
import json
from typing import overload

import numpy as np
from numpy.typing import NDArray
from r3l_node.core.weights import WeightsError
from r3l_reward.core.vice.config import ViceConfig
from r3l_reward.core.vice.networks import LatentClassifier, pixel_values, PixelClassifier
import torch
from torch import nn, Tensor

MODEL = 'r3l_vice'
SCORE_CHUNK = 512
# Before the names of the second classifier's weights, where there are two (perturbation goals).
RESET = 'reset.'

Array = NDArray[np.float32]


class RewardModel:
    """
    A frozen classifier and the reward made of its logit.

    Latents are scored in numpy (no framework overhead on the robot's hot path, 2 matrix products
    per layer in bulk), images in torch.
    """

    def __init__(
        self,
        config: ViceConfig,
        size: int,
        tensors: Mapping[str, Array],
        device: str = 'cpu',
    ) -> None:
        """
        Take the weights.

        :param config: architecture and form of the reward.
        :param size: dimensions of the latent, or side of the image [pixel].
        :param tensors: weights by name, as of the torch network.
        :param device: where images are scored; latents always are on the CPU.
        :raises WeightsError: if names, shapes or types differ from the architecture.
        """
        self.config = config
        self.size = size
        self.input = config.input
        self._network = build_network(config, size)
        load_tensors(self._network, tensors)
        self._network.eval().requires_grad_(False).to(device)
        self._device = device
        names = [name.removesuffix('.weight') for name in tensors if name.endswith('.weight')]
        names.sort(key=lambda name: int(name.rsplit('.', 1)[1]))
        self._dense = [
            (np.ascontiguousarray(tensors[f'{n}.weight'].T), np.array(tensors[f'{n}.bias']))
            for n in (names if config.input == 'latent' else ())
        ]

    @classmethod
    def from_weights(
        cls, tensors: Mapping[str, Array], metadata: Mapping[str, str],
        *, reset: bool = False, device: str = 'cpu',
    ) -> RewardModel:  # fmt: skip
        """
        Rebuild a model from a message or a file.

        :param tensors: weights by name.
        :param metadata: as written by ``ViceTrainer.weights``.
        :param reset: the second classifier instead of the first, that of the task.
        :param device: where images are scored.
        :return: the model.
        :raises WeightsError: one sentence, if the weights are not those of a reward model.
        """
        if metadata.get('model') != MODEL:
            raise WeightsError(
                f'weights are of model {metadata.get("model")!r}: expected {MODEL!r}'
            )
        try:
            values = json.loads(metadata['config'])
            for name in ('channels', 'hidden'):
                values[name] = tuple(int(width) for width in values[name])
            config, size = ViceConfig(**values), int(metadata['size'])
        except (KeyError, TypeError, ValueError) as error:
            raise WeightsError(f'the reward weights describe no classifier ({error})') from error
        first, second = split(tensors)
        if reset and not second:
            raise WeightsError(
                'the reward weights hold no second classifier: expected one for reward.reset_goals'
            )
        return cls(config, size, second if reset else first, device)

    @property
    def layers(self) -> tuple[tuple[Array, Array], ...]:
        """Weight, shape (in, out), and bias of each layer; none if the input is pixels."""
        return tuple(self._dense)

    def logits(self, x: NDArray[np.float32] | NDArray[np.uint8] | Tensor) -> Array:
        """
        Score a batch.

        :param x: latents, shape (batch, latent), or images, shape (batch, height, width, 3)
            0 to 255, as ``input`` says.
        :return: log D - log(1 - D), float32, shape (batch,) [nat].
        :raises ValueError: if the shape is not that of this model's input.
        """
        shape = (self.size,) if self.input == 'latent' else (self.size, self.size, 3)
        if tuple(x.shape[1:]) != shape:
            size = ', '.join(map(str, shape))
            raise ValueError(f'reward input has shape {tuple(x.shape)}: expected (batch, {size})')
        if self.input == 'pixels':
            return self._pixel_logits(torch.as_tensor(x))
        values = x.cpu().numpy() if isinstance(x, Tensor) else x
        count = len(values)
        if count == 1:
            # Products of matrices and of vectors may differ in the last bit: a logit must not
            # depend on how many were asked for together.
            values = values.repeat(2, axis=0)
        for weight, bias in self._dense[:-1]:
            values = values @ weight
            values += bias
            np.maximum(values, 0.0, out=values)
        weight, bias = self._dense[-1]
        logit: Array = (values * weight[:, 0]).sum(axis=1) + bias
        return logit[:count]

    @overload
    def reward(self, logit: Tensor) -> Tensor: ...

    @overload
    def reward(self, logit: Array) -> Array: ...

    def reward(self, logit: Tensor | Array) -> Tensor | Array:
        """
        Turn logits into rewards, by the configured form.

        ``log_sigmoid``: 1 + max(log sigmoid(logit), floor) / -floor, from 0 to 1;
        ``probability``: sigmoid(logit); ``logit``: the logit itself; ``constant``: 0.

        :param logit: any shape [nat].
        :return: same shape and kind, reward units per step.
        """
        if isinstance(logit, Tensor):
            return torch.from_numpy(self.reward(logit.cpu().numpy())).to(logit.device)
        form = self.config.form
        if form == 'logit':
            return logit
        if form == 'constant':
            return np.zeros_like(logit)
        log_probability = log_sigmoid(logit)
        if form == 'probability':
            probability: Array = np.exp(log_probability)
            return probability
        floor = np.float32(self.config.floor)
        shortfall = np.maximum(log_probability, floor) / floor
        return np.asarray(1.0 - shortfall, np.float32)

    @torch.inference_mode()
    def _pixel_logits(self, images: Tensor) -> Array:
        chunks = [
            self._network(pixel_values(images[start : start + SCORE_CHUNK].to(self._device)))
            for start in range(0, max(len(images), 1), SCORE_CHUNK)
        ]
        result: Array = torch.cat(chunks).cpu().numpy()
        return result


def split(tensors: Mapping[str, Array]) -> tuple[dict[str, Array], dict[str, Array]]:
    """
    Tell the weights of two classifiers apart.

    :param tensors: by name; those of the second begin with ``RESET``.
    :return: the first one's, and the second one's under the same names; empty if there is none.
    """
    first = {name: value for name, value in tensors.items() if not name.startswith(RESET)}
    second = {
        name.removeprefix(RESET): value
        for name, value in tensors.items()
        if name.startswith(RESET)
    }
    return first, second


def log_sigmoid(logit: Array) -> Array:
    """
    Compute log sigmoid(logit) without overflow.

    :param logit: any shape [nat].
    :return: same shape, at most 0 [nat].
    """
    result: Array = np.minimum(logit, 0.0) - np.log1p(np.exp(-np.abs(logit)))
    return result


def build_network(config: ViceConfig, size: int) -> nn.Module:
    """
    Build the network of a configuration, without initial weights.

    :param config: architecture.
    :param size: dimensions of the latent, or side of the image [pixel].
    :return: network from inputs to logits of shape (batch,).
    """
    if config.input == 'latent':
        return LatentClassifier(size, config.hidden)
    return PixelClassifier(size, config.channels, config.hidden)


def load_tensors(network: nn.Module, tensors: Mapping[str, Array]) -> None:
    """
    Copy arrays into a network after checking names, shapes and types.

    :param network: changed in place.
    :param tensors: weights by name.
    :raises WeightsError: one sentence, if they do not fit.
    """
    own = network.state_dict()
    if own.keys() != tensors.keys():
        names = sorted(own.keys() ^ tensors.keys())
        raise WeightsError(f'the reward weights lack or do not expect the array {names[0]!r}')
    for name, value in tensors.items():
        if tuple(own[name].shape) != value.shape or value.dtype != np.float32:
            raise WeightsError(
                f'the reward array {name!r} is {value.dtype}{value.shape}: expected '
                f'float32{tuple(own[name].shape)}'
            )
        own[name].copy_(torch.from_numpy(np.array(value)))
