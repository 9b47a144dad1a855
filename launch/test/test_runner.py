# SPDX-License-Identifier: Apache-2.0
"""The process runner with small programs in place of nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
import json
import os
from pathlib import Path
import signal
import subprocess
import sys
import textwrap
import time

import pytest
from r3l_bringup.graph import RESPAWN_LIMIT
from r3l_bringup.process import Program, State
from r3l_bringup.runner import Member, Runner

ProgramMaker = Callable[..., Program]

QUICK = (0.05, 0.1)  # [s]
NODE = """
    import signal
    print('[INFO] [1.0] [x]: ready', flush=True)
    signal.pause()
"""
STUBBORN = """
    import signal
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print('ready', flush=True)
    while True:
        signal.pause()
"""
END = "print('ready', flush=True)"


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        stat = Path(f'/proc/{pid}/stat').read_text(encoding='utf-8')
    except OSError:
        return False
    return stat.rpartition(')')[2].split()[0] != 'Z'


def wait_until(condition: Callable[[], bool], timeout: float = 20.0) -> None:
    """Wait for a condition on another process."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, 'timed out'
        os.sched_yield()


def run(
    programs: list[Program],
    folder: Path,
    on_tick: Callable[[Mapping[str, Member]], None] = lambda members: None,
) -> tuple[int, list[str], Runner]:
    """Run programs to the end; return the exit code and what was said."""
    said: list[str] = []
    runner = Runner(programs, folder, dict(os.environ), on_tick, said.append, QUICK)
    return runner.run(), said, runner


def test_the_end_of_the_ending_program_ends_the_run(tmp_path: Path, program: ProgramMaker) -> None:
    """Code 0, and nothing is left."""
    pids: set[int] = set()

    def note(members: Mapping[str, Member]) -> None:
        pids.update(m.process.pid for m in members.values() if m.process.pid is not None)

    programs = [
        program('node', NODE),
        program('monitor', END, after=('node',), ends_run=True),
    ]
    code, said, _ = run(programs, tmp_path, note)
    assert (code, said) == (0, [])
    assert pids
    assert not any(alive(pid) for pid in pids)
    assert 'ready' in (tmp_path / 'logs' / 'node.log').read_text(encoding='utf-8')


def test_a_program_starts_after_the_ready_lines_it_waits_for(
    tmp_path: Path, program: ProgramMaker
) -> None:
    """Not after a fixed time."""
    first = tmp_path / 'first'
    programs = [
        program(
            'late', f"""
            import os, pathlib
            print('not ready', flush=True)
            pathlib.Path({str(first)!r}).touch()
            print('[INFO] [1.0] [late]: ready', flush=True)
            import signal; signal.pause()
        """
        ),
        program(
            'monitor', f"""
            import pathlib, sys
            sys.exit(0 if pathlib.Path({str(first)!r}).exists() else 1)
        """, after=('late',), ends_run=True
        ),
    ]  # fmt: skip
    code, said, _ = run(programs, tmp_path)
    assert (code, said) == (0, [])


def test_a_killed_program_starts_again_and_the_fault_is_recorded(
    tmp_path: Path, program: ProgramMaker
) -> None:
    """kill -9 of a node: back within the back-off."""
    killed: list[int] = []

    def on_tick(members: Mapping[str, Member]) -> None:
        process = members['node'].process
        if process.state is State.READY and process.pid is not None:
            if not killed:
                killed.append(process.pid)
                os.kill(process.pid, signal.SIGKILL)
            elif process.pid != killed[0]:
                os.kill(os.getpid(), signal.SIGINT)

    code, said, runner = run([program('node', NODE)], tmp_path, on_tick)
    assert code == 128 + signal.SIGINT
    assert said == ['node was killed by SIGKILL; starting it again in 0.05 s']
    assert runner.members['node'].restarts == 1
    fault = json.loads((tmp_path / 'faults.jsonl').read_text(encoding='utf-8'))
    assert (fault['node'], fault['exit_code']) == ('node', -9)


def test_a_program_that_keeps_dying_fails_the_run(tmp_path: Path, program: ProgramMaker) -> None:
    """After the limit; the message holds the last line of its log."""
    programs = [program('node', NODE), program('bad', "raise SystemExit('the bad value 3')")]
    code, said, runner = run(programs, tmp_path)
    assert code == 1
    assert runner.members['bad'].restarts == 5
    assert said[-1].startswith('run failed: bad ended with code 1 for the 6th time within 10')
    assert 'the bad value 3' in said[-1]
    assert runner.members['node'].process.pid is None


def test_a_node_that_refuses_its_parameters_fails_the_run_at_once(
    tmp_path: Path, program: ProgramMaker
) -> None:
    """Exit code 2 is not worth another try."""
    script = "import sys; print('sim.task is \\'x\\''); sys.exit(2)"
    code, said, _ = run([program('sim', script)], tmp_path)
    assert (code, said) == (1, ["run failed: sim ended with code 2: sim.task is 'x'"])


def test_the_end_of_an_optional_program_changes_nothing(
    tmp_path: Path, program: ProgramMaker
) -> None:
    """A window that is closed."""
    ended = "import sys; print('ready', flush=True); sys.exit(1)"
    viewer = program('viewer', ended, respawn=False, optional=True)
    wait = f"""
        import os, pathlib, signal
        print('ready', flush=True)
        log = pathlib.Path({str(tmp_path / 'logs' / 'viewer.log')!r})
        while not log.exists() or 'ready' not in log.read_text():
            os.sched_yield()
    """
    monitor = program('monitor', wait, ends_run=True)
    code, _, runner = run([viewer, monitor], tmp_path)
    assert code == 0
    assert runner.members['viewer'].restarts == 0


def test_a_missing_executable_fails_the_run(tmp_path: Path) -> None:
    """With a sentence."""
    code, said, _ = run([Program('node', ['/nowhere/node'])], tmp_path)
    assert code == 1
    assert '/nowhere/node' in said[0]


RUNNER = """
    import os, pathlib, signal, sys
    from r3l_bringup.process import Program
    from r3l_bringup.runner import Runner
    # The tests themselves may run under nohup, which the runner would honour.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    folder = pathlib.Path(sys.argv[1])
    def note(members):
        pids = [str(m.process.pid) for m in members.values()]
        if all(m.process.state.value == 'ready' for m in members.values()):
            (folder / 'pids').write_text(' '.join(pids))
    programs = [Program(p.stem, [sys.executable, '-I', '-S', str(p)])
                for p in folder.glob('node*.py')]
    sys.exit(Runner(programs, folder, dict(os.environ), note).run())
"""


@pytest.fixture
def runner_process(
    tmp_path: Path, program: ProgramMaker
) -> Iterator[tuple[subprocess.Popen[bytes], list[int]]]:
    """A runner as a process of its own with two nodes, one of which ignores every request."""
    program('node_a', NODE)
    program('node_b', STUBBORN)
    script = tmp_path / 'runner.py'
    script.write_text(textwrap.dedent(RUNNER), encoding='utf-8')
    process = subprocess.Popen([sys.executable, str(script), str(tmp_path)])
    pids = tmp_path / 'pids'
    wait_until(lambda: pids.exists() and len(pids.read_text(encoding='utf-8').split()) == 2)
    yield process, [int(pid) for pid in pids.read_text(encoding='utf-8').split()]
    process.kill()
    process.wait()


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_everything_within_five_seconds(
    runner_process: tuple[subprocess.Popen[bytes], list[int]], number: signal.Signals
) -> None:
    """Even programs that ignore SIGINT and SIGTERM."""
    process, pids = runner_process
    begun = time.monotonic()
    process.send_signal(number)
    assert process.wait(timeout=10) == 128 + number
    assert time.monotonic() - begun < 5.0
    assert not any(alive(pid) for pid in pids)


def test_nothing_is_left_when_the_runner_itself_is_killed(
    runner_process: tuple[subprocess.Popen[bytes], list[int]],
) -> None:
    """kill -9 of the runner."""
    process, pids = runner_process
    process.kill()
    process.wait(timeout=10)
    wait_until(lambda: not any(alive(pid) for pid in pids), timeout=5.0)


def test_a_program_that_is_not_vital_is_given_up_and_not_waited_for(
    program: ProgramMaker, tmp_path: Path
) -> None:
    broken = program('recorder', "raise SystemExit('no room')", vital=False)
    end = program('end', END, after=('recorder',), ends_run=False, respawn=False, optional=True)

    def stop(members: Mapping[str, Member]) -> None:
        if members['recorder'].given_up and members['end'].process.state is State.ENDED:
            os.kill(os.getpid(), signal.SIGTERM)

    code, said, runner = run([broken, end], tmp_path, stop)
    assert code == 128 + signal.SIGTERM
    assert runner.members['recorder'].restarts == RESPAWN_LIMIT
    gone = [line for line in said if line.endswith('; the run goes on without it')]
    assert len(gone) == 1
    assert 'no room' in gone[0]


def test_bad_input_of_a_program_that_is_not_vital_does_not_end_the_run(
    program: ProgramMaker, tmp_path: Path
) -> None:
    broken = program('recorder', 'raise SystemExit(2)', vital=False)
    end = program('end', END, after=('recorder',), ends_run=True)
    code, said, runner = run([broken, end], tmp_path)
    assert code == 0
    assert runner.members['recorder'].restarts == 0
    assert 'the run goes on without it' in said[0]
