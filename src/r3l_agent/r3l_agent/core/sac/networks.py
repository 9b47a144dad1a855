# SPDX-License-Identifier: Apache-2.0
"""
Ensembles of small MLPs with one flat parameter vector and a backward pass of their own.

On a CPU, an update of networks of this size spends two thirds of its time in the bookkeeping of
automatic differentiation and of optimisers that go through many small tensors. One flat vector
and a written-out backward pass leave mostly the matrix products. The tests hold the gradients
against those of autograd.
"""

from dataclasses import dataclass, field
import math

import torch
from torch import Tensor


@dataclass(slots=True)
class Tape:
    """What a forward pass leaves for the backward pass, by layer."""

    inputs: list[Tensor] = field(default_factory=list)
    normalised: list[tuple[Tensor, Tensor, Tensor]] = field(default_factory=list)

    def rows(self, which: slice) -> 'Tape':
        """
        Return what a part of the batch left.

        :param which: rows of the batch.
        """
        # The backward pass of a norm reads its statistics as if they lay side by side.
        normalised = [
            (z[:, which], mean[:, which].contiguous(), scale[:, which].contiguous())
            for z, mean, scale in self.normalised
        ]
        return Tape([h[:, which] for h in self.inputs], normalised)


@dataclass(frozen=True, slots=True)
class Mlp:
    """
    An ensemble of MLPs of one shape with ReLU between the layers.

    :param sizes: input, hidden and output widths, e.g. ``(59, 128, 128, 1)``.
    :param members: number of networks in the ensemble.
    :param layer_norm: normalise each hidden layer before its ReLU (arXiv:2302.02948, sec. 4.2).
    :param half: multiply in bfloat16; weights, sums and everything else stay float32.
    """

    sizes: tuple[int, ...]
    members: int = 1
    layer_norm: bool = False
    half: bool = False

    @property
    def shapes(self) -> list[tuple[int, int, int]]:
        """Shape of every weight and bias, in the order of the flat vector."""
        shapes = []
        for fan_in, fan_out in zip(self.sizes[:-1], self.sizes[1:], strict=True):
            shapes += [(self.members, fan_in, fan_out), (self.members, 1, fan_out)]
        return shapes

    @property
    def parameters(self) -> int:
        """Length of the flat vector."""
        return sum(math.prod(shape) for shape in self.shapes)

    def initialise(self, generator: torch.Generator) -> Tensor:
        """
        Draw a flat parameter vector: uniform within 1/sqrt(fan in), as ``torch.nn.Linear``.

        :param generator: source of randomness.
        :return: shape (parameters,), float32.
        """
        flat = torch.rand(self.parameters, generator=generator) * 2 - 1
        for weight, bias in self.layers(flat):
            bound = 1.0 / math.sqrt(weight.shape[1])
            weight.mul_(bound)
            bias.mul_(bound)
        return flat

    def layers(self, flat: Tensor) -> list[tuple[Tensor, Tensor]]:
        """
        View the flat vector as weights and biases.

        :param flat: shape (parameters,).
        :return: per layer a weight, shape (members, in, out), and a bias, (members, 1, out).
        """
        parts = torch.split(flat, [math.prod(shape) for shape in self.shapes])
        views = [part.view(shape) for part, shape in zip(parts, self.shapes, strict=True)]
        return list(zip(views[::2], views[1::2], strict=True))

    def forward(
        self, layers: list[tuple[Tensor, Tensor]], x: Tensor, tape: Tape | None = None
    ) -> Tensor:
        """
        Evaluate every member on the same input.

        :param layers: views from ``layers``.
        :param x: shape (batch, sizes[0]).
        :param tape: filled for ``backward``, if given.
        :return: shape (members, batch, sizes[-1]).
        """
        h = x.unsqueeze(0).expand(self.members, -1, -1)
        for weight, bias in layers[:-1]:
            if tape is not None:
                tape.inputs.append(h)
            # The bias comes before the norm: without one, a norm forgets how long its input is.
            h = self._affine(bias, h, weight)
            if self.layer_norm:
                z = h
                h, mean, scale = torch.native_layer_norm(z, z.shape[-1:], None, None, 1e-5)
                if tape is not None:
                    tape.normalised.append((z, mean, scale))
            h = h.relu_()
        if tape is not None:
            tape.inputs.append(h)
        return self._affine(layers[-1][1], h, layers[-1][0])

    def backward(
        self,
        layers: list[tuple[Tensor, Tensor]],
        tape: Tape,
        gradient: Tensor,
        into: list[tuple[Tensor, Tensor]] | None = None,
        *,
        to_input: bool = False,
        first_input: int = 0,
    ) -> Tensor:
        """
        Propagate the gradient of a loss from the output to the parameters and the input.

        :param layers: the views that the forward pass used.
        :param tape: what the forward pass left.
        :param gradient: dL/d output, shape (members, batch, sizes[-1]).
        :param into: views that are overwritten by dL/d parameters; None leaves that out.
        :param to_input: go down to the input.
        :param first_input: first of the inputs whose gradient is wanted.
        :return: dL/d input summed over the members, shape (batch, sizes[0] - first_input); empty
            if not asked for.
        """
        for index in reversed(range(len(layers))):
            h, weight = tape.inputs[index], layers[index][0]
            if index < len(layers) - 1:
                # The input of the next layer is this layer's output after the ReLU.
                gradient = torch.ops.aten.threshold_backward(gradient, tape.inputs[index + 1], 0.0)
            if self.layer_norm and index < len(layers) - 1:
                z, mean, scale = tape.normalised[index]
                gradient = torch.ops.aten.native_layer_norm_backward(
                    gradient, z, z.shape[-1:], mean, scale, None, None, [True, False, False]
                )[0]
            if into is not None:
                self._product(h.transpose(1, 2), gradient, into[index][0])
                torch.sum(gradient, dim=1, keepdim=True, out=into[index][1])
            if index or to_input:
                wanted = weight if index else weight[:, first_input:]
                gradient = self._product(gradient, wanted.transpose(1, 2))
        return gradient.sum(dim=0) if to_input else gradient.new_empty(0)

    def _affine(self, bias: Tensor, h: Tensor, weight: Tensor) -> Tensor:
        if self.half:
            return torch.bmm(h.bfloat16(), weight.bfloat16()).float().add_(bias)
        if weight.shape[-1] == 1:
            # Batched products have no fast path for a vector: this takes a third of the time.
            return (h * weight.transpose(1, 2)).sum(dim=-1, keepdim=True).add_(bias)
        return torch.baddbmm(bias, h, weight)

    def _product(self, a: Tensor, b: Tensor, out: Tensor | None = None) -> Tensor:
        if not self.half:
            if out is None:
                # Of two vectors it is an outer product, an eighth of the time.
                return a * b if a.shape[-1] == 1 else torch.bmm(a, b)
            if b.shape[-1] == 1:
                torch.bmm(b.transpose(1, 2), a.transpose(1, 2), out=out.transpose(1, 2))
                return out
            return torch.bmm(a, b, out=out)
        product = torch.bmm(a.bfloat16(), b.bfloat16())
        return product.float() if out is None else out.copy_(product)
