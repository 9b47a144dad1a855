# SPDX-License-Identifier: Apache-2.0
"""Where the object was, as the time line tells it."""

from __future__ import annotations

from collections.abc import Callable
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def coverage_of(path: Path, when: Callable[[int], float]) -> list[tuple[float, float, float]]:
    """
    Return how much of its space the object has seen.

    :param path: of ``coverage.json``.
    :param when: env steps to seconds of the run.
    :return: end of each block [s], evenness of the visits within it, share of the bins that were
        ever visited; empty if there is nothing to read.
    """
    from r3l_sim.core.coverage import maps_of

    try:
        saved = json.loads(path.read_text(encoding='utf-8'))
        maps = [one['blocks'] for one in maps_of(saved) if one['blocks']]
        block = int(saved['block_steps'])
    except (OSError, ValueError, KeyError, TypeError):
        return []
    if not maps:
        return []
    grids = [np.asarray(blocks, dtype=float) for blocks in maps]
    ever = (np.concatenate(grids, axis=1).cumsum(axis=0) > 0).mean(axis=1)
    even = np.mean([_evenness(grid) for grid in grids], axis=0)
    found = [
        (when(block * (index + 1)), float(even[index]), float(ever[index]))
        for index in range(len(ever))
    ]
    # A block of a few steps at the end of a run has hardly been anywhere.
    sums = grids[0].sum(axis=1)
    return found[:-1] if len(found) > 1 and sums[-1] < 0.5 * sums[-2] else found


def _evenness(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """
    Return how many of the bins would hold the steps of a block if all held the same.

    The exponential of the entropy, divided by the number of bins.

    :param counts: steps in each bin, shape (blocks, bins).
    :return: shape (blocks,), 0 to 1.
    """
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
    entropy = -(share * np.log(np.where(share > 0.0, share, 1.0))).sum(axis=1)
    return np.where(counts.any(axis=1), np.exp(entropy) / counts.shape[1], 0.0)
