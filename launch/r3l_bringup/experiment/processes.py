# SPDX-License-Identifier: Apache-2.0
"""Runs jobs as processes of this machine."""

from __future__ import annotations

import os
import signal
import time

from r3l_bringup.experiment.jobs import environment, Job
from r3l_bringup.process import NodeProcess, Program

# A run that is asked to stop ends its episode and keeps what it has.
STOP_STAGES = ((0.0, signal.SIGINT), (30.0, signal.SIGTERM), (35.0, signal.SIGKILL))  # [s]
_TICK = 0.05  # [s]


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0))


class Processes:
    """
    An executor on this machine; its jobs end with this process, however that ends.

    :param jobs: how many run at a time.
    """

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs
        self._running: dict[str, NodeProcess] = {}

    def free(self) -> int:
        """Return how many more jobs may be started now."""
        return self._jobs - len(self._running)

    def start(self, job: Job) -> None:
        """Start a job."""
        process = started(job)
        self._running[job.name] = process

    def ended(self) -> dict[str, int]:
        """Return the exit codes of the jobs that ended since the last call, by name."""
        codes = {name: process.poll() for name, process in self._running.items()}
        done = {name: code for name, code in codes.items() if code is not None}
        for name in done:
            del self._running[name]
        return done

    def stop(self) -> None:
        """Ask what still runs to end as by Ctrl-C, and wait for it."""
        stages, begun = list(STOP_STAGES), time.monotonic()
        while self._running:
            while stages and time.monotonic() - begun >= stages[0][0]:
                number = stages.pop(0)[1]
                for process in self._running.values():
                    process.signal(number)
            time.sleep(_TICK)
            self.ended()


def started(job: Job) -> NodeProcess:
    """Start a job on this machine."""
    job.log.parent.mkdir(parents=True, exist_ok=True)
    program = Program(job.name, job.command)
    process = NodeProcess(program, job.log, environment(job))
    process.start(time.monotonic())
    return process
