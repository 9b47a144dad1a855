# SPDX-License-Identifier: Apache-2.0
"""The plots of an experiment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use('Agg')
from matplotlib import pyplot as plt
from matplotlib.ticker import FuncFormatter
from r3l_bringup.experiment.summary import curve, Variant

# Okabe and Ito's, which the colour-blind tell apart; without their yellow, which paper swallows.
COLOURS = ('#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9')
MARKERS = ('o', 's', '^', 'D', 'v', 'P')
REFERENCE = '#444444'
DASHES = ((0, (6, 3)), (0, (2, 2)), (0, (6, 2, 1, 2)))  # of the baselines
_DPI = 120
ONE_AXES = 4  # more variants than these get axes each, against the first


def curves(groups: Sequence[Variant], baselines: Mapping[str, float], path: Path) -> bool:
    """
    Draw deployed success over env steps: mean over seeds, a band of one standard error.

    :param groups: variants of one task; the first is the one that others are compared with.
    :param baselines: success of what needs no learning, by name.
    :return: whether there was anything to draw.
    """
    drawn = [group for group in groups if curve(group)]
    if not drawn:
        return False
    if len(drawn) <= ONE_AXES:
        figure, axes = plt.subplots(figsize=(8.0, 4.2), layout='constrained')
        for index, group in enumerate(drawn):
            _line(axes, group, COLOURS[index], MARKERS[index])
        _frame(axes, baselines, name_baselines=True)
        axes.set(xlabel='env steps', ylabel='deployed success', title=groups[0].task)
        axes.legend(loc='upper left', bbox_to_anchor=(1.01, 1.0), fontsize=9, frameon=False)
    else:
        figure = _panels(drawn, baselines)
    save(figure, path)
    return True


def _panels(drawn: Sequence[Variant], baselines: Mapping[str, float]) -> Any:
    reference, *others = drawn
    columns = 3 if len(others) > 4 else 2
    rows = -(-len(others) // columns)
    figure, grid = plt.subplots(
        rows, columns, figsize=(3.4 * columns, 2.5 * rows + 0.4), sharex=True, sharey=True,
        squeeze=False, layout='constrained',
    )  # fmt: skip
    for axes in grid.flat[len(others) :]:
        axes.remove()
    for index, group in enumerate(others):
        axes = grid.flat[index]
        _line(axes, reference, REFERENCE, '')
        _line(axes, group, COLOURS[0], 'o')
        _frame(axes, baselines, name_baselines=index == 0)
        fewer = len(group.evaluated) != len(reference.evaluated)
        seeds = f' ({seed_count(group)})' if fewer else ''
        axes.set_title(short_name(group, reference) + seeds, fontsize=10)
        axes.label_outer()
        if index + columns >= len(others):  # nothing is below
            axes.tick_params(labelbottom=True)
            axes.set_xlabel('env steps')
        if index % columns == 0:
            axes.set_ylabel('deployed success')
    handles, labels = grid.flat[0].get_legend_handles_labels()
    labels[1] = 'the variant'
    figure.legend(handles, labels, loc='outside upper center', ncols=len(labels), fontsize=9,
                  frameon=False, title=reference.task)  # fmt: skip
    return figure


def _line(axes: Any, group: Variant, colour: str, marker: str) -> None:
    points = curve(group)
    steps = [step for step, _ in points]
    middle = [found.mean for _, found in points]
    error = [found.error or 0.0 for _, found in points]
    label = f'{group.name} ({seed_count(group)})'
    axes.plot(steps, middle, color=colour, marker=marker, markersize=4, linewidth=1.6, label=label)
    low = [a - b for a, b in zip(middle, error, strict=True)]
    high = [a + b for a, b in zip(middle, error, strict=True)]
    axes.fill_between(steps, low, high, color=colour, alpha=0.18, linewidth=0)


def _frame(axes: Any, baselines: Mapping[str, float], *, name_baselines: bool) -> None:
    for index, (name, value) in enumerate(baselines.items()):
        label = name if name_baselines else None
        axes.axhline(value, color='#777777', linewidth=1.2, linestyle=DASHES[index % 3],
                     label=label)  # fmt: skip
    axes.set_ylim(-0.03, 1.03)
    axes.set_xlim(left=0)
    axes.xaxis.set_major_formatter(thousands)
    axes.xaxis.set_major_locator(plt.MaxNLocator(5))
    axes.grid(alpha=0.3)


def _thousands(value: float, position: int) -> str:
    return f'{value / 1000:g}k' if value >= 1000 else f'{value:g}'


thousands = FuncFormatter(_thousands)


def short_name(group: Variant, reference: Variant) -> str:
    """Return what tells a variant from the reference."""
    return group.name.removeprefix(f'{reference.name} ')


def seed_count(group: Variant) -> str:
    """Return the number of seeds that a mean is taken of, as words."""
    count = len(group.evaluated)
    return f'{count} seed{"" if count == 1 else "s"}'


def deployed(groups: Sequence[Variant], baselines: Mapping[str, float], path: Path) -> bool:
    """
    Draw the deployed success of each variant: its mean, its standard error and every seed.

    :param groups: variants of one task.
    :param baselines: success of what needs no learning, by name.
    :return: whether there was anything to draw.
    """
    known = [(group, group.mean(lambda run: run.deployed)) for group in groups]
    rows = [(group, found) for group, found in known if found is not None]
    if len(rows) < 3:
        return False
    figure, axes = plt.subplots(figsize=(8.0, 0.34 * len(rows) + 1.5), layout='constrained')
    for place, (group, found) in enumerate(rows):
        each = [run.deployed for run in group.counted if run.deployed is not None]
        axes.plot(each, [place] * len(each), 'o', color='none', markeredgecolor=COLOURS[0],
                  markersize=5, alpha=0.7)  # fmt: skip
        axes.errorbar(found.mean, place, xerr=found.error, color=REFERENCE, marker='D',
                      markersize=5, capsize=3, linewidth=1.6)  # fmt: skip
    first = rows[0][1].mean
    axes.axvline(first, color=COLOURS[0], linewidth=1.0, alpha=0.6, label=rows[0][0].name)
    for index, (name, value) in enumerate(baselines.items()):
        axes.axvline(value, color='#777777', linewidth=1.2, linestyle=DASHES[index % 3],
                     label=name)  # fmt: skip
    axes.set_yticks(range(len(rows)), [group.name for group, _ in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set(xlim=(-0.03, 1.03), title=groups[0].task,
             xlabel='deployed success: mean ± standard error, circles: seeds')  # fmt: skip
    axes.grid(alpha=0.3, axis='x')
    axes.legend(loc='upper left', bbox_to_anchor=(1.01, 1.0), fontsize=9, frameon=False)
    save(figure, path)
    return True


def save(figure: Any, path: Path) -> None:
    """Write a figure in one step and close it."""
    part = path.with_suffix('.part.png')
    figure.savefig(part, dpi=_DPI)
    plt.close(figure)
    part.rename(path)
