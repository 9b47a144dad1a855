# SPDX-License-Identifier: Apache-2.0
"""The plots of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use('Agg')
from matplotlib import pyplot as plt
import numpy as np

_SIZE = (7.0, 3.6)  # [inch]
_DPI = 110
_WIDE, _FOOT, _HEAD, _GAP = 9.5, 0.5, 0.1, 0.16  # of plots below each other [inch]


def learning_curve(
    evaluations: Sequence[Mapping[str, Any]], baselines: Mapping[str, float], path: Path
) -> None:
    """
    Draw deployed success over env steps.

    :param evaluations: lines of ``evaluation.jsonl``.
    :param baselines: success rate of other policies by name.
    """
    figure, axes = plt.subplots(figsize=_SIZE)
    steps = [line['env_steps'] for line in evaluations]
    marker = {'marker': '.'} if len(steps) < 60 else {}
    axes.plot(steps, [line['success_rate'] for line in evaluations], label='deployed', **marker)
    axes.plot(
        steps, [line['success_rate_strict'] for line in evaluations], label='deployed, strict',
        linewidth=1, **marker,
    )  # fmt: skip
    for index, (name, value) in enumerate(baselines.items()):
        axes.axhline(value, linestyle=(0, (4, 2 + index)), linewidth=1, color=f'C{index + 2}',
                     label=name)  # fmt: skip
    axes.set(xlabel='env steps', ylabel='success rate', ylim=(-0.02, 1.02))
    axes.legend(loc='best', fontsize=8)
    axes.grid(alpha=0.3)
    figure.tight_layout()
    save(figure, path)


def coverage(visits: Mapping[str, Any], path: Path) -> None:
    """
    Draw where the object has been, over the whole run and as the run went on.

    :param visits: what ``coverage.json`` holds, see `r3l_sim.core.coverage`.
    """
    from r3l_sim.core.coverage import maps_of

    maps = [one for one in maps_of(visits) if one['blocks']]
    figure, grid = plt.subplots(
        len(maps), 2, figsize=(9.0, 3.2 * len(maps)), width_ratios=(1, 2), squeeze=False
    )
    for (whole, course), one in zip(grid, maps, strict=True):
        if len(one['axes']) == 1:
            _line_coverage(one, visits['block_steps'], whole, course)
        else:
            _plane_coverage(one, visits['block_steps'], whole, course)
    figure.tight_layout()
    save(figure, path)


def _line_coverage(visits: Mapping[str, Any], block: int, whole: Any, course: Any) -> None:
    (axis,) = visits['axes']
    counts = np.array(visits['blocks'], dtype=float)
    total = counts.sum(axis=0)
    whole.stairs(total, axis['edges'], fill=True, orientation='horizontal')
    whole.set(
        xlabel='control steps',
        ylabel=f'{axis["name"]} [{axis["unit"]}]',
        title=f'{int((total > 0).sum())} of {len(total)} bins visited',
    )
    steps = block * np.arange(len(counts) + 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
    mesh = course.pcolormesh(steps, axis['edges'], shares.T, cmap='viridis')
    course.figure.colorbar(mesh, ax=course, label='share of the steps')
    course.set(xlabel='env steps')
    course.sharey(whole)


def _plane_coverage(visits: Mapping[str, Any], block: int, whole: Any, course: Any) -> None:
    first, second = visits['axes']
    counts = np.array(visits['blocks'], dtype=float)
    total = counts.sum(axis=0)
    shape = (len(first['edges']) - 1, len(second['edges']) - 1)
    # As the robot's camera sees it, which looks along -x: x towards the reader, y to the right.
    shown = np.ma.masked_equal(total.reshape(shape), 0.0)
    whole.pcolormesh(second['edges'], first['edges'], shown, cmap='viridis')
    whole.invert_yaxis()
    whole.set(
        xlabel=f'{second["name"]} [{second["unit"]}]',
        ylabel=f'{first["name"]} [{first["unit"]}]',
        title=f'{int((total > 0).sum())} of {len(total)} cells visited',
        aspect='equal',
    )
    steps = block * np.arange(1, len(counts) + 1)
    course.plot(steps, (counts.cumsum(axis=0) > 0).sum(axis=1), '.-', label='visited so far')
    course.plot(steps, (counts > 0).sum(axis=1), '.-', label=f'visited in {block} env steps')
    course.set(xlabel='env steps', ylabel='cells', xlim=(0, None), ylim=(0, None))
    course.legend(loc='lower right', fontsize=8)
    course.grid(alpha=0.3)


def scalars(series: Mapping[str, tuple[list[float], list[float]]], path: Path) -> None:
    """
    Draw scalars over env steps, a small plot each.

    :param series: name -> (env steps, values).
    """
    columns = 3
    rows = -(-len(series) // columns)
    figure, grid = plt.subplots(rows, columns, figsize=(9.0, 2.1 * rows), squeeze=False)
    for axes in grid.flat[len(series) :]:
        axes.remove()
    for axes, (name, (steps, values)) in zip(grid.flat, series.items(), strict=False):
        axes.plot(steps, values, linewidth=1)
        axes.set_title(name, fontsize=8)
        axes.tick_params(labelsize=7)
        axes.grid(alpha=0.3)
    figure.tight_layout()
    save(figure, path)


def new_figure(heights: Sequence[float]) -> tuple[Any, Sequence[Any]]:
    """
    Make plots below each other that share the axis of the time.

    :param heights: of each [inch].
    :return: the figure and its axes, from top to bottom.
    """
    height = sum(heights) + _FOOT + _HEAD + _GAP * (len(heights) - 1)
    figure, grid = plt.subplots(
        len(heights), 1, figsize=(_WIDE, height), sharex=True, squeeze=False,
        height_ratios=heights,
        # Fixed margins: to fit them to the text would take longer than all else.
        gridspec_kw={
            'left': 1.0 / _WIDE, 'right': 1.0 - 2.3 / _WIDE, 'bottom': _FOOT / height,
            'top': 1.0 - _HEAD / height, 'hspace': _GAP * len(heights) / sum(heights),
        },
    )  # fmt: skip
    return figure, list(grid[:, 0])


def save(figure: Any, path: Path) -> None:
    """Write a figure in one step and forget it."""
    part = path.with_suffix('.part.png')
    figure.savefig(part, dpi=_DPI)
    plt.close(figure)
    part.rename(path)
