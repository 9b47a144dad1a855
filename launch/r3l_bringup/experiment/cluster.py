# SPDX-License-Identifier: Apache-2.0
"""Runs jobs on a Ray cluster; the only module that needs Ray (requirements/ray.txt)."""

from __future__ import annotations

from importlib import import_module
import os
import signal
import time
from typing import Any

from r3l_bringup.experiment.jobs import Job
from r3l_bringup.experiment.processes import started, STOP_STAGES
from r3l_node.core.errors import ConfigError

# What ./r3l sets for this workspace; the other machines see it at the same path.
FORWARDED = (
    'PATH', 'PYTHONPATH', 'PYTHONNOUSERSITE', 'AMENT_PREFIX_PATH', 'LD_LIBRARY_PATH',
    'R3L_WORKSPACE', 'ROS_AUTOMATIC_DISCOVERY_RANGE', 'RMW_IMPLEMENTATION',
    'FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE', 'MUJOCO_GL',
    'LP_NUM_THREADS',
)  # fmt: skip
# A job whose machine was lost goes on elsewhere: its folder is shared.
LOST_MACHINES = 5
_TICK = 0.2  # [s]


class Cluster:
    """
    An executor on a Ray cluster, or on a local Ray where none runs.

    ``RAY_ADDRESS`` names the cluster. Every machine of it sees the workspace, its environment and
    the folder of the experiment at the same paths. A job takes one core.

    :param jobs: how many are handed to Ray at a time; None: all, and Ray says when each begins.
    :raises ConfigError: if Ray is not installed or the cluster does not answer.
    """

    def __init__(self, jobs: int | None = None) -> None:
        try:
            self._ray: Any = import_module('ray')
        except ImportError:
            raise ConfigError(
                "executor is 'ray', which is not installed: expected Ray from "
                'requirements/ray.txt (pip install -r requirements/ray.txt)'
            ) from None
        forwarded = {name: os.environ[name] for name in FORWARDED if name in os.environ}
        try:
            self._ray.init(
                runtime_env={'env_vars': forwarded}, log_to_driver=False, include_dashboard=False
            )
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise ConfigError(f'the Ray cluster does not answer: {error}') from error
        self._remote = self._ray.remote(num_cpus=1, max_retries=LOST_MACHINES)(run_here)
        self._jobs = jobs
        self._running: dict[Any, str] = {}

    def free(self) -> int:
        """Return how many more jobs may be started now."""
        return 1_000_000 if self._jobs is None else self._jobs - len(self._running)

    def start(self, job: Job) -> None:
        """Hand a job to Ray."""
        self._running[self._remote.remote(job)] = job.name

    def ended(self) -> dict[str, int]:
        """Return the exit codes of the jobs that ended since the last call, by name."""
        if not self._running:
            return {}
        waiting = list(self._running)
        ready, _ = self._ray.wait(waiting, num_returns=len(waiting), timeout=0)
        return {self._running.pop(reference): self._code(reference) for reference in ready}

    def stop(self) -> None:
        """Ask what still runs to end as by Ctrl-C, and wait for it."""
        for reference in self._running:
            self._ray.cancel(reference)
        waiting = list(self._running)
        if waiting:
            self._ray.wait(waiting, num_returns=len(waiting), timeout=STOP_STAGES[-1][0])
        self._ray.shutdown()

    def _code(self, reference: Any) -> int:
        try:
            return int(self._ray.get(reference))
        except self._ray.exceptions.RayError as error:
            # Such as more lost machines than it is tried again for.
            print(f'Ray: {error}', flush=True)
            return -9


def run_here(job: Job) -> int:
    """
    Run a job on the machine that Ray chose.

    :return: its exit code, negative for a signal.
    """
    process = started(job)
    while True:
        try:
            # A system call that waits would keep Ray from cancelling.
            while (code := process.poll()) is None:
                time.sleep(_TICK)
            return code
        except KeyboardInterrupt:  # how Ray cancels
            process.signal(signal.SIGINT)
