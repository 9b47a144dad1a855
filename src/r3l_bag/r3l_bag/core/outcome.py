# SPDX-License-Identifier: Apache-2.0
"""How a replay went, for the screen and for a file."""

from __future__ import annotations

from typing import Any

from r3l_bag.core.moment import clock_text, date_text, NANO
from r3l_bag.core.playback import Playback


class Outcome:
    """
    The figures of a replay.

    :param playback: under way.
    :param start: log time of its begin [ns].
    """

    def __init__(self, playback: Playback, start: int) -> None:
        self._playback = playback
        self._start = start
        self.problems: list[str] = []  # of the bag

    @property
    def good(self) -> bool:
        """Whether all answers agree."""
        return all(agreement.good for agreement in self._playback.agreements.values())

    def progress(self, taken: float) -> str:
        """
        Return where the replay is, as one line.

        :param taken: time of the replay so far [s].
        """
        playback = self._playback
        return (
            f'{clock_text(playback.position)}: {playback.images} images, '
            f'{self._times(taken):.1f} x real time'
        )

    def lines(self, taken: float) -> list[str]:
        """
        Return the outcome as sentences.

        :param taken: time of the replay [s].
        """
        playback = self._playback
        lines = [
            f'{playback.images} images of {self._span:.1f} s replayed in {taken:.1f} s '
            f'({self._times(taken):.1f} x real time, {playback.images / max(taken, 1e-9):.0f} '
            'images/s)'
        ]
        lines += [
            agreement.sentence(topic, date_text(agreement.largest_time))
            for topic, agreement in playback.agreements.items()
        ]
        return lines + self.problems

    def to_dict(self, taken: float) -> dict[str, Any]:
        """
        Return the figures by name, for JSON.

        :param taken: time of the replay [s].
        """
        playback = self._playback
        return {
            'images': playback.images,
            'recorded_s': self._span,
            'replayed_s': taken,
            'good': self.good,
            'lines': self.lines(taken),
            **{topic: one.to_dict() for topic, one in playback.agreements.items()},
        }

    @property
    def _span(self) -> float:
        return (self._playback.position - self._start) / NANO

    def _times(self, taken: float) -> float:
        return self._span / max(taken, 1e-9)
