# SPDX-License-Identifier: Apache-2.0
"""Running an experiment: with trainings that last a moment, and may fail or be killed."""

from __future__ import annotations

from collections.abc import Callable
import json
import os
from pathlib import Path
import signal
import subprocess
import sys
import threading

import pytest
from r3l_bringup.experiment import session
from r3l_bringup.experiment.description import PlannedRun
from r3l_bringup.experiment.jobs import Job
from r3l_bringup.experiment.processes import started
from r3l_bringup.experiment.session import experiment
from r3l_node.core.errors import ConfigError
from r3l_node.core.records import read_lines

# A training that keeps all it has after each of its evaluations; how it goes is in its label.
TRAINING = """
import json, os, pathlib, signal, sys
folder, label, seed, steps, every = pathlib.Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:])
folder.mkdir(exist_ok=True)
(folder / 'config.yaml').touch()
(folder / 'report.md').touch()
with (folder / 'begun').open('a') as file:
    file.write('x')
file = folder / 'evaluation.jsonl'
done = len(file.read_text().splitlines()) if file.exists() else 0
for step in range(done * every, steps + 1, every):
    with file.open('a') as out:
        line = {'env_steps': step, 'wall_s': step, 'success_rate': (seed + step) % 7 / 7}
        line |= {'success_rate_strict': 0.0, 'final_distance_mean': 1.0, 'unit': 'rad'}
        out.write(json.dumps(line) + '\\n')
    status = {'env_steps': step, 'steps': steps, 'finished': step == steps, 'wall_s': step}
    (folder / 'status.json').write_text(json.dumps(status))
    if label == 'killed' and step == every and done == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    if label == 'doomed' and step == every:
        os.kill(os.getpid(), signal.SIGKILL)
    if label == 'failing' and step == every:
        sys.exit('ValueError: it went wrong')
    if label == 'endless':
        print('waiting', flush=True)
        signal.pause()
"""
TEXT = 'name: quick\nseeds: [0, 1]\nsteps: 40\nevaluate_every: 10\n'


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file of an experiment whose runs are the trainings above."""
    script = tmp_path / 'training.py'
    script.write_text(TRAINING, encoding='utf-8')

    def job(run: PlannedRun, out: Path) -> Job:
        arguments = (str(out / run.name), run.label, str(run.seed), str(run.steps), '10')
        command = (sys.executable, '-I', '-S', str(script), *arguments)
        return Job(run.name, command, out / 'logs' / f'{run.name}.log', {})

    monkeypatch.setattr(session, 'job', job)
    monkeypatch.setattr(session, '_TICK', 0.01)
    path = tmp_path / 'quick.yaml'
    path.write_text(TEXT, encoding='utf-8')
    return path


def run(file: Path, **options: bool) -> int:
    return experiment(
        str(file), file.parent / 'out', 2, 'processes',
        retry=options.get('retry', False), table=options.get('table', False),
    )  # fmt: skip


def begun(file: Path, name: str) -> int:
    """Return how many times a training was started."""
    return len((file.parent / 'out' / name / 'begun').read_text(encoding='utf-8'))


def test_every_run_is_run_once(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(file) == 0
    assert 'finished valve-modern-none-s1' in capsys.readouterr().out
    table = (file.parent / 'out' / 'table.md').read_text(encoding='utf-8')
    assert '| modern | 2 |' in table
    assert run(file) == 0
    assert [begun(file, f'valve-modern-none-s{seed}') for seed in (0, 1)] == [1, 1]
    assert (file.parent / 'out' / 'table.md').read_text(encoding='utf-8') == table


def test_a_failed_run_is_recorded_and_stays_in_the_table(file: Path) -> None:
    file.write_text(f'{TEXT}runs: [{{label: failing, seeds: [0]}}]', encoding='utf-8')
    assert run(file) == 1
    failures = read_lines(file.parent / 'out' / 'failures.jsonl')
    name = 'valve-modern-none-failing-s0'
    assert failures == [{'run': name, 'exit_code': 1, 'words': 'ValueError: it went wrong'}]
    table = (file.parent / 'out' / 'table.md').read_text(encoding='utf-8')
    assert '| modern failing | 0 of 1, 1 failed |' in table
    assert f'| {name} | failed | 10 | code 1: ValueError: it went wrong |' in table
    assert run(file) == 1
    assert begun(file, name) == 1
    assert run(file, retry=True) == 0  # it goes on behind what made it fail
    assert begun(file, name) == 2


def test_a_run_that_something_else_killed_goes_on(file: Path) -> None:
    file.write_text(f'{TEXT}label: killed', encoding='utf-8')
    assert run(file) == 0
    assert begun(file, 'valve-modern-none-killed-s0') == 2


def test_a_run_that_is_killed_again_and_again_has_failed(file: Path) -> None:
    script = file.parent / 'training.py'
    script.write_text(TRAINING.replace('range(done * every', 'range(0'), encoding='utf-8')
    file.write_text(f'{TEXT}label: doomed', encoding='utf-8')
    assert run(file) == 1
    assert begun(file, 'valve-modern-none-doomed-s0') == session.KILLED_LIMIT + 1


def test_the_table_alone_runs_nothing(file: Path) -> None:
    assert run(file, table=True) == 0
    assert '2 not begun' in (file.parent / 'out' / 'table.md').read_text(encoding='utf-8')


def test_a_run_that_another_process_trains_is_left_alone(file: Path) -> None:
    folder = file.parent / 'out' / 'valve-modern-none-s0'
    run(file, table=True)
    folder.mkdir()
    holder = subprocess.Popen(
        ['flock', str(folder / 'lock'), 'sh', '-c', 'echo held; read line'],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert holder.stdout is not None
    assert holder.stdin is not None
    assert holder.stdout.readline() == b'held\n'

    def let_go() -> None:
        while not (folder.with_name('valve-modern-none-s1') / 'status.json').exists():
            threading.Event().wait(0.01)
        holder.communicate(b'\n')

    thread = threading.Thread(target=let_go)
    thread.start()
    assert run(file) == 0
    thread.join()
    assert begun(file, 'valve-modern-none-s0') == 1


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_stops_every_run_and_leaves_no_process(file: Path, number: signal.Signals) -> None:
    file.write_text(f'{TEXT}label: endless', encoding='utf-8')
    log = file.parent / 'out' / 'logs' / 'valve-modern-none-endless-s1.log'

    def interrupt() -> None:
        while not (log.exists() and 'waiting' in log.read_text(encoding='utf-8')):
            threading.Event().wait(0.01)
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=interrupt)
    thread.start()
    assert run(file) == 128 + number
    thread.join()
    assert not (file.parent / 'out' / 'failures.jsonl').exists()
    assert processes_of(file.parent / 'training.py') == []


def test_a_job_hears_ctrl_c_though_its_parent_ignores_it(tmp_path: Path) -> None:
    code = "print('waiting', flush=True); import signal; signal.pause()"
    log = tmp_path / 'log'
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as behind an & of a shell
    try:
        process = started(Job('job', (sys.executable, '-I', '-S', '-c', code), log, {}))
    finally:
        signal.signal(signal.SIGINT, before)
    while 'waiting' not in log.read_text(encoding='utf-8'):
        threading.Event().wait(0.01)
    process.signal(signal.SIGINT)
    while (ended := process.poll()) is None:
        threading.Event().wait(0.01)
    assert ended == -signal.SIGINT


def processes_of(script: Path) -> list[int]:
    """Return the processes that run a script."""
    found = []
    for entry in Path('/proc').glob('[0-9]*/cmdline'):
        try:
            words = entry.read_bytes().split(b'\0')
        except OSError:
            continue
        if str(script).encode() in words:
            found.append(int(entry.parent.name))
    return found


@pytest.fixture
def plan(file: Path) -> Callable[[], dict[str, object]]:
    """Return a function that reads the plan on disk."""
    return lambda: json.loads((file.parent / 'out' / 'plan.json').read_text(encoding='utf-8'))


def test_nothing_starts_with_a_mistake_in_the_file(file: Path) -> None:
    file.write_text(f'{TEXT}sets: [agent.sed=1]', encoding='utf-8')
    with pytest.raises(ConfigError, match="agent has no parameter 'sed'"):
        run(file)
    assert not (file.parent / 'out').exists()


def test_a_longer_plan_goes_on_with_what_there_is(
    file: Path, plan: Callable[[], dict[str, object]]
) -> None:
    assert run(file) == 0
    file.write_text(TEXT.replace('[0, 1]', '[0, 2]').replace('40', '60'), encoding='utf-8')
    assert run(file) == 0
    assert [begun(file, f'valve-modern-none-s{seed}') for seed in (0, 1, 2)] == [2, 1, 1]
    assert set(plan()) == {f'valve-modern-none-s{seed}' for seed in (0, 1, 2)}


def test_an_unknown_executor_is_a_sentence(file: Path) -> None:
    with pytest.raises(ConfigError, match="executor is 'slurm': expected one of processes, ray"):
        experiment(str(file), None, None, 'slurm', retry=False, table=False)
