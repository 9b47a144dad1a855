# SPDX-License-Identifier: Apache-2.0
"""One node as a process: a session of its own, a log file, and a readiness line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import contextlib
import ctypes
from dataclasses import dataclass
from enum import Enum
import os
from pathlib import Path
import re
import signal
import subprocess

from r3l_bringup.graph import READY

_READY_LINE = re.compile(rb'(?:^|: )' + READY.encode() + rb'\s*$', re.MULTILINE)
_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1
_PAGE = os.sysconf('SC_PAGE_SIZE')
_TICKS = os.sysconf('SC_CLK_TCK')


@dataclass(frozen=True, slots=True)
class Program:
    """What the runner starts: a command and when."""

    name: str
    command: Sequence[str]
    after: tuple[str, ...] = ()  # names of the programs whose ready line it waits for
    respawn: bool = True
    ends_run: bool = False
    optional: bool = False  # its end changes nothing
    vital: bool = True  # False: the run goes on without it if it dies too often
    nice: int = 0


class State(Enum):
    """Life of a program."""

    WAITING = 'waiting'  # for others to be ready, or for the end of a back-off
    STARTING = 'starting'
    READY = 'ready'
    ENDED = 'ended'


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process has used."""

    cpu_seconds: float
    resident_bytes: int


class NodeProcess:
    """A program's running process, or none."""

    def __init__(self, program: Program, log: Path, environment: Mapping[str, str]) -> None:
        """
        Prepare; nothing starts.

        :param log: file that stdout and stderr are appended to.
        :param environment: whole environment of the process.
        """
        self.program = program
        self.log = log
        self.state = State.WAITING
        self.started_at = 0.0
        self._environment = dict(environment)
        self._process: subprocess.Popen[bytes] | None = None
        self._offset = 0
        self._tail = b''

    @property
    def pid(self) -> int | None:
        """Process id, None if there is no process."""
        return None if self._process is None else self._process.pid

    def start(self, now: float) -> None:
        """
        Start the process.

        :param now: monotonic time [s].
        :raises OSError: if the executable or the log file cannot be opened.
        """
        parent = os.getpid()

        def in_child() -> None:
            # No node outlives the runner, even one that was killed with -9.
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(1)
            # What was started in the background, or by Ray, ignores SIGINT and would pass that on.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
            os.nice(self.program.nice)

        with self.log.open('ab') as log:
            self._offset = log.tell()
            self._tail = b''
            # A fork without threads around it: the runner has only one.
            self._process = subprocess.Popen(
                list(self.program.command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
                start_new_session=True,
                preexec_fn=in_child,
            )
        self.state = State.STARTING
        self.started_at = now

    def poll(self) -> int | None:
        """
        Look at the process.

        :return: its exit code if it has just ended (negative: the signal), else None.
        """
        if self._process is None:
            return None
        if self.state is State.STARTING:
            self._look_for_ready()
        ended = os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is None:
            return None
        # The id of the group stays ours until the leader is reaped.
        self.signal(signal.SIGKILL)
        code = self._process.wait()
        self._process = None
        self.state = State.ENDED
        return code

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process and everything that it started."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)

    def usage(self) -> Usage | None:
        """Return what the process has used; None if there is none."""
        if self._process is None:
            return None
        try:
            stat = Path(f'/proc/{self._process.pid}/stat').read_text(encoding='utf-8')
        except OSError:
            return None
        # Fields after the command in brackets; man 5 proc: 14 utime, 15 stime, 24 rss.
        fields = stat.rpartition(')')[2].split()
        ticks = int(fields[11]) + int(fields[12])
        return Usage(ticks / _TICKS, int(fields[21]) * _PAGE)

    def last_words(self, lines: int = 1) -> str:
        """Return the last lines of the log that are not empty."""
        try:
            with self.log.open('rb') as log:
                log.seek(max(0, self.log.stat().st_size - 4096))
                text = log.read().decode('utf-8', 'replace')
        except OSError:
            return ''
        return '\n'.join([line for line in text.splitlines() if line.strip()][-lines:])

    def _look_for_ready(self) -> None:
        with self.log.open('rb') as log:
            log.seek(self._offset)
            new = log.read()
        self._offset += len(new)
        text = self._tail + new
        complete, _, self._tail = text.rpartition(b'\n')
        if _READY_LINE.search(complete):
            self.state = State.READY
