# SPDX-License-Identifier: Apache-2.0
"""What a training leaves in its run folder: the same as the graph's monitor does."""

from collections.abc import Mapping
from importlib.util import find_spec
import logging
import os
from pathlib import Path
from time import monotonic
from typing import Any

from r3l_node.core.records import JsonLines, Scalars
from r3l_node.core.status import plain_line, RateMeter, Status, take_scalars, write_status

LOG = logging.getLogger('r3l_agent.train')
STATUS_PERIOD = 0.5  # [s]
LINE_PERIOD = 10.0  # [s]
METRICS, EVALUATION, STATUS = 'metrics.jsonl', 'evaluation.jsonl', 'status.json'


class Records:
    """
    Write scalars, evaluations and the status; without a folder only remember evaluations.

    :param run: folder of the run, or None.
    :param status: begins with what is known.
    :param wall: seconds that the training took before.
    :param evaluations: lines of before.
    """

    def __init__(
        self,
        run: Path | None,
        status: Status,
        wall: float = 0.0,
        evaluations: tuple[dict[str, Any], ...] = (),
    ) -> None:
        self._run = run
        self.status = status
        self.evaluations = list(evaluations)
        status.evaluation = self.evaluations[-1] if self.evaluations else None
        self._begun = monotonic() - wall
        self._next_status = self._next_line = 0.0
        self._rate = RateMeter()
        self._scalars: Scalars | None = None
        self._lines: JsonLines | None = None
        if run is not None:
            self._scalars = Scalars(run, events=find_spec('tensorboard') is not None)
            self._lines = JsonLines(run / EVALUATION)

    @property
    def wall(self) -> float:
        """Time that the training has taken so far [s]."""
        return monotonic() - self._begun

    def metrics(self, source: str, env_steps: int, values: Mapping[str, float]) -> None:
        """
        Keep the scalars of one moment.

        :param source: part of the training that measured, named as the graph's nodes are.
        """
        if not values:
            return
        take_scalars(self.status, dict(values))
        if self._scalars is not None:
            self._scalars.write(source, env_steps, self.wall, values)

    def evaluation(self, env_steps: int, version: int, found: Mapping[str, Any]) -> None:
        """Keep what an evaluation found of a version of the policy."""
        line = {
            'env_steps': env_steps,
            'wall_s': round(self.wall, 2),
            **found,
            'policy_version': version,
        }
        self.evaluations.append(line)
        self.status.evaluation = line
        if self._lines is not None:
            self._lines.write(line)
            self._lines.flush()
        LOG.info('env step %d: %s', env_steps, found)

    def tend(self) -> None:
        """Write the status, every now and then."""
        now = monotonic()
        if now < self._next_status:
            return
        self._next_status = now + STATUS_PERIOD
        self._write(now)
        if now >= self._next_line:
            self._next_line = now + LINE_PERIOD
            LOG.info('%s', plain_line(self.status))

    def _write(self, now: float) -> None:
        status = self.status
        status.wall_s = round(now - self._begun, 2)
        rate = self._rate.add(now, status.env_steps)
        status.steps_per_s = None if rate is None else round(rate, 2)
        left = max(0, status.steps - status.env_steps)
        status.eta_s = round(left / rate, 1) if rate else None
        if self._run is not None:
            assert self._scalars is not None
            self._scalars.flush()
            write_status(status, self._run / STATUS)

    def sizes(self) -> dict[str, int]:
        """Return how long every file of JSON lines of the run is now [B]."""
        if self._run is None:
            return {}
        for file in (self._scalars, self._lines):
            assert file is not None
            file.flush()
        return {path.name: path.stat().st_size for path in sorted(self._run.glob('*.jsonl'))}

    def close(self) -> None:
        """Write the status for the last time and close everything."""
        self._write(monotonic())
        for file in (self._scalars, self._lines):
            if file is not None:
                file.close()


def cut(run: Path, sizes: Mapping[str, int]) -> None:
    """
    Go back to how long the files of JSON lines of a run were.

    :param run: folder of the run.
    :param sizes: by name [B]; a file that is not named did not exist.
    """
    for path in run.glob('*.jsonl'):
        size = sizes.get(path.name, 0)
        if path.stat().st_size > size:
            os.truncate(path, size)
