# SPDX-License-Identifier: Apache-2.0
"""Recorded answers beside replayed ones, whichever comes first."""

from __future__ import annotations

from r3l_bag.core.agreement import Agreement
from r3l_bag.core.answers import Source, stamp_of, Values, values_of, version_of
from r3l_bag.core.reader import Message

Key = tuple[str, int, int]  # topic, stamp, version


class Matching:
    """
    Compare answers pair by pair.

    :param source: decodes the recorded ones.
    :param topics: of the answers.
    """

    def __init__(self, source: Source, topics: tuple[str, ...]) -> None:
        self._source = source
        # Lists: an image that was published again and again is answered as often.
        self._recorded: dict[Key, list[tuple[Values, int]]] = {}
        self._replayed: dict[Key, list[Values]] = {}
        self.agreements = {topic: Agreement() for topic in topics}

    @property
    def waiting(self) -> int:
        """Number of replayed answers whose recorded one is yet to come."""
        return sum(map(len, self._replayed.values()))

    def recorded(self, topic: str, message: Message) -> None:
        """
        Take an answer from the bag.

        :param topic: ``latent`` or ``reward``.
        :param message: as recorded.
        """
        key = (topic, stamp_of(message.data), version_of(message.data))
        values = values_of(topic, self._source.decode(message))
        self._recorded.setdefault(key, []).append((values, message.time))
        self._compare(key)

    def replayed(self, topic: str, stamp: int, version: int, values: Values) -> None:
        """
        Take an answer of a live node.

        :param topic: ``latent`` or ``reward``.
        :param stamp: of the image [ns].
        :param version: of the model.
        :param values: see ``values_of``.
        """
        self._replayed.setdefault((topic, stamp, version), []).append(values)
        self._compare((topic, stamp, version))

    def _compare(self, key: Key) -> None:
        recorded, replayed = self._recorded.get(key), self._replayed.get(key)
        if not recorded or not replayed:
            return
        values, time = recorded.pop(0)
        self.agreements[key[0]].add(values, replayed.pop(0), time)
        if not recorded:
            del self._recorded[key]
        if not replayed:
            del self._replayed[key]
