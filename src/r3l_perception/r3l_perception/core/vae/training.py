# SPDX-License-Identifier: Apache-2.0
"""Train the VAE once on a fixed set of images."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from r3l_node.core.compute import Compute, CPU
from r3l_perception.core.augmentation import random_shift
from r3l_perception.core.vae.config import VaeConfig
from r3l_perception.core.vae.losses import (
    bernoulli_reconstruction,
    gaussian_reconstruction,
    kl_divergence,
    squared_weights,
)
from r3l_perception.core.vae.networks import Vae
from r3l_perception.core.vae.whitening import fit_whitening
import torch
from torch import nn, Tensor

# A latent dimension that the VAE does not use has a spread near zero: scaling it to one would
# feed noise to every later network.
SMALLEST_SCALE = 0.5
REPORT_EVERY = 10
LARGEST_HELD_OUT = 2048

Progress = Callable[[int, dict[str, float]], None]


def train_vae(
    images: NDArray[np.uint8],
    config: VaeConfig,
    seed: int = 0,
    progress: Progress | None = None,
    compute: Compute = CPU,
) -> tuple[Vae, dict[str, float]]:
    """
    Train a VAE from scratch.

    :param images: shape (count, height, width, 3), 0 to 255; read, never changed or kept.
    :param config: architecture and training.
    :param seed: fixes initial weights, split, batches and posterior samples.
    :param progress: called with the step and the metrics of that step, every 10 steps; may raise
        to stop the training.
    :param compute: where it is trained; random numbers are drawn on the CPU in any case.
    :return: the trained VAE in evaluation mode, on the CPU, and its metrics on held-out images.
    :raises ValueError: if there are fewer than two images or their size is not the configured one.
    """
    if len(images) < 2:
        raise ValueError(f'{len(images)} images: expected at least 2 to train a VAE')
    generator = torch.Generator().manual_seed(seed)
    vae = Vae(config, generator).to(compute.device)
    vae.prepare(images[:1])
    rng = np.random.default_rng([seed, 2])
    order = rng.permutation(len(images))
    held_out_count = min(int(len(images) * config.held_out_share), LARGEST_HELD_OUT)
    held_out, training = order[:held_out_count], order[held_out_count:]
    if config.likelihood == 'whitened_gaussian':
        _set_whitening(vae, images)
    optimiser = torch.optim.Adam(vae.parameters(), lr=config.vae_learning_rate)
    for step in range(1, config.vae_steps + 1):
        batch = images[training[rng.integers(len(training), size=config.vae_batch)]]
        if config.shift > 0:
            batch = random_shift(batch, config.shift, rng)
        loss, metrics = vae_loss(vae, batch, generator, compute)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        if progress is not None and (step % REPORT_EVERY == 0 or step == config.vae_steps):
            progress(step, {name: value.item() for name, value in metrics.items()})
    vae.cpu().eval().requires_grad_(False)
    set_latent_scale(vae, images[training[:LARGEST_HELD_OUT]])
    return vae, _final_metrics(vae, images[held_out if held_out_count else training], generator)


def vae_loss(
    vae: Vae, images: NDArray[np.uint8], generator: torch.Generator, compute: Compute = CPU
) -> tuple[Tensor, dict[str, Tensor]]:
    """
    Compute the negative evidence lower bound of a batch, with one posterior sample per image.

    :param vae: networks; its configuration chooses the likelihood.
    :param images: shape (batch, height, width, 3), 0 to 255.
    :param generator: draws the posterior samples.
    :param compute: where the networks are, and the precision of their products.
    :return: scalar loss [nat per image] and its detached parts by metric name.
    """
    config = vae.config
    target = vae.prepare(images)
    with compute.autocast():
        mean, log_variance = (part.float() for part in vae.posterior(target))
        noise = torch.randn(mean.shape, generator=generator).to(compute.device)
        output = vae.reconstruct(mean + noise * (0.5 * log_variance).exp()).float()
    if config.likelihood == 'bernoulli':
        reconstruction = bernoulli_reconstruction(output, target)
    else:
        reconstruction = gaussian_reconstruction(output, target, config.sigma)
    kl = kl_divergence(mean, log_variance)
    loss = reconstruction + config.beta * kl
    if config.l2 > 0.0:
        convolutions = [m.weight for m in vae.encoder if isinstance(m, nn.Conv2d)]
        loss = loss + config.l2 * squared_weights(convolutions)
    parts = {'vae/loss': loss, 'vae/reconstruction': reconstruction, 'vae/kl': kl}
    return loss, {name: value.detach() for name, value in parts.items()}


def set_latent_scale(vae: Vae, images: NDArray[np.uint8]) -> None:
    """
    Centre and scale the published latents by their spread over a set of images.

    :param vae: trained networks; changed in place.
    :param images: shape (count, height, width, 3), 0 to 255.
    """
    vae.latent_offset.zero_()
    vae.latent_scale.fill_(1.0)
    mean, _ = vae.encode(images)
    vae.latent_offset.copy_(mean.mean(dim=0))
    vae.latent_scale.copy_(mean.std(dim=0, correction=0).clamp(min=SMALLEST_SCALE))


def _set_whitening(vae: Vae, images: NDArray[np.uint8]) -> None:
    mean_image, whiten, unwhiten = fit_whitening(images)
    vae.mean_image.copy_(torch.from_numpy(mean_image))
    vae.whiten.copy_(torch.from_numpy(whiten))
    vae.unwhiten.copy_(torch.from_numpy(unwhiten))


@torch.no_grad()
def _final_metrics(
    vae: Vae, images: NDArray[np.uint8], generator: torch.Generator
) -> dict[str, float]:
    _, metrics = vae_loss(vae, images, generator)
    mean, log_variance = vae.encode(images)
    pixel_error = np.abs(vae.decode(mean).astype(np.int16) - images).mean()
    used = (mean.var(dim=0, correction=0) > log_variance.exp().mean(dim=0)).sum()
    return {
        **{name.replace('/', '/held_out_'): value.item() for name, value in metrics.items()},
        'vae/pixel_error': float(pixel_error),
        'vae/dimensions_used': float(used),
    }
