# SPDX-License-Identifier: Apache-2.0
"""A terminal that shows the newest state in place; a file or a pipe gets plain lines."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TextIO, TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Self

    from rich.live import Live


class Terminal:
    """
    Take the terminal while something runs.

    :param out: where to; stdout if None.
    """

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._live: Live | None = None
        self._next = 0.0

    def __enter__(self) -> Self:
        """Take the terminal, if there is one."""
        if self._out.isatty():
            from rich.console import Console
            from rich.live import Live

            # Without its thread: the processes of a run are forked.
            self._live = Live(console=Console(file=self._out), auto_refresh=False)
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the terminal back."""
        if self._live is not None:
            self._live.stop()
