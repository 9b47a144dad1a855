# SPDX-License-Identifier: Apache-2.0
"""
Mean image and colour whitening of a data set.

Most pixels of a robot's camera image are grey and never change. Without the mean image and with
the three colour axes scaled to unit variance, what moves and what is coloured dominates the
likelihood, so that small coloured objects reach the latent.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# An axis that varies by less than one grey level is quantisation noise and is not amplified.
SMALLEST_VARIANCE = 1.0


def fit_whitening(
    images: NDArray[np.uint8], chunk: int = 1024
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """
    Measure the mean image and the principal colour axes of the residual.

    :param images: shape (count, height, width, 3), 0 to 255.
    :param chunk: images converted to floating point at a time.
    :return: mean image, shape (height, width, 3) [grey level]; the matrix ``W``, shape (3, 3),
        with which ``(image - mean) @ W`` has unit covariance; its inverse.
    """
    mean = images.mean(axis=0, dtype=np.float64)
    covariance = np.zeros((3, 3))
    for start in range(0, len(images), chunk):
        residual = (images[start : start + chunk] - mean).reshape(-1, 3)
        covariance += residual.T @ residual
    covariance /= images[..., 0].size
    variance, axes = np.linalg.eigh(covariance)
    scale = np.sqrt(np.maximum(variance, SMALLEST_VARIANCE))
    whiten = axes / scale
    unwhiten = (axes * scale).T
    return mean.astype(np.float32), whiten.astype(np.float32), unwhiten.astype(np.float32)
