# SPDX-License-Identifier: Apache-2.0
"""Random network distillation on latents or on images (arXiv:1810.12894)."""

import math

import numpy as np
from r3l_agent.core.sac.adam import Adam
from r3l_agent.core.sac.networks import Mlp, Tape
from r3l_node.core.compute import Compute, CPU
import torch
from torch import nn, Tensor

STD_DECAY = 0.99
STD_FLOOR = 1e-3


class Rnd:
    """
    Predict the features of a fixed random network; the error is the novelty.

    :param target: the random network.
    :param predictor: the network that learns to agree with it.
    :param clip: largest reward [-].
    """

    def __init__(
        self, target: 'LatentNetwork | PixelNetwork', predictor: 'Trainable', clip: float
    ) -> None:
        self.target = target
        self.predictor = predictor
        self.clip = clip
        self.std = torch.ones(1, device=target.compute.device)
        self._seen = False

    @torch.no_grad()
    def learn(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """
        Measure the novelty of each sample, then make one step of the predictor on them.

        The novelty is the error before the step over the running standard deviation of the error.

        :param inputs: as the networks take them.
        :return: novelty of shape (batch,), from 0 to ``clip`` [-], and the mean squared error over
            batch and features before the step, a scalar.
        """
        wanted = self.target.features(inputs)
        error = self.predictor.fit(inputs, wanted).square().mean(dim=-1)
        std = error.std().clamp_min(STD_FLOOR)
        # The first batch sets the scale; an average from 1 would take hundreds of steps there.
        self.std = (
            std.reshape(1) if not self._seen else STD_DECAY * self.std + (1 - STD_DECAY) * std
        )
        self._seen = True
        return self._scaled(error), error.mean()

    @torch.no_grad()
    def measure(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """
        Measure the novelty of each sample without learning from it.

        :param inputs: as the networks take them.
        :return: shape (batch,), from 0 to ``clip`` [-].
        """
        error = self.predictor.features(inputs) - self.target.features(inputs)
        return self._scaled(error.square().mean(dim=-1))

    def _scaled(self, error: Tensor) -> Tensor:
        return (error / self.std.clamp_min(STD_FLOOR)).clamp(0.0, self.clip)

    def state(self) -> dict[str, Tensor]:
        """Everything that an exact continuation needs, by name."""
        seen = torch.tensor([float(self._seen)])
        target = {f'target.{name}': value for name, value in self.target.state().items()}
        return target | self.predictor.state() | {'std': self.std, 'seen': seen}

    def load(self, state: dict[str, Tensor]) -> None:
        """
        Continue from what ``state`` returned.

        :param state: tensors by name.
        """
        prefix = 'target.'
        self.target.load(
            {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
        )
        self.predictor.load(state)
        self.std = state['std'].to(self.target.compute.device, copy=True)
        self._seen = bool(state['seen'].item())


class LatentNetwork:
    """
    An MLP on latents.

    :param sizes: input, hidden and output widths.
    :param generator: source of the weights.
    :param compute: where.
    """

    def __init__(
        self, sizes: tuple[int, ...], generator: torch.Generator, compute: Compute = CPU
    ) -> None:
        self.compute = compute
        self.mlp = Mlp(sizes, half=compute.half)
        self.flat = (self.mlp.initialise(generator) * math.sqrt(3.0)).to(compute.device)
        self.layers = self.mlp.layers(self.flat)

    def features(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """
        Map latents to features.

        :param inputs: one tensor of shape (batch, latent).
        :return: shape (batch, output).
        """
        return self.mlp.forward(self.layers, inputs[0])[0]

    def state(self) -> dict[str, Tensor]:
        """Weights by name."""
        return {'flat': self.flat}

    def load(self, state: dict[str, Tensor]) -> None:
        """Take weights by name."""
        self.flat.copy_(state['flat'])


class LatentPredictor(LatentNetwork):
    """
    The network that learns, on latents.

    :param sizes: input, hidden and output widths.
    :param generator: source of the initial weights.
    :param learning_rate: of Adam [-].
    :param compute: where.
    """

    def __init__(
        self,
        sizes: tuple[int, ...],
        generator: torch.Generator,
        learning_rate: float,
        compute: Compute = CPU,
    ) -> None:
        super().__init__(sizes, generator, compute)
        self._gradient = torch.zeros_like(self.flat)
        self._gradients = self.mlp.layers(self._gradient)
        self._adam = Adam(self.flat, learning_rate)

    @torch.no_grad()
    def fit(self, inputs: tuple[Tensor, ...], wanted: Tensor) -> Tensor:
        """
        Make one step of the mean squared error.

        :param inputs: one tensor of shape (batch, latent).
        :param wanted: shape (batch, output).
        :return: features less what was wanted, before the step, shape (batch, output).
        """
        tape = Tape()
        error = self.mlp.forward(self.layers, inputs[0], tape) - wanted
        self.mlp.backward(self.layers, tape, error * (2.0 / error.numel()), self._gradients)
        self._adam.step(self._gradient)
        return error[0]

    def state(self) -> dict[str, Tensor]:
        """Weights and moments by name."""
        moments = {f'adam.{name}': value for name, value in self._adam.state().items()}
        return super().state() | moments

    def load(self, state: dict[str, Tensor]) -> None:
        """Take weights and moments by name."""
        super().load(state)
        self._adam.load({name: state[f'adam.{name}'] for name in self._adam.state()})


class PixelNetwork:
    """
    Convolutions on an image, joined by a vector, then fully connected, as in R3L's code.

    :param image_size: side of the image [pixel].
    :param vector: length of the vector.
    :param output: number of features.
    :param generator: source of the weights, N(0, 0.1) as R3L's target network has.
    :param compute: where.
    """

    def __init__(
        self,
        image_size: int,
        vector: int,
        output: int,
        generator: torch.Generator,
        compute: Compute = CPU,
    ) -> None:
        self.compute = compute
        convolutions: list[nn.Module] = []
        channels, size = 3, image_size
        for width in (16, 32, 64):
            convolutions += [nn.Conv2d(channels, width, 3, stride=2, padding=1), nn.ReLU()]
            channels, size = width, (size + 1) // 2
        self.image = nn.Sequential(*convolutions, nn.Flatten())
        self.head = nn.Sequential(
            nn.Linear(channels * size * size + vector, 256),
            nn.ReLU(),
            nn.Linear(256, 256),
            nn.ReLU(),
            nn.Linear(256, output),
        )
        self.module = nn.ModuleList([self.image, self.head])
        with torch.no_grad():
            for weight in self.module.parameters():
                weight.normal_(0.0, 0.1, generator=generator)
        self.module.to(compute.device)

    def features(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """
        Map images and vectors to features.

        :param inputs: images (batch, height, width, 3) uint8 and vectors (batch, vector).
        :return: shape (batch, output).
        """
        images, vector = inputs
        values = images.permute(0, 3, 1, 2).to(torch.float32).div_(255.0)
        with self.compute.autocast():
            result: Tensor = self.head(torch.cat([self.image(values), vector], dim=-1))
        return result.float()

    def state(self) -> dict[str, Tensor]:
        """Weights by name."""
        return dict(self.module.state_dict())

    def load(self, state: dict[str, Tensor]) -> None:
        """Take weights by name."""
        own = self.module.state_dict()
        self.module.load_state_dict({name: state[name] for name in own})


class PixelPredictor(PixelNetwork):
    """
    The network that learns, on images.

    :param image_size: side of the image [pixel].
    :param vector: length of the vector.
    :param output: number of features.
    :param generator: source of the initial weights.
    :param learning_rate: of Adam [-].
    :param compute: where.
    """

    def __init__(
        self,
        image_size: int,
        vector: int,
        output: int,
        generator: torch.Generator,
        learning_rate: float,
        compute: Compute = CPU,
    ) -> None:
        super().__init__(image_size, vector, output, generator, compute)
        self._parameters = list(self.module.parameters())
        with torch.no_grad():
            for weight in self._parameters:
                # Only the target is N(0, 0.1); a predictor starts small, or it never catches up.
                weight.mul_(0.5)
        self._flat = nn.utils.parameters_to_vector(self._parameters).detach()
        self._adam = Adam(self._flat, learning_rate)

    def fit(self, inputs: tuple[Tensor, ...], wanted: Tensor) -> Tensor:
        """
        Make one step of the mean squared error.

        :param inputs: images and vectors, as ``features`` takes them.
        :param wanted: shape (batch, output).
        :return: features less what was wanted, before the step, shape (batch, output).
        """
        with torch.enable_grad():
            error = self.features(inputs) - wanted
            gradients = torch.autograd.grad(error.square().mean(), self._parameters)
        self._adam.step(torch.cat([gradient.reshape(-1) for gradient in gradients]))
        nn.utils.vector_to_parameters(self._flat, self._parameters)
        return error.detach()

    def state(self) -> dict[str, Tensor]:
        """Weights and moments by name."""
        moments = {f'adam.{name}': value for name, value in self._adam.state().items()}
        return super().state() | moments

    def load(self, state: dict[str, Tensor]) -> None:
        """Take weights and moments by name."""
        super().load(state)
        self._flat.copy_(nn.utils.parameters_to_vector(self._parameters).detach())
        nn.utils.vector_to_parameters(self._flat, self._parameters)
        self._adam.load({name: state[f'adam.{name}'] for name in self._adam.state()})


Trainable = LatentPredictor | PixelPredictor


def latent_rnd(
    latent_size: int,
    hidden: int,
    output: int,
    learning_rate: float,
    clip: float,
    seed: int,
    compute: Compute = CPU,
) -> Rnd:
    """
    Make random network distillation on latents.

    :param latent_size: length of a latent.
    :param hidden: width of the two hidden layers.
    :param output: number of features.
    :param learning_rate: of the predictor [-].
    :param clip: largest reward [-].
    :param seed: of both networks.
    :param compute: where.
    :return: the pair.
    """
    generator = torch.Generator().manual_seed(seed)
    sizes = (latent_size, hidden, hidden, output)
    target = LatentNetwork(sizes, generator, compute)
    return Rnd(target, LatentPredictor(sizes, generator, learning_rate, compute), clip)


def pixel_rnd(
    image_size: int,
    vector: int,
    output: int,
    learning_rate: float,
    clip: float,
    seed: int,
    compute: Compute = CPU,
) -> Rnd:
    """
    Make random network distillation on images and vectors, as R3L has it.

    :param image_size: side of the image [pixel].
    :param vector: length of the vector that joins the image's features.
    :param output: number of features.
    :param learning_rate: of the predictor [-].
    :param clip: largest reward [-].
    :param seed: of both networks.
    :param compute: where.
    :return: the pair.
    """
    generator = torch.Generator().manual_seed(seed)
    target = PixelNetwork(image_size, vector, output, generator, compute)
    predictor = PixelPredictor(image_size, vector, output, generator, learning_rate, compute)
    return Rnd(target, predictor, clip)


def inputs_of(*arrays: np.ndarray, device: str = 'cpu') -> tuple[Tensor, ...]:
    """
    Turn arrays into tensors, on the CPU without a copy.

    :param arrays: of any shapes.
    :param device: where the tensors are to be.
    """
    if device == 'cpu':
        return tuple(torch.from_numpy(array) for array in arrays)
    return tuple(torch.from_numpy(array).to(device) for array in arrays)
