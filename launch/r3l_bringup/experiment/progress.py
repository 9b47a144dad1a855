# SPDX-License-Identifier: Apache-2.0
"""What an experiment shows while it runs: a table on a terminal, lines elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
import time
from typing import TextIO, TYPE_CHECKING

from r3l_bringup.experiment.description import PlannedRun
from r3l_bringup.experiment.state import ExperimentFolder, RunState
from r3l_bringup.terminal import Terminal
from r3l_node.core.status import duration, evaluation_text, read_status, Status

if TYPE_CHECKING:
    from typing import Self

    from rich.table import Table

_LINE_PERIOD = 60.0  # [s]
_REFRESH = 2.0  # [s]


class Progress(Terminal):
    """
    Shows the runs of an experiment; call :meth:`tick` often.

    :param out: where to; stdout if None.
    """

    def __init__(
        self, runs: Sequence[PlannedRun], folder: ExperimentFolder, out: TextIO | None = None
    ) -> None:
        super().__init__(out)
        self._runs, self._folder = runs, folder

    def __enter__(self) -> Self:
        """Take the terminal, if there is one."""
        super().__enter__()
        print(f'{len(self._runs)} runs in {self._folder.path}', file=self._out, flush=True)
        return self

    def say(self, text: str) -> None:
        """Tell one event."""
        if self._live is not None:
            self._live.console.print(text, markup=False, highlight=False)
        else:
            print(text, file=self._out, flush=True)

    def tick(self, running: set[str]) -> None:
        """
        Show the newest state, not more often than it is worth.

        :param running: names of the runs that were started and have not ended.
        """
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + (_REFRESH if self._live is not None else _LINE_PERIOD)
        if self._live is not None:
            self._live.update(self._table(running), refresh=True)
            return
        for run in self._runs:
            if run.name in running:
                print(f'{run.name}: {progress_line(self._status(run), run)}', file=self._out)
        done = sum(self._folder.state(run) is RunState.FINISHED for run in self._runs)
        print(f'{done} of {len(self._runs)} runs finished', file=self._out, flush=True)

    def _table(self, running: set[str]) -> Table:
        from rich.table import Table

        table = Table('run', 'state', 'progress', box=None, padding=(0, 2))
        for run in self._runs:
            state = self._folder.state(run)
            shown = 'running' if run.name in running else state.value
            begun = state is not RunState.MISSING
            table.add_row(run.name, shown, progress_line(self._status(run), run) if begun else '')
        return table

    def _status(self, run: PlannedRun) -> Status | None:
        return read_status(self._folder.path / run.name / 'status.json')


def progress_line(status: Status | None, run: PlannedRun) -> str:
    """Return how far a run is and what its policy scores."""
    if status is None:
        return 'starting'
    parts = [f'{status.env_steps} of {run.steps} env steps']
    if not status.finished and status.eta_s is not None:
        parts.append(f'ETA {duration(status.eta_s)}')
    parts.append(evaluation_text(status.evaluation))
    return '  '.join(part for part in parts if part)
