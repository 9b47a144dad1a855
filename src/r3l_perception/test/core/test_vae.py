# SPDX-License-Identifier: Apache-2.0
"""Losses, whitening, training and storage of the VAE."""

from dataclasses import replace
import math

import numpy as np
from numpy.typing import NDArray
import pytest
from r3l_node.core.weights import pack, unpack
from r3l_perception.core.augmentation import random_shift
from r3l_perception.core.picture import comparison, png
from r3l_perception.core.vae import from_weights, to_weights, train_vae, Vae, VaeConfig
from r3l_perception.core.vae.losses import (
    bernoulli_reconstruction,
    gaussian_reconstruction,
    kl_divergence,
    squared_weights,
)
from r3l_perception.core.vae.training import vae_loss
from r3l_perception.core.vae.whitening import fit_whitening
import torch

TINY = VaeConfig(
    latent_size=3, channels=(4, 4), vae_steps=60, vae_batch=16, vae_learning_rate=1e-2
)
FAITHFUL = replace(
    TINY, likelihood='bernoulli', activation='leaky_relu', beta=0.5, l2=5e-4, channels=(6, 6, 4)
)


def blobs(count: int, size: int = 32, seed: int = 0) -> NDArray[np.uint8]:
    """Return images of one red square at a random place of a grey plane."""
    rng = np.random.default_rng(seed)
    images = np.full((count, size, size, 3), 90, np.uint8)
    for image, (row, column) in zip(images, rng.integers(0, size - 8, (count, 2)), strict=True):
        image[row : row + 8, column : column + 8] = (220, 40, 40)
    return images


def test_gaussian_reconstruction_is_half_the_squared_error_over_the_variance() -> None:
    output = torch.tensor([[1.0, 2.0], [0.0, 0.0]]).reshape(2, 1, 1, 2)
    target = torch.zeros(2, 1, 1, 2)
    assert gaussian_reconstruction(output, target, 0.5).item() == pytest.approx(
        5.0 / (2 * 0.25 * 2)
    )


def test_bernoulli_reconstruction_of_even_odds_is_log_two_per_channel() -> None:
    value = bernoulli_reconstruction(torch.zeros(2, 3, 4, 4), torch.rand(2, 3, 4, 4))
    assert value.item() == pytest.approx(48 * math.log(2.0), rel=1e-6)


def test_kl_divergence_of_the_prior_is_zero() -> None:
    assert kl_divergence(torch.zeros(3, 2), torch.zeros(3, 2)).item() == 0.0


def test_kl_divergence_matches_the_value_by_hand() -> None:
    mean, log_variance = torch.tensor([[1.0, -2.0]]), torch.tensor([[math.log(4.0), 0.0]])
    expected = 0.5 * ((1 + 4 - 1 - math.log(4.0)) + (4 + 1 - 1 - 0))
    assert kl_divergence(mean, log_variance).item() == pytest.approx(expected, rel=1e-6)


def test_squared_weights_sums_over_all_tensors() -> None:
    assert squared_weights([torch.tensor([1.0, 2.0]), torch.tensor([[3.0]])]).item() == 14.0


def test_whitened_residuals_have_unit_covariance() -> None:
    rng = np.random.default_rng(0)
    colours = rng.normal(size=(400, 8, 8, 3)) @ np.array([[30, 5, 0], [0, 9, 2], [1, 0, 4]])
    images = np.clip(colours + 120, 0, 255).astype(np.uint8)
    mean, whiten, unwhiten = fit_whitening(images, chunk=64)
    residual = ((images - mean) @ whiten).reshape(-1, 3)
    np.testing.assert_allclose(residual.T @ residual / len(residual), np.eye(3), atol=2e-3)
    np.testing.assert_allclose(whiten @ unwhiten, np.eye(3), atol=1e-5)


def test_whitening_does_not_amplify_quantisation_noise_of_a_grey_image() -> None:
    grey = np.random.default_rng(0).integers(0, 255, (20, 8, 8, 1)).astype(np.uint8)
    _, whiten, _ = fit_whitening(np.repeat(grey, 3, axis=3))
    assert np.linalg.norm(whiten, axis=0).max() <= 1.0 + 1e-6


@pytest.mark.parametrize('config', [TINY, FAITHFUL])
def test_training_lowers_the_loss(config: VaeConfig) -> None:
    images = blobs(64)
    config = replace(config, vae_steps=120)
    losses = []
    train_vae(images, config, progress=lambda step, metrics: losses.append(metrics['vae/loss']))
    assert len(losses) == 12
    assert losses[-1] < 0.99 * losses[0]


def test_training_twice_with_one_seed_gives_equal_parameters() -> None:
    images, config = blobs(40), replace(TINY, vae_steps=5)
    first, _ = train_vae(images, config, seed=3)
    second, _ = train_vae(images, config, seed=3)
    other, _ = train_vae(images, config, seed=4)
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name
    assert not torch.equal(first.head.weight, other.head.weight)  # type: ignore[arg-type]


def test_random_shifts_teach_places_that_no_image_shows() -> None:
    """One image in its place alone: only shifts show the square elsewhere."""
    images = np.repeat(blobs(1), 40, axis=0)
    shifted = random_shift(images, 6, np.random.default_rng(1))
    errors = []
    for shift in (0, 6):
        config = replace(TINY, shift=shift, vae_steps=120, likelihood='bernoulli')
        vae, _ = train_vae(images, config, seed=1)
        error = vae.decode(vae.encode(shifted)[0]).astype(np.int16) - shifted
        errors.append(float(np.square(error).mean()))
    assert errors[1] < 0.9 * errors[0]


def test_training_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    train_vae(blobs(20), replace(TINY, vae_steps=2))
    assert torch.equal(torch.rand(1), expected)


def test_training_stops_when_the_progress_callback_raises() -> None:
    class StopError(Exception):
        pass

    def stop(step: int, metrics: dict[str, float]) -> None:
        raise StopError

    with pytest.raises(StopError):
        train_vae(blobs(20), TINY, progress=stop)


def test_latents_are_centred_and_not_wider_than_one() -> None:
    images = blobs(200)
    config = replace(TINY, held_out_share=0.0, vae_steps=150, channels=(8, 8), latent_size=2)
    mean, _ = train_vae(images, config)[0].encode(images)
    np.testing.assert_allclose(mean.mean(dim=0), 0.0, atol=1e-4)
    assert mean.std(dim=0, correction=0).max() <= 1.0 + 1e-4


@pytest.mark.parametrize('size', [32, 33, 47, 64])
@pytest.mark.parametrize('config', [TINY, FAITHFUL])
def test_weights_survive_a_file_exactly(config: VaeConfig, size: int) -> None:
    images = blobs(12, size)
    vae, _ = train_vae(images, replace(config, image_size=size, vae_steps=1))
    copy = from_weights(*unpack(pack(*to_weights(vae))), expected=vae.config)
    assert copy.config == vae.config
    for left, right in zip(vae.encode(images), copy.encode(images), strict=True):
        assert torch.equal(left, right)
    decoded = copy.decode(copy.encode(images)[0])
    assert decoded.shape == images.shape
    np.testing.assert_array_equal(decoded, vae.decode(vae.encode(images)[0]))


def test_decoding_reverses_the_preparation() -> None:
    images = blobs(8)
    vae, _ = train_vae(images, replace(TINY, vae_steps=1))
    values = vae.prepare(images).permute(0, 2, 3, 1)
    back = values @ vae.unwhiten + vae.mean_image
    np.testing.assert_allclose(back.numpy(), images, atol=0.01)


def test_encoding_one_image_equals_encoding_it_in_a_batch() -> None:
    images = blobs(700)
    vae = Vae(TINY, torch.Generator().manual_seed(0))
    batch, _ = vae.encode(images)
    assert batch.shape == (700, 3)
    np.testing.assert_allclose(vae.encode(images[650:651])[0], batch[650:651], atol=1e-5)


def test_an_image_of_another_size_is_refused() -> None:
    vae = Vae(TINY, torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match=r'\(1, 48, 48, 3\): expected \(batch, 32, 32, 3\)'):
        vae.encode(blobs(1, 48))


def test_the_loss_is_the_sum_of_its_parts() -> None:
    config = replace(FAITHFUL, l2=0.0, beta=0.5)
    vae = Vae(config, torch.Generator().manual_seed(0))
    loss, parts = vae_loss(vae, blobs(4), torch.Generator().manual_seed(1))
    expected = parts['vae/reconstruction'] + 0.5 * parts['vae/kl']
    assert loss.item() == pytest.approx(expected.item())
    vae.config = replace(config, l2=0.1)
    heavier, _ = vae_loss(vae, blobs(4), torch.Generator().manual_seed(1))
    squares = sum(
        float(w.detach().square().sum())
        for name, w in vae.encoder.named_parameters()
        if name.endswith('weight')
    )
    assert heavier.item() - loss.item() == pytest.approx(0.1 * squares, rel=1e-3)


def test_weights_of_another_model_or_architecture_are_refused() -> None:
    tensors, metadata = to_weights(Vae(TINY, torch.Generator().manual_seed(0)))
    with pytest.raises(ValueError, match=r"model 'other': expected 'r3l_vae'"):
        from_weights(tensors, {**metadata, 'model': 'other'})
    with pytest.raises(ValueError, match=r'latent_size 3: expected 16'):
        from_weights(tensors, metadata, expected=VaeConfig())
    with pytest.raises(ValueError, match='describe no VAE'):
        from_weights(tensors, {'model': 'r3l_vae', 'config': '[1'})
    with pytest.raises(ValueError, match=r'head\.bias'):
        from_weights({n: v for n, v in tensors.items() if n != 'head.bias'}, metadata)
    with pytest.raises(ValueError, match=r"'head\.bias' is float32\(2,\)"):
        from_weights({**tensors, 'head.bias': np.zeros(2, np.float32)}, metadata)


def test_the_comparison_shows_images_above_reconstructions() -> None:
    images, outputs = blobs(3), 255 - blobs(3)
    picture = comparison(images, outputs, scale=2)
    assert picture.shape == (128, 192, 3)
    np.testing.assert_array_equal(picture[:64:2, 64:128:2], images[1])
    np.testing.assert_array_equal(picture[65::2, 1:64:2], outputs[0])
    assert png(picture).startswith(b'\x89PNG')
