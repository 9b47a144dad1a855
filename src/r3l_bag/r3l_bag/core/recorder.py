# SPDX-License-Identifier: Apache-2.0
"""Records in a thread of its own, and gives way to everything else: to a full disk first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
import contextlib
import errno
import logging
import os
from pathlib import Path
import threading
import time

from r3l_bag.core.config import RecorderConfig
from r3l_bag.core.scan import RawMessage
from r3l_bag.core.writer import BagWriter, Content, Limits

_MEGABYTE = 1_000_000
_LOG = logging.getLogger(__name__)


class Recorder:
    """
    Write messages into bags, one after the other; never raises, never blocks the caller.

    A bag ends where the disk gets full or cannot be written, and another one begins when there is
    room again. It begins with the last message of every latched topic, so that each bag can be
    read alone.
    """

    def __init__(
        self,
        bags: Path,
        content: Content,
        config: RecorderConfig,
        latched: Sequence[int] = (),
        log: Callable[[str], None] = _LOG.warning,
        free: Callable[[Path], int] | None = None,
    ) -> None:
        """
        Prepare; nothing is written.

        :param bags: folder of bags.
        :param latched: channels whose last message every bag begins with.
        :param log: called with one line for each thing that the user should know.
        :param free: returns the free space behind a path [byte]; None: asks the system.
        """
        self._bags, self._content, self._config = bags, content, config
        level = config.level_lockstep if config.pace == 'lockstep' else config.level_realtime
        self._limits = Limits(
            int(config.split_size * _MEGABYTE), int(config.split_time * 1e9), level
        )
        self._log, self._free = log, free or free_space
        self._latched: dict[int, RawMessage | None] = dict.fromkeys(latched)
        self._changed = threading.Condition()
        self._waiting: list[RawMessage] = []
        self._waiting_size = 0
        self._waiting_since = 0.0
        self._closing = False
        self._bag: BagWriter | None = None
        self._retry_at = 0.0
        self.problem = ''  # why nothing is recorded now
        self.folder: Path | None = None  # of the bag
        self.written = self.dropped = self.bags = 0
        self.bytes = 0  # in bags that are closed
        self._thread = threading.Thread(target=self._work, name='recorder', daemon=True)

    def start(self) -> None:
        """Start the thread and the first bag."""
        self._thread.start()

    def add(self, messages: Sequence[RawMessage]) -> None:
        """
        Take messages; those that the disk cannot keep up with are dropped and counted.

        :param messages: with the channel numbers of the content.
        """
        if not messages:
            return
        size = sum(len(message[3]) for message in messages)
        with self._changed:
            if self._waiting_size + size > self._config.backlog * _MEGABYTE:
                self.dropped += len(messages)
                return
            if not self._waiting:
                self._waiting_since = time.monotonic()
            self._waiting.extend(messages)
            self._waiting_size += size
            if self._waiting_size >= self._config.chunk_size:
                self._changed.notify()

    def close(self, timeout: float | None = None) -> bool:
        """
        Write what is waiting and close the bag.

        :param timeout: of the wait [s]; None: as long as it takes.
        :return: whether it was done in time.
        """
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    @property
    def alive(self) -> bool:
        """Whether anything that is added now will be written, or counted as dropped."""
        return self._thread.is_alive()

    @property
    def size(self) -> int:
        """Bytes written so far, in all bags."""
        bag = self._bag
        return self.bytes + (bag.size if bag else 0)

    def figures(self) -> Mapping[str, object]:
        """Return what diagnostics show."""
        return {
            'bag': '' if self.folder is None else str(self.folder),
            'messages written': self.written,
            'messages dropped': self.dropped,
            'megabytes': round(self.size / _MEGABYTE, 2),
            'bags begun': self.bags,
        }

    def _work(self) -> None:
        self._resume(time.time_ns())
        closing = False
        while not closing:
            messages, closing = self._next()
            for chunk in _chunks(messages, self._config.chunk_size):
                self._keep_latched(chunk)
                self._record(chunk)
        self._end('')

    def _next(self) -> tuple[list[RawMessage], bool]:
        """Wait for the messages of a chunk, or for the end."""
        config = self._config
        with self._changed:
            while not self._closing and self._waiting_size < config.chunk_size:
                age = time.monotonic() - self._waiting_since if self._waiting else 0.0
                if age >= config.chunk_period:
                    break
                self._changed.wait(config.chunk_period - age)
            messages, self._waiting, self._waiting_size = self._waiting, [], 0
            closing = self._closing
        # Each topic is looked at by itself: what came between two looks is put in order here.
        messages.sort(key=lambda message: message[0])
        return messages, closing

    def _keep_latched(self, chunk: Sequence[RawMessage]) -> None:
        for message in chunk if self._latched else ():
            if message[2] in self._latched:
                self._latched[message[2]] = message

    def _record(self, chunk: Sequence[RawMessage]) -> None:
        if self._bag is not None and self._room() < self._config.min_free * _MEGABYTE:
            self._end(f'less than {self._config.min_free:g} MB are free')
        if self._bag is None:
            self._resume(chunk[0][0])
        if self._bag is None:
            self.dropped += len(chunk)
            return
        try:
            self._bag.write(chunk, time.time_ns())
        except OSError as error:
            self._end(_reason(error))
            self.dropped += len(chunk)
        else:
            self.written += len(chunk)

    def _room(self) -> int:
        try:
            return self._free(self._bags)
        except OSError:
            return 0

    def _resume(self, first: int) -> None:
        """
        Begin a bag, if there is room for one.

        :param first: log time of the first message that it is for [ns].
        """
        config, now = self._config, time.monotonic()
        if now < self._retry_at:
            return
        self._retry_at = now + min(config.retry_period, 1.0)
        try:
            self._bags.mkdir(parents=True, exist_ok=True)
            # After a full disk twice as much, so that bags of a second do not follow each other.
            needed = config.min_free * (2 if self.problem else 1) * _MEGABYTE
            if self._free(self._bags) < needed:
                self._complain(f'less than {config.min_free:g} MB are free')
                return
            self._begin(first)
        except OSError as error:
            self._retry_at = now + config.retry_period
            self._end(_reason(error))

    def _begin(self, first: int) -> None:
        now = time.time_ns()
        self._bag = BagWriter(self._bags, self._content, self._limits, now)
        self.folder = self._bag.folder
        latched = [message for message in self._latched.values() if message is not None]
        if latched:
            again = [(first, stamp, channel, data) for _, stamp, channel, data in latched]
            self._bag.write(again, now)
        if self.bags:
            self._log(f'recording goes on in {self.folder}')
        self.bags += 1
        self.problem = ''

    def _end(self, problem: str) -> None:
        """Close the bag, if there is one, and say why."""
        bag, self._bag = self._bag, None
        if bag is not None:
            # Whether there was room for the summary does not matter: the bag can be read.
            with contextlib.suppress(OSError):
                bag.close()
            self.bytes += bag.size
        if problem:
            self._retry_at = time.monotonic() + self._config.retry_period
            self._complain(problem)

    def _complain(self, problem: str) -> None:
        if not self.problem:
            self._log(f'recording waits: {problem}; the training goes on without it')
        self.problem = problem


def free_space(path: Path) -> int:
    """Return the space that is free for a user who is not root [byte]."""
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize


def _chunks(messages: list[RawMessage], size: int) -> list[list[RawMessage]]:
    """Cut a row of messages into pieces of about a size [byte]."""
    pieces: list[list[RawMessage]] = []
    room = 0
    for message in messages:
        if room <= 0:
            pieces.append([])
            room = size
        pieces[-1].append(message)
        room -= len(message[3])
    return pieces


def _reason(error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return 'the disk is full'
    return f'the bag cannot be written ({error.strerror or error})'
