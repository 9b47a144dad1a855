# SPDX-License-Identifier: Apache-2.0
"""Statistics of a feature, as a LeRobotDataset keeps them to normalise by."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

QUANTILES = (0.01, 0.10, 0.50, 0.90, 0.99)

Stats = dict[str, Any]  # min, max, mean, std, count, q01 ...: nested lists


def value_stats(values: NDArray[Any]) -> Stats:
    """
    Return the statistics of each component.

    :param values: shape (n,) or (n, components); what is not known is NaN and left out.
    """
    rows = values.reshape(len(values), -1).astype(np.float64)
    known = rows[np.isfinite(rows).all(axis=1)]
    count = len(known)
    if not count:
        # Nothing to say: zero mean and unit deviation leave a feature as it is.
        known = np.zeros((1, rows.shape[1]))
    found = {
        'min': known.min(axis=0).tolist(),
        'max': known.max(axis=0).tolist(),
        'mean': known.mean(axis=0).tolist(),
        'std': (known.std(axis=0) if count else np.ones(rows.shape[1])).tolist(),
        'count': [count],
    }
    quantiles = np.quantile(known, QUANTILES, axis=0).tolist()
    return found | {_key(q): value for q, value in zip(QUANTILES, quantiles, strict=True)}


def image_stats(images: NDArray[np.uint8]) -> Stats:
    """
    Return the statistics of each channel, of values from 0 to 1.

    :param images: shape (n, height, width, channels).
    :return: lists of shape (channels, 1, 1).
    """
    levels = np.arange(256) / 255.0
    # Exact, and without a copy of the images as floats.
    counts = np.stack(
        [np.bincount(images[..., c].reshape(-1), minlength=256) for c in range(images.shape[-1])]
    ).astype(np.float64)
    share = counts / counts.sum(axis=1, keepdims=True)
    mean = share @ levels
    deviation = np.sqrt(np.maximum(share @ levels**2 - mean**2, 0.0))
    seen = counts > 0
    below = share.cumsum(axis=1)
    found = {
        'min': levels[seen.argmax(axis=1)],
        'max': levels[255 - seen[:, ::-1].argmax(axis=1)],
        'mean': mean,
        'std': deviation,
    }
    for quantile in QUANTILES:
        found[_key(quantile)] = levels[(below >= quantile - 1e-12).argmax(axis=1)]
    shaped: Stats = {name: value.reshape(-1, 1, 1).tolist() for name, value in found.items()}
    return shaped | {'count': [len(images)]}


def _key(quantile: float) -> str:
    return f'q{round(100 * quantile):02}'
