# SPDX-License-Identifier: Apache-2.0
"""The written-out backward pass against autograd, and Adam against torch's."""

import pytest
from r3l_agent.core.sac.adam import Adam
from r3l_agent.core.sac.networks import Mlp, Tape
import torch
from torch import Tensor


def reference(mlp: Mlp, flat: Tensor, x: Tensor) -> Tensor:
    layers = mlp.layers(flat)
    h = x.expand(mlp.members, -1, -1)
    for weight, bias in layers[:-1]:
        h = h @ weight + bias
        if mlp.layer_norm:
            h = torch.nn.functional.layer_norm(h, h.shape[-1:])
        h = h.relu()
    return h @ layers[-1][0] + layers[-1][1]


@pytest.mark.parametrize('layer_norm', [True, False])
@pytest.mark.parametrize('members', [1, 3])
def test_gradients_equal_autograd(layer_norm: bool, members: int) -> None:
    generator = torch.Generator().manual_seed(0)
    mlp = Mlp((7, 16, 12, 2), members, layer_norm)
    flat = mlp.initialise(generator) + 0.1 * torch.randn(mlp.parameters, generator=generator)
    x = torch.randn(5, 7, generator=generator)
    to_output = torch.randn(members, 5, 2, generator=generator)
    leaf, inputs = flat.clone().requires_grad_(), x.clone().requires_grad_()
    output = reference(mlp, leaf, inputs)
    expected = torch.autograd.grad((output * to_output).sum(), (leaf, inputs))

    tape, gradient = Tape(), torch.full_like(flat, torch.nan)
    found = mlp.forward(mlp.layers(flat), x, tape)
    to_input = mlp.backward(mlp.layers(flat), tape, to_output, mlp.layers(gradient), to_input=True)
    assert torch.allclose(found, output, atol=1e-5)
    assert torch.allclose(gradient, expected[0], atol=1e-5)
    assert torch.allclose(to_input, expected[1], atol=1e-5)


@pytest.mark.parametrize('layer_norm', [True, False])
def test_part_of_a_batch_has_the_gradient_that_it_has_alone(layer_norm: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    mlp = Mlp((7, 16, 12, 2), 2, layer_norm)
    flat = mlp.initialise(generator)
    x = torch.randn(9, 7, generator=generator)
    to_output = torch.randn(2, 4, 2, generator=generator)
    layers, gradients = mlp.layers(flat), []
    for rows, part in ((slice(5, None), x), (slice(None), x[5:])):
        tape, gradient = Tape(), torch.full_like(flat, torch.nan)
        mlp.forward(layers, part, tape)
        mlp.backward(layers, tape.rows(rows), to_output, mlp.layers(gradient))
        gradients.append(gradient)
    assert torch.allclose(*gradients, atol=1e-5)


def test_initial_weights_are_within_one_over_root_of_the_inputs() -> None:
    mlp = Mlp((100, 25, 1), members=2)
    layers = mlp.layers(mlp.initialise(torch.Generator().manual_seed(0)))
    assert layers[0][0].abs().max() <= 0.1 < 1.05 * layers[0][0].abs().max()
    assert layers[1][0].abs().max() <= 0.2


def test_a_layer_norm_does_not_hide_the_length_of_the_input() -> None:
    mlp = Mlp((3, 16, 1), layer_norm=True)
    layers = mlp.layers(mlp.initialise(torch.Generator().manual_seed(0)))
    x = torch.ones(1, 3)
    assert not torch.allclose(mlp.forward(layers, x), mlp.forward(layers, 3 * x), atol=1e-3)


def test_members_begin_different() -> None:
    mlp = Mlp((3, 8, 1), members=2)
    flat = mlp.initialise(torch.Generator().manual_seed(0))
    first, second = mlp.forward(mlp.layers(flat), torch.ones(1, 3))
    assert not torch.equal(first, second)


def test_adam_equals_torch() -> None:
    generator = torch.Generator().manual_seed(0)
    ours = torch.randn(50, generator=generator)
    theirs = ours.clone().requires_grad_()
    adam, wanted = Adam(ours, 0.01), torch.optim.Adam([theirs], lr=0.01)
    for _ in range(30):
        gradient = torch.randn(50, generator=generator)
        adam.step(gradient)
        theirs.grad = gradient.clone()
        wanted.step()
    assert torch.allclose(ours, theirs.detach(), atol=1e-6)


def test_a_gradient_can_be_asked_for_the_last_inputs_alone() -> None:
    mlp = Mlp((6, 8, 1), members=2)
    flat = mlp.initialise(torch.Generator().manual_seed(0))
    layers, tape = mlp.layers(flat), Tape()
    output = mlp.forward(layers, torch.ones(5, 6), tape)
    whole = mlp.backward(layers, tape, output, to_input=True)
    part = mlp.backward(layers, tape, output, to_input=True, first_input=4)
    assert torch.allclose(part, whole[:, 4:], atol=1e-6)
