# SPDX-License-Identifier: Apache-2.0
"""The live screen of a training run: rich on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
import time
from typing import TextIO, TYPE_CHECKING

from r3l_bringup.process import State
from r3l_bringup.runner import Member
from r3l_bringup.terminal import Terminal
from r3l_node.core.status import duration, evaluation_text, plain_line, read_status, Status

if TYPE_CHECKING:
    from rich.console import RenderableType

_REFRESH = 0.5  # [s]
_LINE_PERIOD = 10.0  # [s]
_KEPT_EVENTS = 5


class Screen(Terminal):
    """Shows a run; call :meth:`tick` often and :meth:`say` for what must not be missed."""

    def __init__(self, run: Path, out: TextIO | None = None) -> None:
        """
        Prepare.

        :param run: folder of the run.
        :param out: where to; stdout if None.
        """
        super().__init__(out)
        self._run = run
        self._events: list[str] = []
        self._cpu: dict[str, tuple[float, float]] = {}
        self._last = ''

    def say(self, text: str) -> None:
        """Show one event."""
        self._events = [*self._events, text][-_KEPT_EVENTS:]
        if self._live is None:
            print(text, file=self._out, flush=True)

    def tick(self, members: Mapping[str, Member]) -> None:
        """Show the newest state, not more often than it is worth."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + (_REFRESH if self._live is not None else _LINE_PERIOD)
        status = read_status(self._run / 'status.json') or Status()
        if self._live is not None:
            self._live.update(self._render(status, members, now), refresh=True)
        else:
            self._plain(status, members)

    def _plain(self, status: Status, members: Mapping[str, Member]) -> None:
        line = plain_line(status)
        waiting = [
            name
            for name, member in members.items()
            if member.process.state is not State.READY and not member.process.program.optional
        ]
        if waiting:
            line += f'  not ready: {", ".join(waiting)}'
        if line != self._last:
            print(line, file=self._out, flush=True)
            self._last = line

    def _render(self, status: Status, members: Mapping[str, Member], now: float) -> RenderableType:
        from rich.console import Group
        from rich.panel import Panel
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        facts = Table.grid(padding=(0, 2))
        for name, value in _facts(status):
            facts.add_row(Text(name, style='dim'), value)
        nodes = Table('node', 'state', 'restarts', 'CPU', 'memory', box=None, padding=(0, 2))
        for name, member in members.items():
            nodes.add_row(*self._health(name, member, now))
        bar = ProgressBar(total=max(1, status.steps), completed=status.env_steps)
        parts: list[RenderableType] = [bar, facts]
        parts += [Text(), nodes] if members else []
        parts += [Text(event, style='yellow') for event in self._events]
        named = (status.task or 'r3l', status.profile, self._run.name)
        title = ' · '.join(part for part in named if part)
        return Panel(Group(*parts), title=title, expand=False, width=84)

    def _health(self, name: str, member: Member, now: float) -> tuple[str, str, str, str, str]:
        usage = member.process.usage()
        if usage is None:
            return name, member.process.state.value, str(member.restarts), '-', '-'
        before = self._cpu.get(name, (now, usage.cpu_seconds))
        self._cpu[name] = (now, usage.cpu_seconds)
        span = now - before[0]
        share = f'{(usage.cpu_seconds - before[1]) / span:.0%}' if span > 0 else '-'
        memory = f'{usage.resident_bytes / 2**20:.0f} MB'
        return name, member.process.state.value, str(member.restarts), share, memory


def _facts(status: Status) -> list[tuple[str, str]]:
    def number(value: float | None, form: str = '{:.2f}') -> str:
        return '-' if value is None else form.format(value)

    return [
        ('phase', f'{status.phase}, episode {status.episode}'),
        ('env steps', f'{status.env_steps} of {status.steps}'),
        ('steps/s', number(status.steps_per_s, '{:.1f}')),
        ('update ratio', f'{number(status.update_ratio, "{:.3f}")} ({status.updates} updates)'),
        ('elapsed / ETA', f'{duration(status.wall_s)} / {duration(status.eta_s)}'),
        ('success probability', number(status.success_probability)),
        ('held-out goals', number(status.classifier_accuracy, '{:.0%}')),
        ('novelty', number(status.novelty)),
        ('deployed', evaluation_text(status.evaluation) or '-'),
    ]
