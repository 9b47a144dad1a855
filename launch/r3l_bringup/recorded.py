# SPDX-License-Identifier: Apache-2.0
"""Images, rewards and phases of a recording, joined by stamp."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from r3l_bag.core.answers import stamp_of
from r3l_bag.core.experience import image_pixels
from r3l_bag.core.names import IMAGE, REWARD
from r3l_bag.core.reader import Bag, Message
from r3l_node.core.status import phase_name, PHASES


@dataclass(frozen=True, slots=True)
class Told:
    """What the robot was told about each image, in order; all of length n."""

    stamps: NDArray[np.int64]  # [ns], unique
    times: NDArray[np.int64]  # log time of the reward [ns]
    logits: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    phases: list[str]


def told(bag: Bag, start: int, stop: int) -> Told:
    """
    Read the rewards of a part of a bag; of an image with several, the last one.

    :param start: first log time [ns].
    :param stop: log time before which to stop [ns].
    """
    rows: dict[int, tuple[int, float, float]] = {}
    for message in bag.messages([REWARD], start, stop):
        reward = bag.decode(message)
        rows[stamp_of(message.data)] = message.time, reward.logit, reward.probability
    times = np.array([row[0] for row in rows.values()], np.int64)
    return Told(
        np.array(list(rows), np.int64),
        times,
        np.array([row[1] for row in rows.values()], np.float32),
        np.array([row[2] for row in rows.values()], np.float32),
        _phases(bag, times, start, stop),
    )


def _phases(bag: Bag, times: NDArray[np.int64], start: int, stop: int) -> list[str]:
    at, what = [0], [PHASES[0]]
    for message in bag.messages(['agent/status'], start, stop):
        at.append(message.time)
        what.append(phase_name(bag.decode(message).phase))
    rows = np.searchsorted(np.array(at, np.int64), times, side='right') - 1
    return [what[row] for row in rows]


def pictures(bag: Bag, start: int, stop: int) -> Iterator[tuple[Message, NDArray[np.uint8]]]:
    """
    Read the images of a part of a bag.

    :param start: first log time [ns].
    :param stop: log time before which to stop [ns].
    :return: each message and its pixels, shape (height, width, 3).
    """
    for message in bag.messages([IMAGE], start, stop):
        yield message, pixels_of(bag.decode(message))


def pixels_of(image: Any) -> NDArray[np.uint8]:
    """
    Return the pixels of a decoded sensor_msgs/Image as red, green, blue.

    :param image: rgb8 or bgr8.
    :return: shape (height, width, 3).
    :raises ConfigError: for another encoding or parts that do not fit together.
    """
    return image_pixels(image, None)
