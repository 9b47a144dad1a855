# SPDX-License-Identifier: Apache-2.0
"""Starts the programs of a graph in order, keeps them alive and takes them all down again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
import contextlib
from dataclasses import dataclass, field
import json
import os
from pathlib import Path
import select
import signal
import time

from r3l_bringup.graph import EXIT_BAD_INPUT, RESPAWN_DELAYS, RESPAWN_LIMIT, RESPAWN_WINDOW
from r3l_bringup.process import NodeProcess, Program, State

# SIGINT at once, the others if a program is still there; all is gone within 5 s.
STOP_STAGES = ((0.0, signal.SIGINT), (3.0, signal.SIGTERM), (4.3, signal.SIGKILL))  # [s]
READY_TIMEOUT = 180.0  # [s]
_TICK_STARTING, _TICK = 0.05, 0.5  # [s]
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class RunFailedError(RuntimeError):
    """The run cannot go on; the message says why in a sentence."""


@dataclass(slots=True)
class Member:
    """A program under supervision."""

    process: NodeProcess
    deaths: list[float] = field(default_factory=list)  # monotonic times [s]
    restarts: int = 0
    start_at: float = 0.0  # not before this monotonic time [s]
    was_ready: bool = False
    given_up: bool = False  # dead for good, and not missed


class Runner:
    """A graph of processes; one :meth:`run` per object."""

    def __init__(
        self,
        programs: Sequence[Program],
        folder: Path,
        environment: Mapping[str, str],
        on_tick: Callable[[Mapping[str, Member]], None] = lambda members: None,
        on_event: Callable[[str], None] = lambda line: None,
        respawn_delays: Sequence[float] = RESPAWN_DELAYS,
    ) -> None:
        """
        Prepare; nothing starts.

        :param folder: of the run; logs go to ``logs/<name>.log``, deaths to ``faults.jsonl``.
        :param environment: of every program.
        :param on_tick: called about twice a second.
        :param on_event: called with one line for each thing that the user should know.
        :param respawn_delays: before the first, second ... restart [s].
        """
        logs = folder / 'logs'
        logs.mkdir(parents=True, exist_ok=True)
        self.members = {
            program.name: Member(NodeProcess(program, logs / f'{program.name}.log', environment))
            for program in programs
        }
        self._faults = folder / 'faults.jsonl'
        self._on_tick = on_tick
        self._on_event = on_event
        self._delays = tuple(respawn_delays)
        self._signal: int | None = None
        self._ended = False

    def run(self) -> int:
        """
        Run the graph to its end.

        :return: 0 if the program that ends the run did so with code 0; 128 + signal after Ctrl-C,
            SIGTERM or SIGHUP; 1 if the run failed.
        """
        with _Wakeup(self._on_signal) as wakeup:
            try:
                while not self._ended and self._signal is None:
                    self._supervise(time.monotonic())
                    self._on_tick(self.members)
                    wakeup.wait(self._tick())
            except RunFailedError as error:
                self._on_event(f'run failed: {error}')
                return 1
            except OSError as error:
                self._on_event(f'run failed: {error}')
                return 1
            finally:
                self._stop(wakeup)
        return 0 if self._ended or self._signal is None else 128 + self._signal

    def _on_signal(self, number: int) -> None:
        self._signal = number

    def _tick(self) -> float:
        waiting = (State.WAITING, State.STARTING)
        starting = any(
            m.process.state in waiting and not m.process.program.optional
            for m in self.members.values()
        )
        return _TICK_STARTING if starting else _TICK

    def _supervise(self, now: float) -> None:
        for member in self.members.values():
            process = member.process
            code = process.poll()
            if code is not None:
                self._on_exit(member, code, now)
            elif process.state is State.WAITING and now >= member.start_at:
                if self._may_start(member):
                    process.start(now)
            elif process.state is State.READY:
                member.was_ready = True
            elif _is_late(process, now):
                what = (
                    f'{process.program.name} was not ready after {READY_TIMEOUT:.0f} s '
                    f'(see {process.log})'
                )
                if process.program.vital:
                    raise RunFailedError(what)
                process.signal(signal.SIGKILL)

    def _may_start(self, member: Member) -> bool:
        if member.restarts:
            return True
        others = (self.members[name] for name in member.process.program.after)
        return all(other.process.state is State.READY or _not_missed(other) for other in others)

    def _on_exit(self, member: Member, code: int, now: float) -> None:
        process, program = member.process, member.process.program
        if program.ends_run and code == 0:
            self._ended = True
            return
        what = f'{program.name} {_died(code)}'
        if program.optional:
            why = f': {process.last_words()}' if code == EXIT_BAD_INPUT else ''
            self._on_event(what + why)
            return
        self._record(program.name, code)
        if code == EXIT_BAD_INPUT:
            self._lose(member, f'{what}: {process.last_words()}')
            return
        if not program.respawn:
            self._lose(member, f'{what} (see {process.log})')
            return
        member.deaths = [t for t in member.deaths if now - t < RESPAWN_WINDOW] + [now]
        if len(member.deaths) > RESPAWN_LIMIT:
            self._lose(
                member,
                f'{what} for the {len(member.deaths)}th time within '
                f'{RESPAWN_WINDOW / 60:.0f} minutes: {process.last_words()} (see {process.log})',
            )
            return
        delay = self._delays[min(len(member.deaths), len(self._delays)) - 1]
        member.restarts += 1
        member.start_at = now + delay
        process.state = State.WAITING
        self._on_event(f'{what}; starting it again in {delay:g} s')

    def _lose(self, member: Member, what: str) -> None:
        """Go on without a program for good, if that is possible."""
        if member.process.program.vital:
            raise RunFailedError(what)
        member.given_up = True
        self._on_event(f'{what}; the run goes on without it')

    def _record(self, name: str, code: int) -> None:
        line = {'time': time.time(), 'node': name, 'exit_code': code}
        # Full disks end programs that a run can do without: noting it must not end the run.
        with contextlib.suppress(OSError), self._faults.open('a', encoding='utf-8') as file:
            file.write(json.dumps(line) + '\n')

    def _stop(self, wakeup: _Wakeup) -> None:
        begun = time.monotonic()
        stages = list(STOP_STAGES)
        while True:
            for member in self.members.values():
                member.process.poll()
            alive = [m.process for m in self.members.values() if m.process.pid is not None]
            if not alive:
                return
            passed = time.monotonic() - begun
            while stages and passed >= stages[0][0]:
                number = stages.pop(0)[1]
                for process in alive:
                    process.signal(number)
            wakeup.wait(_TICK_STARTING)


def _is_late(process: NodeProcess, now: float) -> bool:
    if process.program.optional or process.state is not State.STARTING:
        return False
    return now - process.started_at > READY_TIMEOUT


def _not_missed(member: Member) -> bool:
    """Tell whether nobody waits for a program, because it died and is not vital."""
    return not member.process.program.vital and bool(member.given_up or member.deaths)


def _died(code: int) -> str:
    if code < 0:
        return f'was killed by {signal.Signals(-code).name}'
    return f'ended with code {code}'


class _Wakeup:
    """Waits that a signal or the end of a child ends early."""

    def __init__(self, on_signal: Callable[[int], None]) -> None:
        self._on_signal = on_signal
        self._old: dict[int, object] = {}

    def __enter__(self) -> _Wakeup:
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._old_fd = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        self._old[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in _SIGNALS:
            # nohup: a closed terminal is to be ignored.
            if number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
                continue
            self._old[number] = signal.signal(number, lambda n, _: self._on_signal(n))
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(self._old_fd)
        for number, handler in self._old.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        os.close(self._reader)
        os.close(self._writer)

    def wait(self, seconds: float) -> None:
        """Wait that long, or until a signal comes."""
        if select.select([self._reader], [], [], seconds)[0]:
            while True:
                try:
                    if not os.read(self._reader, 512):
                        return
                except BlockingIOError:
                    return
