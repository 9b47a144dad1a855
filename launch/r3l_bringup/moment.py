# SPDX-License-Identifier: Apache-2.0
"""All that a recording has about one image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from r3l_bag.core.answers import stamp_of
from r3l_bag.core.moment import date_text, NANO
from r3l_bag.core.names import IMAGE, relative_name
from r3l_bag.core.reader import Bag, Message
from r3l_bringup.recorded import pixels_of
from r3l_node.core.errors import ConfigError
from r3l_node.core.status import phase_name

# An image is looked for so long before and after a moment; its answers are within.
REACH = 60 * NANO
_JOINED = ('latent', 'reward', 'transition')


@dataclass(frozen=True, slots=True)
class Moment:
    """One observation and what became of it; None: not recorded. Messages are decoded."""

    time: int  # log time of the image [ns]
    stamp: int  # [ns]
    pixels: NDArray[np.uint8]  # shape (height, width, 3)
    latent: Any
    reward: Any
    before: Any  # reward of the image before
    after: Any  # reward of the image after
    transition: Any
    status: Any  # of the agent
    safety: Any  # of the driver

    @property
    def phase(self) -> str:
        """What the agent was doing."""
        return phase_name(0 if self.status is None else self.status.phase)


def moment_of(bag: Bag, time: int) -> Moment:
    """
    Read what a bag has about the image of a moment: the last one before it, or else the next.

    :param time: log time [ns].
    :raises ConfigError: if there is no image within a minute.
    """
    images: dict[int, Message] = {}
    joined: dict[str, dict[int, Message]] = {name: {} for name in _JOINED}
    statuses: list[Message] = []
    safety: Message | None = None
    topics = [IMAGE, *_JOINED, 'agent/status', 'driver/safety']
    for message in bag.messages(topics, time - REACH, time + REACH):
        name = relative_name(message.topic)
        if name == IMAGE:
            images.setdefault(stamp_of(message.data), message)
        elif name in joined:
            joined[name][stamp_of(message.data)] = message
        elif name == 'agent/status':
            statuses.append(message)
        elif message.time <= time or safety is None:
            safety = message
    stamps = list(images)
    row = _row([message.time for message in images.values()], time)
    stamp = stamps[row]

    def found(name: str, offset: int = 0) -> Any:
        if not 0 <= row + offset < len(stamps):
            return None
        message = joined[name].get(stamps[row + offset])
        return None if message is None else bag.decode(message)

    status = _status(statuses, stamp, images[stamp].time)
    return Moment(
        time=images[stamp].time,
        stamp=stamp,
        pixels=pixels_of(bag.decode(images[stamp])).copy(),
        latent=found('latent'),
        reward=found('reward'),
        before=found('reward', -1),
        after=found('reward', 1),
        transition=found('transition'),
        status=None if status is None else bag.decode(status),
        safety=None if safety is None else bag.decode(safety),
    )


def _row(times: list[int], time: int) -> int:
    if not times:
        raise ConfigError(
            f'there is no image within a minute of {date_text(time)}: expected a moment at which '
            'the camera was recorded'
        )
    earlier = [row for row, when in enumerate(times) if when <= time]
    return earlier[-1] if earlier else 0


def _status(statuses: list[Message], stamp: int, time: int) -> Message | None:
    """Return the status that names the observation, or else the last one before it."""
    same = [message for message in statuses if stamp_of(message.data) == stamp]
    earlier = [message for message in statuses if message.time <= time]
    return next(iter([*same[-1:], *earlier[-1:]]), None)
