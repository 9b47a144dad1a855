# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the tests of r3l_bringup."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
import os
from pathlib import Path
import signal
import subprocess
import sys
import textwrap
import time

import pytest
from r3l_bringup.process import Program
from r3l_node.core.domain import reserve_domain
from r3l_node.core.status import read_status
import rclpy
from rclpy.context import Context
from rclpy.executors import Executor, SingleThreadedExecutor
from rclpy.node import Node

ProgramMaker = Callable[..., Program]
TrainingStarter = Callable[..., 'AbstractContextManager[Training]']


@pytest.fixture
def program(tmp_path: Path) -> ProgramMaker:
    """Return a function that makes a program from the text of a Python script."""

    def make(name: str, script: str, **options: object) -> Program:
        path = tmp_path / f'{name}.py'
        path.write_text(textwrap.dedent(script), encoding='utf-8')
        # Isolated: the environment of the tests adds a second to the start of every Python.
        return Program(name, [sys.executable, '-I', '-S', str(path)], **options)  # type: ignore[arg-type]

    return make


@dataclass
class Training:
    """A training in a process of its own, and a node that looks at its graph."""

    run: Path
    process: subprocess.Popen[bytes]
    observer: Node
    executor: Executor

    def env_steps(self) -> int:
        """Env steps that the monitor has seen."""
        status = read_status(self.run / 'status.json')
        return 0 if status is None else status.env_steps

    def pid(self, name: str) -> int | None:
        """Process id of a node, None if it does not run."""
        for entry in Path('/proc').glob('[0-9]*/cmdline'):
            try:
                words = entry.read_bytes().split(b'\0')
            except OSError:
                continue
            mine = {f'__node:={name}'.encode(), str(self.run / 'config.yaml').encode()}
            if mine <= set(words):
                return int(entry.parent.name)
        return None

    def wait(self, condition: Callable[[], object], timeout: float, what: str) -> None:
        """Wait for something to become true while the training goes on."""
        deadline = time.monotonic() + timeout
        while not condition():
            assert self.process.poll() is None, f'the training ended before {what}'
            assert time.monotonic() < deadline, f'{what}: not after {timeout} s'
            # Half a second in which the nodes have the machine for themselves.
            self.executor.spin_once(timeout_sec=0.5)


@contextmanager
def _train(run: Path, steps: int, settings: Sequence[str], *options: str) -> Iterator[Training]:
    command = [sys.executable, '-m', 'r3l_bringup', 'train', '--run', str(run)]
    command += ['--steps', str(steps), '--seed', '1', *options]
    for setting in settings:
        command += ['--set', setting]
    with reserve_domain() as domain:
        environment = {**os.environ, 'ROS_DOMAIN_ID': str(domain)}
        process = subprocess.Popen(command, env=environment)
        context = Context()
        rclpy.init(context=context, domain_id=domain)
        observer = rclpy.create_node('observer', context=context)
        try:
            executor = SingleThreadedExecutor(context=context)
            executor.add_node(observer)
            yield Training(run, process, observer, executor)
        finally:
            observer.destroy_node()
            rclpy.try_shutdown(context=context)
            process.send_signal(signal.SIGINT)
            process.wait(timeout=10)


@pytest.fixture(scope='session')
def start_training() -> TrainingStarter:
    """Return a context manager of a training: run folder, steps, settings, other options."""
    return _train
