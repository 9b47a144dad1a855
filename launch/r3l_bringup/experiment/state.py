# SPDX-License-Identifier: Apache-2.0
"""The folder of an experiment: its plan, its lock, and how far each run is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import Enum
import fcntl
import json
import os
from pathlib import Path
import shutil
from typing import Any

from r3l_bringup.experiment.description import Experiment, PlannedRun, settings
from r3l_node.core.errors import ConfigError
from r3l_node.core.files import lock_folder, write_atomic
from r3l_node.core.records import JsonLines, read_lines
from r3l_node.core.status import read_status

PLAN = 'plan.json'
FAILURES = 'failures.jsonl'


class RunState(Enum):
    """How far a run is, by its files alone."""

    MISSING = 'not begun'
    STOPPED = 'not finished'
    FINISHED = 'finished'
    FAILED = 'failed'


class ExperimentFolder:
    """
    What is on disk of an experiment.

    :param path: folder of the experiment; made if it is absent.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.path.mkdir(parents=True, exist_ok=True)
        self._failed = {line.get('run') for line in self.failures()}

    def lock(self) -> int:
        """
        Take the folder for this process; it is free again when the process ends.

        :return: a file descriptor that holds the lock.
        :raises ConfigError: if another process has it.
        """
        return lock_folder(self.path, 'an experiment that no other process runs')

    def take(self, experiment: Experiment) -> None:
        """
        Write the plan, or see that it is still the one of these runs.

        A plan may get more runs and longer ones; runs that it no longer names keep their folders.

        :raises ConfigError: naming a run that was begun with other settings.
        """
        found = self._plan()
        for run in experiment.runs:
            before = found.get(run.name)
            if before is not None:
                _refuse_changes(run, before)
        plan = found | {run.name: settings(run) for run in experiment.runs}
        write_atomic(self.path / PLAN, json.dumps(plan, indent=1) + '\n')
        for part in self.path.glob('.*.part'):  # of a run that was killed as it began
            shutil.rmtree(part, ignore_errors=True)

    def state(self, run: PlannedRun) -> RunState:
        """Return how far a run is."""
        if run.name in self._failed:
            return RunState.FAILED
        status = read_status(self.path / run.name / 'status.json')
        if status is None:
            begun = (self.path / run.name / 'config.yaml').exists()
            return RunState.STOPPED if begun else RunState.MISSING
        # A finished run whose plan has become longer goes on.
        done = status.finished and status.env_steps >= run.steps
        return RunState.FINISHED if done else RunState.STOPPED

    def is_taken(self, run: PlannedRun) -> bool:
        """Say whether another process trains a run: one that lived a moment longer, or a user."""
        try:
            descriptor = os.open(self.path / run.name / 'lock', os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(descriptor)
        return False

    def failures(self) -> list[dict[str, Any]]:
        """Return what was written down about failed runs."""
        return read_lines(self.path / FAILURES)

    def record_failure(self, run: PlannedRun, code: int, words: str) -> None:
        """
        Write down that a run failed; it is not begun again.

        :param code: exit code, negative for a signal.
        :param words: the last line that it wrote.
        """
        lines = JsonLines(self.path / FAILURES)
        lines.write({'run': run.name, 'exit_code': code, 'words': words})
        lines.close()
        self._failed.add(run.name)

    def forget_failures(self) -> None:
        """Let failed runs be tried again."""
        (self.path / FAILURES).unlink(missing_ok=True)
        self._failed.clear()

    def _plan(self) -> dict[str, dict[str, Any]]:
        plan = _read_plan(self.path)
        if plan is None and any(entry.name != 'lock' for entry in self.path.iterdir()):
            raise ConfigError(
                f'{self.path} is no experiment: expected a new, empty or earlier folder'
            )
        return plan or {}


def is_planned(path: Path, experiment: Experiment) -> bool:
    """
    Say whether every run of an experiment is in the plan of its folder: checked before.

    :param path: the folder, which need not exist.
    """
    plan = _read_plan(path) or {}
    return all(plan.get(run.name) == settings(run) for run in experiment.runs)


def _read_plan(folder: Path) -> dict[str, dict[str, Any]] | None:
    path = folder / PLAN
    if not path.exists():
        return None
    try:
        plan = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError) as error:
        raise ConfigError(f'{path} cannot be read: {error}') from error
    if not isinstance(plan, dict):
        raise ConfigError(f'{path} holds {plan!r}: expected runs by name')
    # Plans of before there was prior experience do not name it.
    return {name: {'prior': [], **entry} for name, entry in plan.items()}


def _refuse_changes(run: PlannedRun, before: Mapping[str, Any]) -> None:
    if run.steps >= int(before.get('steps', 0)):
        run = replace(run, steps=int(before.get('steps', run.steps)))
    for key, value in settings(run).items():
        if before.get(key) != value:
            raise ConfigError(
                f'{run.name} was planned with {key} {before.get(key)!r}, not {value!r}: expected '
                'the same settings, a label or another --out'
            )
