# SPDX-License-Identifier: Apache-2.0
"""The whole training in one process: what the graph does, step by step."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from r3l_agent.core.loop.config import TrainConfig
from r3l_agent.core.loop.result import Evaluate, TrainResult
from r3l_agent.core.loop.world import World

Goals = NDArray[Any] | Mapping[str, NDArray[Any]]


def _never() -> bool:
    return False


def train(
    env: World | Any,
    goals: Goals,
    config: TrainConfig | None = None,
    *,
    run: Path | str | None = None,
    evaluate: Evaluate | Any | None = None,
    stop: Callable[[], bool] = _never,
) -> TrainResult:
    """
    Train a policy from examples of success, without resets and without a reward function.

    :param env: a Gymnasium environment, or a ``World``.
    :param goals: examples of success: images, shape (count, size, size, 3) uint8, or feature
        vectors, shape (count, features); by key of a Dict observation, or as one array.
    :param config: settings; the defaults if None. Ranges of actions and sizes of images and
        features are those of the environment, whatever the configuration says.
    :param run: folder to keep everything in; one that a stopped training left is gone on with.
    :param evaluate: judges the deployed policy every ``evaluate_every`` env steps; a Gymnasium
        environment: by its reward and ``info['is_success']``, in that environment.
    :param stop: asked at every step; True ends the training after a checkpoint.
    :return: where it stands.
    :raises ConfigError: one sentence, if settings, goals and environment do not fit together.
    """
    raise NotImplementedError
