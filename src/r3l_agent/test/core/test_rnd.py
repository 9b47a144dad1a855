# SPDX-License-Identifier: Apache-2.0
"""Novelty falls where the robot has been and stays where it has not."""

import numpy as np
import pytest
from r3l_agent.core.rnd.model import inputs_of, latent_rnd, pixel_rnd, Rnd
import torch


def latents(offset: float, seed: int, size: int = 64) -> tuple[torch.Tensor, ...]:
    rng = np.random.default_rng(seed)
    return inputs_of((rng.normal(size=(size, 4)) + offset).astype(np.float32))


def pixels(brightness: int, seed: int, size: int = 16) -> tuple[torch.Tensor, ...]:
    rng = np.random.default_rng(seed)
    images = rng.integers(brightness, brightness + 40, (size, 16, 16, 3), dtype=np.uint8)
    return inputs_of(images, rng.normal(size=(size, 5)).astype(np.float32))


def test_visited_latents_become_less_novel_than_others() -> None:
    rnd = latent_rnd(4, 32, 16, 1e-3, clip=1e6, seed=0)
    for step in range(300):
        rnd.learn(latents(0.0, step))
    familiar = rnd.learn(latents(0.0, 1000))[0].mean()
    assert rnd.learn(latents(4.0, 1001))[1] > 5 * rnd.learn(latents(0.0, 1002))[1]
    assert rnd.learn(latents(4.0, 1003))[0].mean() > familiar


def test_the_error_falls_on_images() -> None:
    rnd = pixel_rnd(16, 5, 32, 1e-3, clip=1000.0, seed=0)
    losses = [rnd.learn(pixels(20, step))[1].item() for step in range(60)]
    assert np.mean(losses[-5:]) < 0.5 * np.mean(losses[:5])


def test_rewards_are_errors_over_their_deviation_and_clipped() -> None:
    rnd = latent_rnd(4, 32, 16, 1e-3, clip=0.5, seed=0)
    inputs = latents(0.0, 0)
    error = (rnd.target.features(inputs) - rnd.predictor.features(inputs)).square().mean(dim=-1)
    found, loss = rnd.learn(inputs)
    assert torch.allclose(found, (error / error.std()).clamp(max=0.5))
    assert torch.allclose(loss, error.mean())


def test_the_novelty_is_that_before_the_step() -> None:
    rnd = latent_rnd(4, 32, 16, 1e-2, clip=1e6, seed=0)
    before = rnd.predictor.flat.clone()
    rnd.learn(latents(0.0, 0))
    stepped = rnd.predictor.flat.clone()
    assert not torch.equal(before, stepped)
    losses = [rnd.learn(latents(0.0, 0))[1].item() for _ in range(50)]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize('kind', ['latent', 'pixels'])
def test_a_loaded_one_continues_bit_for_bit(kind: str) -> None:
    def make(seed: int) -> Rnd:
        if kind == 'latent':
            return latent_rnd(4, 32, 16, 1e-3, clip=10.0, seed=seed)
        return pixel_rnd(16, 5, 32, 1e-3, clip=10.0, seed=seed)

    draw = (lambda seed: latents(0.0, seed)) if kind == 'latent' else (lambda s: pixels(20, s))
    original, resumed = make(0), make(1)
    for step in range(5):
        original.learn(draw(step))
    resumed.load({name: value.clone() for name, value in original.state().items()})
    for step in range(6, 9):
        for found, expected in zip(
            resumed.learn(draw(step)), original.learn(draw(step)), strict=True
        ):
            assert torch.equal(found, expected)
