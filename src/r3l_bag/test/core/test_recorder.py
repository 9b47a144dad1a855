# SPDX-License-Identifier: Apache-2.0
"""Test that recording gives way to everything else, and what it loses then."""

from __future__ import annotations

from collections.abc import Callable
import errno
import os
from pathlib import Path
import signal
import subprocess
import sys
import textwrap
import threading
from typing import Any

import pytest
from r3l_bag.core import mcap_file
from r3l_bag.core.check import check
from r3l_bag.core.config import RecorderConfig
from r3l_bag.core.reader import Bag
from r3l_bag.core.recorder import Recorder
from r3l_bag.core.writer import Content

MEGABYTE = 1_000_000
TRANSITION = 2
Wait = Callable[[Callable[[], object]], None]


@pytest.fixture
def wait() -> Wait:
    """Return a function that waits for something to become true."""
    tick = threading.Event()

    def until(condition: Callable[[], object]) -> None:
        for _ in range(3000):
            if condition():
                return
            tick.wait(0.01)
        raise AssertionError('it did not come true within 30 s')

    return until


def config(**values: Any) -> RecorderConfig:
    defaults: dict[str, Any] = {'chunk_period': 0.05, 'min_free': 0.0, 'retry_period': 0.1}
    return RecorderConfig(**(defaults | values))


def test_all_that_was_added_is_there_after_closing(
    tmp_path: Path, messages: Any, content: Content
) -> None:
    recorder = Recorder(tmp_path, content, config())
    recorder.start()
    row = messages.row(50)
    for index in range(0, len(row), 7):
        recorder.add(row[index : index + 7])
    assert recorder.close(30.0)
    assert [m.data for m in Bag(tmp_path).messages()] == [m[3] for m in row]
    assert check(tmp_path).sound
    assert not list(tmp_path.rglob('.reserve'))


def test_topics_that_came_one_after_the_other_are_put_in_order(
    tmp_path: Path, messages: Any, content: Content
) -> None:
    recorder = Recorder(tmp_path, content, config(chunk_period=10.0))
    recorder.start()
    row = messages.row(9)
    recorder.add([message for message in row if message[2] == TRANSITION])
    recorder.add([message for message in row if message[2] != TRANSITION])
    assert recorder.close(30.0)
    assert [m.data for m in Bag(tmp_path).messages()] == [m[3] for m in row]


def test_low_disk_space_closes_the_bag_and_twice_as_much_begins_another(
    tmp_path: Path, messages: Any, content: Content, wait: Wait
) -> None:
    free, said = [1000 * MEGABYTE], list[str]()
    recorder = Recorder(
        tmp_path, content, config(min_free=100.0), [TRANSITION], said.append, lambda _: free[0]
    )
    recorder.start()
    row = messages.row(3)
    recorder.add(row)
    wait(lambda: recorder.written == 6)
    free[0] = 99 * MEGABYTE
    recorder.add([messages.reward(3)])
    wait(lambda: recorder.problem)
    assert 'less than 100 MB are free' in recorder.problem
    assert check(tmp_path).sound
    free[0] = 150 * MEGABYTE
    for _ in range(3):
        dropped = recorder.dropped
        recorder.add([messages.reward(4)])
        wait(lambda before=dropped: recorder.dropped > before)
    free[0] = 200 * MEGABYTE

    def again() -> bool:
        recorder.add([messages.reward(5)])
        return not recorder.problem

    wait(again)
    assert recorder.close(30.0)
    bags = sorted(folder for folder in tmp_path.iterdir())
    assert len(bags) == 2
    assert [len(list(Bag(bags[0]).messages()))] == [6]
    second = [message.data for message in Bag(bags[1]).messages()]
    # The last message of a latched topic begins every bag.
    assert row[4][2] == TRANSITION
    assert row[4][3] in second
    assert check(bags[1]).sound
    assert len(said) == 2


def test_a_disk_that_is_full_within_a_chunk_costs_that_chunk(
    tmp_path: Path, messages: Any, content: Content, wait: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = [10**9]
    write = os.write

    def until_full(descriptor: int, data: Any) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = write(descriptor, bytes(data[: room[0]]))
        room[0] -= written
        return written

    monkeypatch.setattr(mcap_file.os, 'write', until_full)
    said = list[str]()
    recorder = Recorder(tmp_path, content, config(retry_period=1000.0), log=said.append)
    recorder.start()
    row = messages.row(5)
    recorder.add(row)
    wait(lambda: recorder.written == 10)
    room[0] = 100
    recorder.add([messages.transition(n) for n in range(5, 9)])
    wait(lambda: recorder.dropped == 4)
    assert recorder.problem == 'the disk is full'
    recorder.add([messages.transition(9)])
    assert recorder.close(30.0)
    assert len(said) == 1
    # No footer, for which there was no room either, yet every whole chunk.
    bag = Bag(tmp_path)
    assert [m.data for m in bag.messages()] == [m[3] for m in row]
    assert bag.scans[0].data_end == bag.scans[0].size


def test_a_real_limit_of_the_system_does_no_more(tmp_path: Path) -> None:
    """A file that may not grow beyond 2 MiB: what a quota does, and a full disk."""
    script = """
        import os, resource, signal
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2 * 1024 * 1024, 2 * 1024 * 1024))
        config = RecorderConfig(chunk_period=0.05, min_free=0.0, retry_period=1000.0)
        recorder = Recorder(bags, content, config, log=lambda line: print(line, flush=True))
        recorder.start()
        number = 0
        while not recorder.problem:
            data = os.urandom(50_000)
            recorder.add([(START + number, 0, 1, data)])
            number += 1
            while recorder.written + recorder.dropped < number:
                time.sleep(0.001)
        assert recorder.close(30.0)
        print(number - 1)
    """
    said = _child(script, tmp_path).communicate(timeout=60)[0].splitlines()
    assert said[0].startswith('recording waits: the bag cannot be written (File too large)')
    bag = Bag(tmp_path)
    assert len(list(bag.messages())) == int(said[1]) > 30
    # Room for the summary was left below the limit.
    assert bag.scans[0].whole


def test_a_folder_that_cannot_be_written_stops_nobody(
    tmp_path: Path, messages: Any, content: Content, wait: Wait
) -> None:
    bags = tmp_path / 'bags'
    bags.write_text('a file where a folder should be')
    said = list[str]()
    recorder = Recorder(bags, content, config(), log=said.append)
    recorder.start()
    recorder.add(messages.row(3))
    wait(lambda: recorder.dropped == 6)
    assert len(said) == 1
    bags.unlink()

    def again() -> bool:
        recorder.add([messages.reward(5)])
        return recorder.written > 0

    wait(again)
    assert recorder.close(30.0)
    assert check(bags).sound


def test_a_disk_that_is_too_slow_costs_messages_and_no_memory(
    tmp_path: Path, messages: Any, content: Content
) -> None:
    recorder = Recorder(tmp_path, content, config(backlog=1.0))
    # Not started: nothing is taken away.
    message = messages.transition(0)
    for _ in range(2 * MEGABYTE // len(message[3])):
        recorder.add([message])
    assert recorder.dropped > 0
    recorder.start()
    assert recorder.close(30.0)
    kept = len(list(Bag(tmp_path).messages()))
    assert 0.9 * MEGABYTE < kept * len(message[3]) <= MEGABYTE


def test_a_killed_recorder_loses_only_what_was_not_written_yet(tmp_path: Path) -> None:
    script = """
        config = RecorderConfig(chunk_period=0.2, min_free=0.0)
        recorder = Recorder(bags, content, config)
        recorder.start()
        number, written = 0, 0
        while True:
            recorder.add([(time.time_ns(), 0, 1, number.to_bytes(8, 'little'))])
            number += 1
            if recorder.written != written:
                written = recorder.written
                print(written, flush=True)
            time.sleep(0.002)
    """
    process = _child(script, tmp_path)
    assert process.stdout is not None
    for _ in range(5):
        written = int(process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    rest = process.communicate(timeout=60)[0].split()
    written = int(rest[-1]) if rest else written
    bag = Bag(tmp_path)
    numbers = [int.from_bytes(m.data, 'little') for m in bag.messages()]
    assert numbers == list(range(len(numbers)))
    assert len(numbers) >= written
    assert not list(tmp_path.rglob('metadata.yaml'))


def _child(script: str, bags: Path) -> subprocess.Popen[str]:
    head = f"""
        import time
        from pathlib import Path
        from r3l_bag.core.config import RecorderConfig
        from r3l_bag.core.mcap_file import Topic
        from r3l_bag.core.recorder import Recorder
        from r3l_bag.core.writer import Content
        START = 1_700_000_000_000_000_000
        bags = Path({str(bags)!r})
        content = Content([Topic('/x', 'std_msgs/msg/Empty', '', {{}})], {{}}, {{}})
    """
    return subprocess.Popen(
        [sys.executable, '-c', textwrap.dedent(head) + textwrap.dedent(script)],
        stdout=subprocess.PIPE,
        text=True,
    )
