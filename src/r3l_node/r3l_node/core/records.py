# SPDX-License-Identifier: Apache-2.0
"""What a run leaves behind: lines of JSON and TensorBoard events."""

from __future__ import annotations

from collections.abc import Mapping
import json
import math
from pathlib import Path
import time
from typing import Any, TextIO

EVALUATION_KEYS = (
    'env_steps', 'wall_s', 'success_rate', 'success_rate_strict', 'final_distance_mean', 'unit',
    'starts', 'policy_version',
)  # fmt: skip

# States of the driver, as safety.jsonl names them, in which commands are executed.
MOVING = ('run', 'degraded')


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a file of JSON lines; a line torn by a crash is left out."""
    try:
        text = path.read_text(encoding='utf-8', errors='replace')
    except FileNotFoundError:
        return []
    found = []
    for line in text.splitlines():
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            found.append(value)
    return found


class JsonLines:
    """A file of JSON lines that is appended to."""

    def __init__(self, path: Path) -> None:
        """Open the file; a line torn by a crash is closed, so that the next one stands alone."""
        torn = path.exists() and path.stat().st_size > 0 and not path.read_bytes().endswith(b'\n')
        self._file: TextIO = path.open('a', encoding='utf-8')
        if torn:
            self._file.write('\n')

    def write(self, values: Mapping[str, Any]) -> None:
        """Append a line; a value that is not finite becomes null."""
        self._file.write(json.dumps({k: _finite(v) for k, v in values.items()}) + '\n')

    def flush(self) -> None:
        """Hand what was written to the system."""
        self._file.flush()

    def close(self) -> None:
        """Flush and close."""
        self._file.close()


class Scalars:
    """``metrics.jsonl`` and the TensorBoard events of a run."""

    def __init__(self, folder: Path, *, events: bool = True) -> None:
        """
        Open both in the folder of the run.

        :param events: whether to write TensorBoard events.
        """
        self._lines = JsonLines(folder / 'metrics.jsonl')
        self._events: Any = None
        if events:
            # Not torch's SummaryWriter: that one costs 200 MB of torch.
            from tensorboard.summary.writer.event_file_writer import EventFileWriter

            self._events = EventFileWriter(str(folder), flush_secs=10)

    def write(
        self, source: str, env_steps: int, wall_s: float, values: Mapping[str, float]
    ) -> None:
        """
        Append the scalars of one moment.

        :param source: node that measured.
        :param wall_s: seconds of the run so far.
        """
        head = {'env_steps': env_steps, 'wall_s': round(wall_s, 3), 'source': source}
        self._lines.write({**head, **values})
        if self._events is None:
            return
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        summary = [
            Summary.Value(tag=name, simple_value=value)
            for name, value in values.items()
            if math.isfinite(value)
        ]
        self._events.add_event(
            Event(wall_time=time.time(), step=env_steps, summary=Summary(value=summary))
        )

    def flush(self) -> None:
        """Hand what was written to the system."""
        self._lines.flush()

    def close(self) -> None:
        """Flush and close."""
        self._lines.close()
        if self._events is not None:
            self._events.close()


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
