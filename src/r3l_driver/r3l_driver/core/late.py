# SPDX-License-Identifier: Apache-2.0
"""
Which old replies may still come.

A reply carries neither a number nor an address, so a late or doubled one looks like the answer to
the next request. What tells them apart is their length: no request asks for as many bytes as the
one before it, nor as one that ran out of time a moment ago.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
import time

from r3l_driver.core.packet import BROADCAST


class LateReplies:
    """
    Remembers the replies that may come late and chooses requests which they do not fit.

    :param horizon: a reply may still come so long after its time-out [s].
    :param clock: monotonic time [s].
    """

    def __init__(self, horizon: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._horizon = horizon
        self._clock = clock
        self._until: dict[tuple[int, int], float] = {}  # by id and bytes of data
        self._end = clock()  # nothing can come late after it
        self._last: dict[int, int] = {}  # bytes of data that an id was asked for last

    def asked(self, ids: Iterable[int], length: int) -> None:
        """Note a request for ``length`` bytes of data."""
        self._last.update(dict.fromkeys(ids, length))

    def missed(self, ids: Iterable[int], length: int) -> None:
        """Note that replies of ``length`` bytes did not come in time."""
        until = self._end = self._clock() + self._horizon
        self._until.update(((number, length), until) for number in ids)

    def may_come(self, number: int, length: int) -> bool:
        """Whether a late reply of so many bytes may come from an id."""
        return self._until.get((number, length), -1.0) > self._clock()

    def remaining(self, number: int, length: int) -> float:
        """Time until no such reply can come any more [s]."""
        return max(0.0, self._until.get((number, length), 0.0) - self._clock())

    def clear_length(self, ids: Sequence[int], least: int, most: int) -> int | None:
        """
        Choose how many bytes to ask for, so that no old reply fits.

        Where the ids were asked for every length last, each for another, a doubled reply is the
        lesser danger: it mostly comes at once and is thrown away before the next request.

        :return: ``least`` to ``most``; none if late replies of every length may still come.
        """
        last = {self._last.get(number) for number in ids}
        quiet = self._clock() >= self._end
        possible = None
        for length in range(least, most + 1):
            if quiet or not any(self.may_come(number, length) for number in (*ids, BROADCAST)):
                if length not in last:
                    return length
                possible = length if possible is None else possible
        return possible
