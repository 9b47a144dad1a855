# SPDX-License-Identifier: Apache-2.0
"""
The emulator's own record of what the bus was told and what the servos did.

It is the evidence in fault drills: nothing in it comes from the driver.  One JSON object per line
with ``t`` (emulated time [s]), ``mono`` (time.monotonic() [s]), ``event`` and what belongs to it.
"""

from collections.abc import Callable
import json
from pathlib import Path
import threading
import time
from types import TracebackType
from typing import Any, Self, TextIO

FLUSH_PERIOD = 0.5  # [s]
LIMIT = 100_000_000  # of one file; a training in lockstep writes 2.4 kB per env step [byte]


class Record:
    """
    Writes events as JSON lines; without a path it keeps nothing.

    A file that is full becomes ``<name>.old``, in place of the one before.

    :param path: of the file, which is appended to.
    :param clock: monotonic time [s].
    :param limit: size at which a file is full [byte].
    """

    def __init__(
        self,
        path: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
        limit: int = LIMIT,
    ) -> None:
        self._clock = clock
        self._path = path
        self._limit = limit
        self._lock = threading.Lock()
        self._file: TextIO | None = None
        self._flushed = clock()
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open('a', encoding='utf-8')

    @property
    def active(self) -> bool:
        """Whether events are kept."""
        return self._file is not None

    def write(self, event: str, emulated: float, **fields: Any) -> None:
        """
        Keep an event.

        :param event: its name.
        :param emulated: emulated time [s].
        :param fields: anything that JSON can say.
        """
        if self._file is None:
            return
        now = self._clock()
        line = {'t': round(emulated, 6), 'mono': round(now, 6), 'event': event, **fields}
        with self._lock:
            if self._file is None:
                return
            self._file.write(json.dumps(line, separators=(',', ':')) + '\n')
            if now - self._flushed >= FLUSH_PERIOD:
                self._flushed = now
                self._file.flush()
                self._turn()

    def _turn(self) -> None:
        """Begin another file if this one is full."""
        if self._file is None or self._path is None or self._file.tell() < self._limit:
            return
        self._file.close()
        self._path.replace(self._path.with_name(f'{self._path.name}.old'))
        self._file = self._path.open('a', encoding='utf-8')

    def flush(self) -> None:
        """Hand everything to the operating system."""
        with self._lock:
            if self._file is not None:
                self._file.flush()

    def close(self) -> None:
        """Write what is left; later events are lost."""
        with self._lock:
            if self._file is not None:
                self._file.close()
            self._file = None

    def __enter__(self) -> Self:
        """Return the record itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the record."""
        self.close()


def read_record(path: Path) -> list[dict[str, Any]]:
    """Return the events of a record; a last line that was cut short is left out."""
    lines = path.read_text(encoding='utf-8').split('\n')
    return [json.loads(line) for line in lines[:-1] if line]
