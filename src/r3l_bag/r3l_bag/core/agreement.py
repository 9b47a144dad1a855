# SPDX-License-Identifier: Apache-2.0
"""Whether a replay computed what the recording says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

TOLERANCE = 1e-5  # of 1, or of the value where that is larger

Values = NDArray[np.float32]


@dataclass(slots=True)
class Agreement:
    """How the answers of one topic compare."""

    equal: int = 0  # bit for bit
    close: int = 0  # within the tolerance
    differ: int = 0
    unanswered: int = 0  # asked again and again, in vain
    unweighted: int = 0  # by a version whose weights were not recorded
    largest: float = 0.0  # difference
    largest_time: int = 0  # when [ns log time]

    @property
    def compared(self) -> int:
        """Number of answers that were compared."""
        return self.equal + self.close + self.differ

    @property
    def good(self) -> bool:
        """Whether nothing differs and nothing was left unanswered."""
        return not self.differ and not self.unanswered

    def add(self, recorded: Values, replayed: Values, time: int) -> None:
        """
        Compare an answer with the recorded one.

        :param recorded: shape (n,).
        :param replayed: shape (n,), or of another length, which differs.
        :param time: of the recording [ns log time].
        """
        if recorded.tobytes() == replayed.tobytes():
            self.equal += 1
            return
        difference = _difference(recorded, replayed)
        if difference <= TOLERANCE:
            self.close += 1
        else:
            self.differ += 1
        if difference > self.largest:
            self.largest, self.largest_time = difference, time

    def to_dict(self) -> dict[str, Any]:
        """Return the figures by name, for JSON."""
        return {name: getattr(self, name) for name in self.__slots__}

    def sentence(self, topic: str, when: str) -> str:
        """
        Return the figures as one line.

        :param topic: name of the answers.
        :param when: moment of the largest difference, as text.
        """
        parts = [
            f'{topic}: {self.compared} compared: {self.equal} equal bit for bit, '
            f'{self.close} within {TOLERANCE:g}, {self.differ} differ'
        ]
        if self.largest > 0.0:
            parts.append(f'largest difference {self.largest:.3g} at {when}')
        if self.unanswered:
            parts.append(f'{self.unanswered} were not answered')
        if self.unweighted:
            parts.append(f'{self.unweighted} of a version whose weights are not in the bag')
        return '; '.join(parts)


def _difference(recorded: Values, replayed: Values) -> float:
    if recorded.shape != replayed.shape:
        return float('inf')
    scale = np.maximum(1.0, np.abs(recorded))
    worst = float(np.max(np.abs(recorded - replayed) / scale))
    return worst if np.isfinite(worst) else float('inf')
