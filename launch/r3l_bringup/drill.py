# SPDX-License-Identifier: Apache-2.0
"""A fault drill: the whole graph on emulated servos in real time, with seeded faults."""

from __future__ import annotations

from collections.abc import Sequence
import contextlib
import json
from pathlib import Path
import signal
import subprocess
import sys
import time
from typing import Any

from r3l_bringup.prepare import CONFIG
from r3l_driver.core.config import IDS
from r3l_driver.emulator.drill import judge, PROMISES, Verdict
from r3l_driver.emulator.faults import format_schedule
from r3l_driver.emulator.goal_limits import Limits
from r3l_driver.emulator.record import read_record
from r3l_driver.emulator.schedules import random_schedule
from r3l_node.core.errors import ConfigError
from r3l_node.core.files import write_atomic
from r3l_node.core.records import MOVING, read_lines
from r3l_node.core.status import read_status

# Beginning of the drill, for the warm-up and the encoder's training: the hand then moves [s].
START = 75.0
# After the last fault: longest recovery, a servo that cools down included [s].
REST = 30.0
# From the end of the drill to its processes being gone [s].
STOP_LIMIT = 30.0
# The hand is in question, not what it learns: the models stay small, the steps never end.
SETTINGS = (
    'monitor.goal_count=40', 'encoder.vae_steps=100', 'encoder.gather_images=100',
    'all.warmup_steps=100', 'all.round_steps=50', 'reward.initial_negatives=50',
    'reward.initial_updates=20', 'evaluator.every=1000000', 'evaluator.baselines=false',
)  # fmt: skip
STEPS = 1_000_000


def drill(folder: Path, minutes: float, faults: int, seed: int, say: Any = print) -> Verdict:
    """
    Run a drill, and say what was promised and what was measured.

    :param folder: of the run; new or empty.
    :param minutes: of the drill [min].
    :param faults: number of faults.
    :param seed: of the faults and of the run.
    :param say: prints a line.
    :raises ConfigError: if the folder is taken or the drill too short.
    """
    folder = folder.resolve()
    if folder.exists() and any(folder.iterdir()):
        raise ConfigError(f'{folder} is not empty: expected a new folder for the drill')
    last = 60.0 * minutes - REST
    schedule = random_schedule(seed, last, IDS, faults, tuple(PROMISES), START)
    file = folder.with_name(f'{folder.name}.faults')
    folder.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(file, format_schedule(schedule))
    say(f'drill of {minutes:g} min with {faults} faults: {file}')
    _run(folder, seed, file, 60.0 * minutes)
    verdict = examine(folder)
    text = verdict.table() + '\n' + ''.join(f'- {line}\n' for line in problems(verdict))
    write_atomic(folder / 'drill.md', text)
    say(text)
    return verdict


def problems(verdict: Verdict) -> list[str]:
    """Return what went wrong, a sentence each."""
    found = [line for row in verdict.rows for line in row.broken]
    if verdict.outside:
        found.append(f'{len(verdict.outside)} goals outside the limits: {verdict.outside[0]}')
    if not verdict.moving:
        found.append('the hand was not moving again at the end')
    return found


def examine(folder: Path) -> Verdict:
    """
    Judge the drill of a run folder by its records.

    :raises ConfigError: if the records are not there.
    """
    record_file = folder / 'hand_record.jsonl'
    if not record_file.exists():
        raise ConfigError(f'{record_file} is missing: expected the run folder of a drill')
    # Both clocks are of this machine; what the driver says is stamped with the time of day.
    offset = time.time() - time.monotonic()
    safety = [
        {'mono': line['since'] - offset, 'moving': line['state'] in MOVING}
        for line in read_lines(folder / 'safety.jsonl')
    ]
    return judge(read_record(record_file), safety, _limits(folder))


def _limits(folder: Path) -> Limits:
    from r3l_bringup.config import load

    driver = load(folder / CONFIG)['driver']
    low = dict(zip(driver['ids'], driver['position_low'], strict=True))
    high = dict(zip(driver['ids'], driver['position_high'], strict=True))
    return Limits(low, high, driver['velocity_limit'])


def command(folder: Path, seed: int, faults: Path, settings: Sequence[str] = ()) -> list[str]:
    """Return the command line of a training on emulated servos with faults."""
    words = [
        sys.executable, '-m', 'r3l_bringup', 'train', '--hardware', 'fake', '--pace', 'realtime',
        '--run', str(folder), '--steps', str(STEPS), '--seed', str(seed),
    ]  # fmt: skip
    for setting in (*SETTINGS, f'hand.faults={faults}', f'hand.fault_seed={seed}', *settings):
        words += ['--set', setting]
    return words


def _run(folder: Path, seed: int, faults: Path, duration: float) -> None:
    """Let the training go on for a time, then stop it as Ctrl-C does."""
    log = folder.with_name(f'{folder.name}.log')
    with log.open('w', encoding='utf-8') as out:
        process = subprocess.Popen(
            command(folder, seed, faults), stdout=out, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=duration)
                raise ConfigError(f'the training ended by itself: see {log}')
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                process.wait(timeout=STOP_LIMIT)
    status = read_status(folder / 'status.json')
    summary = {'seconds': duration, 'env_steps': status.env_steps if status else 0}
    write_atomic(folder / 'drill.json', json.dumps(summary) + '\n')
