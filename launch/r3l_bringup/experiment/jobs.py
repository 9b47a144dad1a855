# SPDX-License-Identifier: Apache-2.0
"""What an executor runs: a training as a command of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
import os
from pathlib import Path
import sys
from typing import Protocol

from r3l_bringup.experiment.description import PlannedRun

# A run has one core: threads of one that wait for those of another cost more than they give.
ONE_THREAD = dict.fromkeys(('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'MKL_NUM_THREADS'), '1')


@dataclass(frozen=True, slots=True)
class Job:
    """
    A command and where its output goes.

    :param environment: variables on top of those of the process that starts it.
    """

    name: str
    command: tuple[str, ...]
    log: Path
    environment: Mapping[str, str]


class Executor(Protocol):
    """Runs jobs somewhere."""

    def free(self) -> int:
        """Return how many more jobs may be started now."""
        ...

    def start(self, job: Job) -> None:
        """Start a job."""
        ...

    def ended(self) -> dict[str, int]:
        """Return the exit codes of the jobs that ended since the last call, by name."""
        ...

    def stop(self) -> None:
        """Ask what still runs to end as by Ctrl-C, and wait for it."""
        ...


def job(run: PlannedRun, out: Path) -> Job:
    """
    Return the training of a planned run; begun, continued or ended already.

    :param out: folder of the experiment.
    """
    request = run.request
    command = [sys.executable, '-m', 'r3l_bringup', 'train', '--run', str(out / run.name)]
    command += ['--task', request.task, '--profile', request.profile]
    command += ['--ablation', request.ablation] if request.ablation != 'none' else []
    command += ['--steps', str(request.steps), '--seed', str(request.seed)]
    command += [word for text in request.sets for word in ('--set', text)]
    command += [word for path in request.prior for word in ('--prior', path)]
    command += ['--no-ros'] if run.engine == 'loop' else []
    return Job(run.name, tuple(command), out / 'logs' / f'{run.name}.log', ONE_THREAD)


def environment(job: Job) -> dict[str, str]:
    """Return the whole environment of a job on this machine."""
    own = {**os.environ, **job.environment}
    # Graphs that run side by side need a domain each, and find one.
    own.pop('ROS_DOMAIN_ID', None)
    return own
