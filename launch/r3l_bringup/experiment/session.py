# SPDX-License-Identifier: Apache-2.0
"""Runs what is missing of an experiment, and shows the results as they come."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import os
from pathlib import Path
import signal
import sys
import threading
import time

from r3l_bringup.experiment.description import check, Experiment, find, PlannedRun, read
from r3l_bringup.experiment.jobs import Executor, job
from r3l_bringup.experiment.progress import Progress
from r3l_bringup.experiment.state import ExperimentFolder, is_planned, RunState
from r3l_node.core.errors import ConfigError

EXECUTORS = ('processes', 'ray')
# A run that something else killed (memory, a user) goes on this often before it counts as failed.
KILLED_LIMIT = 3
_TICK = 0.5  # [s]
# Least time between two writes of table and plots while runs go on: they take a second or two.
_SHOW_PERIOD = 60.0  # [s]


def experiment(
    file: str, out: Path | None, jobs: int | None, executor: str, *, retry: bool, table: bool
) -> int:
    """
    Run an experiment to its end, or go on with it.

    :param file: path of its file, or the name of one that comes with the package.
    :param out: its folder; None: below ``experiments`` in the current folder.
    :param jobs: runs at a time; None: one for each core, or as many as Ray has room for.
    :param retry: try failed runs again.
    :param table: only write table and plots of what there is.
    :return: exit code: 0 if every run finished, 1 if one failed, 128 + signal.
    :raises ConfigError: before anything starts.
    """
    if executor not in EXECUTORS:
        raise ConfigError(f"executor is '{executor}': expected one of {', '.join(EXECUTORS)}")
    described = read(find(file))
    path = out or Path('experiments') / described.name
    if not is_planned(path, described):
        check(described)
    folder = ExperimentFolder(path)
    held = folder.lock()
    try:
        folder.take(described)
        if retry:
            folder.forget_failures()
        code = 0 if table else _run(described, folder, jobs, executor)
        _show(described, folder)
    finally:
        os.close(held)
    if code:
        return code
    return int(any(folder.state(run) is RunState.FAILED for run in described.runs))


def _run(described: Experiment, folder: ExperimentFolder, jobs: int | None, executor: str) -> int:
    runs = described.runs
    if all(folder.state(run) in (RunState.FINISHED, RunState.FAILED) for run in runs):
        return 0
    with _signals() as stopped, Progress(runs, folder) as progress:
        session = Session(described, folder, _executor(executor, jobs), progress)
        try:
            while not stopped and session.step():
                stopped.wait(_TICK)
        finally:
            session.stop()
    if stopped.number:
        print(f'stopped by {signal.Signals(stopped.number).name}; the same command goes on with '
              f'{folder.path}', file=sys.stderr)  # fmt: skip
        return 128 + stopped.number
    return 0


class Session:
    """
    Start runs while there is room, and take note of how they end.

    :param executor: runs the jobs.
    :param progress: is told what happens.
    """

    def __init__(
        self, described: Experiment, folder: ExperimentFolder, executor: Executor,
        progress: Progress,
    ) -> None:  # fmt: skip
        self._described, self._folder = described, folder
        self._executor, self._progress = executor, progress
        self._running: dict[str, PlannedRun] = {}
        self._killed: dict[str, int] = {}
        self._shown_at = time.monotonic()

    def step(self) -> bool:
        """
        Look after the runs once.

        :return: whether there is anything left to do.
        """
        ended = self._executor.ended()
        for name, code in ended.items():
            self._end(self._running.pop(name), code)
        waiting = self._waiting()
        for run in waiting:
            if self._executor.free() <= 0:
                break
            if not self._folder.is_taken(run):
                self._start(run)
        if ended and time.monotonic() - self._shown_at >= _SHOW_PERIOD:
            _show(self._described, self._folder)
            self._shown_at = time.monotonic()
        self._progress.tick(set(self._running))
        return bool(self._running) or bool(waiting)

    def stop(self) -> None:
        """Stop what runs; it goes on when the experiment does."""
        self._executor.stop()

    def _waiting(self) -> list[PlannedRun]:
        """Return the runs to start, those first that were begun already."""
        states = {
            run: self._folder.state(run)
            for run in self._described.runs
            if run.name not in self._running
        }
        begun = [run for run, state in states.items() if state is RunState.STOPPED]
        return begun + [run for run, state in states.items() if state is RunState.MISSING]

    def _start(self, run: PlannedRun) -> None:
        going_on = self._folder.state(run) is RunState.STOPPED
        self._executor.start(job(run, self._folder.path))
        self._running[run.name] = run
        self._progress.say(f'{"continued" if going_on else "started"} {run.name}')

    def _end(self, run: PlannedRun, code: int) -> None:
        state = self._folder.state(run)
        if state is RunState.FINISHED:
            self._progress.say(f'finished {run.name}')
            return
        was_killed = code < 0 or code > 128
        self._killed[run.name] = self._killed.get(run.name, 0) + was_killed
        if was_killed and self._killed[run.name] <= KILLED_LIMIT:
            self._progress.say(f'{run.name} was stopped (code {code}); it goes on')
            return
        words = last_words(job(run, self._folder.path).log)
        self._folder.record_failure(run, code, words)
        self._progress.say(f'failed {run.name} with code {code}: {words}')


def last_words(log: Path) -> str:
    """Return the last line of a log that is not empty."""
    try:
        with log.open('rb') as file:
            file.seek(max(0, log.stat().st_size - 4096))
            lines = file.read().decode('utf-8', 'replace').splitlines()
    except OSError:
        return ''
    return next((line.strip() for line in reversed(lines) if line.strip()), '')


def _executor(name: str, jobs: int | None) -> Executor:
    if name == 'ray':
        from r3l_bringup.experiment.cluster import Cluster

        return Cluster(jobs)
    from r3l_bringup.experiment.processes import cores, Processes

    return Processes(jobs or cores())


def _show(described: Experiment, folder: ExperimentFolder) -> None:
    # Imported here: plots need matplotlib.
    from r3l_bringup.experiment.table import write_results

    write_results(described, folder)


class _Stopped(threading.Event):
    """Set by a signal, whose number it keeps."""

    number = 0

    def __bool__(self) -> bool:
        return self.is_set()


@contextmanager
def _signals() -> Iterator[_Stopped]:
    """Turn Ctrl-C and its like into an event while the runs go on."""
    stopped = _Stopped()

    def on_signal(number: int, frame: object) -> None:
        stopped.number = number
        stopped.set()

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, on_signal) for number in numbers}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
