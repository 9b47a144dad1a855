# SPDX-License-Identifier: Apache-2.0
"""The time of day of a moment of a run, which counts its own seconds over all its starts."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
import time
from typing import Any

Anchor = tuple[float, float]  # seconds of the run, seconds of the epoch: the same moment


@dataclass(frozen=True, slots=True)
class Clock:
    """
    Seconds of the run to seconds of the epoch and back.

    A run that was stopped and went on counts on from where it stopped: every start has its own
    difference between the two.

    :param anchors: moments in the order of time, one per start; empty: not known.
    :param stops: seconds of the run at which each start but the last ended.
    """

    anchors: tuple[Anchor, ...] = ()
    stops: tuple[float, ...] = ()

    @property
    def known(self) -> bool:
        """Whether times of day are known."""
        return bool(self.anchors)

    def epoch(self, wall_s: float) -> float | None:
        """Return the seconds of the epoch of a moment of the run; None if not known."""
        if not self.anchors:
            return None
        known, epoch = self.anchors[bisect_left(self.stops, wall_s)]
        return epoch + wall_s - known

    def wall(self, epoch: float) -> float | None:
        """
        Return the seconds of the run at a time of the epoch; None if not known.

        A time at which the run stood still is taken for the moment at which it had stopped.
        """
        if not self.anchors:
            return None
        index = max(0, bisect_right(self.anchors, epoch, key=lambda one: one[1]) - 1)
        known, start = self.anchors[index]
        found = known + epoch - start
        if index < len(self.stops) and found > self.stops[index]:
            # The start after this one had begun a moment before its first record.
            known, start = self.anchors[index + 1]
            found = max(self.stops[index], known + epoch - start)
        return max(0.0, found)

    def text(self, wall_s: float) -> str:
        """Return the local time of day, or the time since the start where that is all we know."""
        epoch = self.epoch(wall_s)
        if epoch is not None:
            return time.strftime('%H:%M', time.localtime(epoch))
        minutes = round(wall_s / 60.0)
        return f'+{minutes // 60}:{minutes % 60:02}'

    def day(self, wall_s: float) -> str:
        """Return date and time of a moment, empty if not known."""
        epoch = self.epoch(wall_s)
        return '' if epoch is None else time.strftime('%Y-%m-%d %H:%M', time.localtime(epoch))


def from_events(run: Path, metrics: Sequence[Mapping[str, Any]]) -> Clock:
    """
    Set the clock by the TensorBoard events of a run: every start of it has begun a file.

    :param metrics: lines of ``metrics.jsonl``, which holds the same scalars.
    """
    wanted = [
        first for path in sorted(run.glob('events.out.tfevents.*')) if (first := _first(path))
    ]
    by_moment = {
        (int(line['env_steps']), name): float(line['wall_s'])
        for line in reversed(metrics)
        for name in line
        if '/' in name
    }
    found = [
        (wall_s, epoch)
        for steps, name, epoch in wanted
        if (wall_s := by_moment.get((steps, name))) is not None
    ]
    return clock_of(found, [float(line['wall_s']) for line in metrics])


def clock_of(found: Iterable[Anchor], moments: Sequence[float]) -> Clock:
    """
    Return the clock of a run.

    :param found: a moment of each start, in any order.
    :param moments: seconds of the run at which something was recorded.
    """
    anchors = in_order(found)
    stops = (
        max((moment for moment in moments if moment < wall_s), default=0.0)
        for wall_s, _ in anchors[1:]
    )
    return Clock(anchors, tuple(stops))


def _first(path: Path) -> tuple[int, str, float] | None:
    """Return env steps, name and time of the first scalar of a file."""
    from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
    from tensorboard.compat.proto.event_pb2 import Event

    for raw in RawEventFileLoader(str(path)).Load():
        event = Event.FromString(raw)
        if event.summary.value:
            return int(event.step), str(event.summary.value[0].tag), float(event.wall_time)
    return None


def in_order(anchors: Iterable[Anchor]) -> tuple[Anchor, ...]:
    """Drop what contradicts a later start, e.g. because a checkpoint was older than the events."""
    kept: list[Anchor] = []
    for anchor in sorted(anchors, key=lambda one: one[1]):
        while kept and kept[-1][0] >= anchor[0]:
            kept.pop()
        kept.append(anchor)
    return tuple(kept)
