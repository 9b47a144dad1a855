# SPDX-License-Identifier: Apache-2.0
"""
Axes of slow change (Wiskott and Sejnowski, *Slow feature analysis*, Neural Computation 14, 2002).

What a VAE needs to draw an object sharply is not what a policy needs to move it: the angle of a
valve is spread over all latents, mostly as fast harmonics that jump with every small turn. The
object itself changes slowly, so the axes that change least from one image to the next are its
plain state.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def slow_axes(latents: Array, noise: Array, slowness: float) -> tuple[Array, Array]:
    """
    Find axes of latents in order of their speed, and scale them by it.

    The speed of an axis is half its mean squared change from one image to the next over its
    variance: 0 for what never moves, 1 for white noise. The spread of an axis becomes
    ``speed^-slowness``, times what makes the mean square of all axes 1. A latent that the VAE does
    not use is noise alone, so it counts as fast and is not blown up.

    :param latents: posterior means of consecutive images, shape (images, latent), at least 2.
    :param noise: mean posterior variance of each latent, shape (latent,), > 0.
    :param slowness: exponent, >= 0; 0: equal spread of all axes.
    :return: offset, shape (latent,), and a matrix whose columns are the axes, slowest first,
        shape (latent, latent): ``(latents - offset) @ matrix`` is what is wanted.
    """
    offset = latents.mean(axis=0)
    spread, change = latents - offset, np.diff(latents, axis=0)
    # White noise changes, by this measure, as much as it varies.
    variance = _mean_product(spread) + np.diag(noise)
    fast = _mean_product(change) / 2.0 + np.diag(noise)
    scale, axes = np.linalg.eigh(variance)
    whiten = axes / np.sqrt(scale)
    speed, axes = np.linalg.eigh(whiten.T @ fast @ whiten)
    amplitude = speed**-slowness
    matrix = whiten @ axes * (amplitude / np.sqrt(np.mean(amplitude**2)))
    # An axis has no direction of its own: the same data must give the same latents.
    largest = matrix[np.abs(matrix).argmax(axis=0), np.arange(len(matrix))]
    return offset, matrix * np.sign(largest)


def _mean_product(rows: Array) -> Array:
    """Return the mean outer product, added up in an order that no number of threads changes."""
    product: Array = np.einsum('ij,ik->jk', rows, rows) / len(rows)
    return product
