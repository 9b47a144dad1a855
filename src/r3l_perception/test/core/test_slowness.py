# SPDX-License-Identifier: Apache-2.0
"""Latents turned towards what changes slowly."""

import numpy as np
from numpy.typing import NDArray
import pytest
from r3l_perception.core.vae.slowness import slow_axes

Array = NDArray[np.float64]
SURE = 1e-4  # variance of a latent given its image


def turning(count: int = 6000) -> tuple[Array, Array]:
    """Return plain features of an angle that walks, and what a VAE makes of it: all mixed up."""
    rng = np.random.default_rng(0)
    angle = np.cumsum(rng.normal(0.0, 0.2, count))
    plain = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    fast = np.stack([np.cos(3 * angle), np.sin(3 * angle), np.cos(6 * angle)], axis=1)
    hand = rng.normal(0.0, 1.0, (count, 3))
    mixed = np.concatenate([plain, fast, hand], axis=1) * np.sqrt([2, 2, 2, 2, 2, 1, 1, 1])
    turned, _ = np.linalg.qr(rng.normal(size=(8, 8)))
    return plain, mixed @ turned + rng.normal(size=8)


def published(latents: Array, noise: Array, slowness: float) -> Array:
    offset, matrix = slow_axes(latents, noise, slowness)
    return (latents - offset) @ matrix


def speed(values: Array) -> Array:
    change = np.square(np.diff(values, axis=0)).mean(axis=0)
    return change / 2.0 / values.var(axis=0)


def test_the_slowest_axes_are_the_plain_state() -> None:
    plain, latents = turning()
    found = published(latents, np.full(8, SURE), 1.0)[:, :2]
    rows = np.concatenate([found, np.ones((len(found), 1))], axis=1)
    read = rows @ np.linalg.lstsq(rows, plain, rcond=None)[0]
    assert np.square(read - plain).mean() < 0.01 * plain.var()


@pytest.mark.parametrize('slowness', [0.0, 0.5, 1.0, 2.0])
def test_axes_come_slowest_first_and_are_as_wide_as_they_are_slow(slowness: float) -> None:
    _, latents = turning()
    found = published(latents, np.full(8, SURE), slowness)
    np.testing.assert_allclose(found.mean(axis=0), 0.0, atol=1e-9)
    assert found.var(axis=0).mean() == pytest.approx(1.0, rel=1e-2)
    speeds = speed(found)
    assert (np.diff(speeds) > -1e-3).all()
    wanted = speeds**-slowness
    np.testing.assert_allclose(
        found.std(axis=0) / found.std(axis=0)[0], wanted / wanted[0], rtol=0.02
    )
    uncorrelated = np.corrcoef(found.T) - np.eye(8)
    assert np.abs(uncorrelated).max() < 0.01


def test_a_latent_that_is_not_used_is_not_blown_up() -> None:
    _, latents = turning()
    # Its mean hardly moves, and slowly; that is no reason to listen to it.
    idle = 0.01 * np.sin(np.linspace(0.0, 6.0, len(latents)))
    noise = np.array([*np.full(8, SURE), 1.0])
    found = published(np.column_stack([latents, idle]), noise, 1.0)
    share = np.abs(np.corrcoef(found.T, idle)[-1, :-1])
    assert found.std(axis=0)[share.argmax()] < 0.1


def test_the_same_data_gives_the_same_directions_whatever_their_sign_was() -> None:
    _, latents = turning(500)
    noise = np.full(8, SURE)
    _, matrix = slow_axes(latents, noise, 1.0)
    _, mirrored = slow_axes(-latents, noise, 1.0)
    np.testing.assert_allclose(matrix, mirrored, atol=1e-9)
    assert (matrix[np.abs(matrix).argmax(axis=0), range(8)] > 0).all()


def test_images_that_never_change_give_finite_latents() -> None:
    found = published(np.ones((10, 3)), np.full(3, 0.5), 1.0)
    assert np.isfinite(found).all()
    assert np.abs(found).max() == 0.0
