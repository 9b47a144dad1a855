# SPDX-License-Identifier: Apache-2.0
"""The plot of the time line of a night."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TYPE_CHECKING

from matplotlib.ticker import FuncFormatter, MultipleLocator
import numpy as np
from r3l_bringup.plots import new_figure, save
from r3l_bringup.report_night import Night, Span

if TYPE_CHECKING:
    from r3l_bringup.report_timeline import Part

# Okabe and Ito's, which the colour-blind tell apart.
_GOOD, _BAD, _LINE, _SECOND = '#0072B2', '#D9D9D9', '#D55E00', '#009E73'
_PHASES = {
    'task': '#0072B2', 'perturbation': '#E69F00', 'homing': '#56B4E9', 'warm-up': '#009E73',
    'waiting': '#BBBBBB', 'paused': '#D55E00', 'done': '#666666', 'unknown': '#EEEEEE',
}  # fmt: skip
_TICKS = (60, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)  # [s]


def draw(night: Night, parts: Sequence[Part], path: Path) -> None:
    """
    Draw a night, one strip per question; what nothing is known about has none.

    :param parts: the rows of the table.
    """
    strips: list[tuple[float, Any]] = []
    if any(part.tries for part in parts):
        strips.append((1.6, lambda axes: _successes(axes, night, parts)))
    if night.evaluations or any(part.tries for part in parts):
        strips.append((1.5, lambda axes: _shares(axes, night, parts)))
    if night.phases:
        strips.append((1.3, lambda axes: _phases(axes, parts)))
    if night.coverage:
        strips.append((1.1, lambda axes: _coverage(axes, night)))
    if night.rates:
        strips.append((1.1, lambda axes: _rate(axes, night)))
    lanes = _lanes(night)
    strips.append(
        (0.35 + 0.24 * len(lanes), lambda axes: _events(axes, lanes, night.untimed_holds))
    )
    heights = [height for height, _ in strips]
    figure, grid = new_figure(heights)
    for (_, strip), axes in zip(strips, grid, strict=True):
        strip(axes)
        axes.tick_params(labelsize=8)
        for moment, _ in night.clock.anchors[1:]:
            axes.axvline(moment, color='black', linewidth=0.8, linestyle=(0, (4, 3)))
    _time_axis(grid[-1], night)
    save(figure, path)


def _time_axis(axes: Any, night: Night) -> None:
    step = next((s for s in _TICKS if night.wall_s <= 10 * s), _TICKS[-1])
    axes.set_xlim(0.0, night.wall_s)
    axes.xaxis.set_major_locator(MultipleLocator(step))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: night.clock.text(x)))
    label = (
        f'time of day, from {night.clock.day(0.0)}' if night.clock.known else 'h:min of the run'
    )
    if len(night.clock.anchors) > 1:
        label += '; dashed: stopped and started again'
    axes.set_xlabel(label, fontsize=9)


def _bars(axes: Any, parts: Sequence[Part], heights: Any, bottom: Any, **style: Any) -> None:
    left = [part.begin for part in parts]
    width = [part.end - part.begin for part in parts]
    axes.bar(left, heights, width, bottom=bottom, align='edge', edgecolor='white',
             linewidth=0.5, **style)  # fmt: skip


def _successes(axes: Any, night: Night, parts: Sequence[Part]) -> None:
    good = np.array([part.successes / part.hours for part in parts])
    tried = np.array([part.tries / part.hours for part in parts])
    label = 'p(success) > 0.5 at the end' if night.at_end else 'p(success) > 0.5 on average'
    _bars(axes, parts, good, 0.0, color=_GOOD, label=label)
    _bars(axes, parts, tried - good, good, color=_BAD, label='other task episodes')
    axes.set_ylabel('task episodes\nper hour', fontsize=9)
    _legend(axes)


def _shares(axes: Any, night: Night, parts: Sequence[Part]) -> None:
    tried = [part for part in parts if part.tries]
    if tried:
        axes.plot(
            [(part.begin + part.end) / 2 for part in tried],
            [part.successes / part.tries for part in tried],
            '.-', color=_GOOD, label='training (classifier)',
        )  # fmt: skip
    for index, label in ((1, 'deployed'), (2, 'deployed, strict')):
        found = [(line[0], line[index]) for line in night.evaluations if line[index] is not None]
        if found:
            style = ('o-', _LINE) if index == 1 else ('^:', _SECOND)
            axes.plot(*zip(*found, strict=True), style[0], color=style[1], markersize=4,
                      label=label)  # fmt: skip
    axes.set(ylim=(-0.03, 1.03))
    axes.set_ylabel('share of\nsuccesses', fontsize=9)
    axes.grid(alpha=0.3)
    _legend(axes)


def _phases(axes: Any, parts: Sequence[Part]) -> None:
    bottom = np.zeros(len(parts))
    for name, colour in _PHASES.items():
        share = np.array([part.phases.get(name, 0.0) for part in parts])
        if share.any():
            _bars(axes, parts, share, bottom, color=colour, label=name)
            bottom += share
    axes.set(ylim=(0.0, 1.0))
    axes.set_ylabel('share of\nthe time', fontsize=9)
    _legend(axes)


def _coverage(axes: Any, night: Night) -> None:
    moments, even, ever = zip((0.0, None, 0.0), *night.coverage, strict=True)
    axes.plot(moments[1:], even[1:], '.-', color=_SECOND, label='evenness of the visits')
    axes.plot(moments, ever, '.-', color=_GOOD, label='bins visited so far')
    axes.set(ylim=(0.0, 1.05))
    axes.set_ylabel('coverage', fontsize=9)
    axes.grid(alpha=0.3)
    _legend(axes)


def _rate(axes: Any, night: Night) -> None:
    moments, rates = zip(*night.rates, strict=True)
    axes.plot(moments, rates, linewidth=0.8, color=_GOOD)
    axes.set(ylim=(0.0, None))
    axes.set_ylabel('control\nrate [Hz]', fontsize=9)
    axes.grid(alpha=0.3)


def _lanes(night: Night) -> list[tuple[str, list[Span]]]:
    """Return a lane for each kind of event: states of the driver, deaths, interventions."""
    lanes: dict[str, list[Span]] = {}
    for span in night.held:
        lanes.setdefault(span.name.partition(' ')[0], []).append(span)
    for event in night.deaths:
        if event.wall_s is not None:
            moment = Span(event.wall_s, event.wall_s, event.name)
            lanes.setdefault(f'{event.name} died', []).append(moment)
    for event in night.interventions:
        if event.wall_s is not None:
            moment = Span(event.wall_s, event.wall_s, event.name)
            lanes.setdefault(event.name, []).append(moment)
    return list(lanes.items())


def _events(axes: Any, lanes: Sequence[tuple[str, Sequence[Span]]], untimed: int) -> None:
    for row, (_, spans) in enumerate(lanes):
        axes.broken_barh(
            [(span.begin, span.end - span.begin) for span in spans], (row - 0.35, 0.7), color=_LINE
        )
        # What lasts for seconds would be thinner than a pixel.
        axes.vlines([span.begin for span in spans], row - 0.35, row + 0.35, color=_LINE, lw=0.8)
    axes.set_yticks(range(len(lanes)), [f'{name} ({len(spans)})' for name, spans in lanes])
    if lanes:
        axes.set_ylim(len(lanes) - 0.5, -0.5)
    else:
        held = f'held {untimed} times, the time was not recorded'
        silence = held if untimed else 'no fault, no intervention'
        axes.set_yticks([])
        axes.text(0.5, 0.5, silence, transform=axes.transAxes, ha='center',
                  va='center', fontsize=8)  # fmt: skip
        axes.set_ylim(0.0, 1.0)


def _legend(axes: Any) -> None:
    axes.legend(loc='upper left', bbox_to_anchor=(1.005, 1.02), fontsize=8, frameon=False)
