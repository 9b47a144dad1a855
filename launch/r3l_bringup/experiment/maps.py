# SPDX-License-Identifier: Apache-2.0
"""Coverage maps: where the object has been in the runs of an experiment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib import pyplot as plt
from matplotlib.colors import PowerNorm
from matplotlib.ticker import MaxNLocator
import numpy as np
from numpy.typing import NDArray
from r3l_bringup.experiment.plots import save, short_name, thousands
from r3l_bringup.experiment.summary import Variant
from r3l_sim.core.coverage import maps_of

_COLUMNS = 3
Counts = NDArray[np.float64]


def coverage(groups: Sequence[Variant], path: Path) -> list[Path]:
    """
    Draw where the object has been, a panel for each variant and a file for each map of the task.

    :param groups: variants of one task.
    :param path: of the files; the names of the axes are added.
    :return: the files.
    """
    seen = [(group, _maps(group)) for group in groups]
    seen = [(group, maps) for group, maps in seen if maps]
    files = []
    for index in range(min((len(maps[0]) for _, maps in seen), default=0)):
        panels = [
            _Panel(group, [maps[index] for maps in every], short_name(group, seen[0][0]))
            for group, every in seen
        ]
        names = '_'.join(axis['name'] for axis in panels[0].axes)
        files.append(path.with_name(f'{path.stem}_{names}.png'))
        _figure(panels, files[-1])
    return files


def _maps(group: Variant) -> list[list[dict[str, Any]]]:
    """Return the maps of each seed that has any."""
    found = [maps_of(run.coverage) for run in group.counted if run.coverage]
    return [maps for maps in found if all(one['blocks'] for one in maps)]


class _Panel:
    """
    One map of one variant, mean over its seeds.

    ``shares`` of the control steps: of a map of one axis in each block of env steps, shape
    (blocks, bins); of a map of two axes over the whole run, shape (bins of axis 1, of axis 2).
    """

    def __init__(self, group: Variant, seeds: list[dict[str, Any]], name: str) -> None:
        self.axes = seeds[0]['axes']
        self.block = next(int(r.coverage['block_steps']) for r in group.counted if r.coverage)
        counts = [np.array(one['blocks'], float) for one in seeds]
        visited = np.mean([(one.sum(axis=0) > 0).sum() for one in counts])
        self.is_plane = len(self.axes) == 2
        bins = 'cells' if self.is_plane else 'bins'
        self.title = f'{name}: {visited:.0f} of {counts[0].shape[1]} {bins}'
        self.task = group.task
        if self.is_plane:
            shape = [len(axis['edges']) - 1 for axis in self.axes]
            self.shares = np.mean([_share(one.sum(axis=0)) for one in counts], 0).reshape(shape)
        else:
            self.shares = block_shares(counts, self.block)

    def draw(self, axes: Any, top: float) -> Any:
        """Draw the map; colours go up to a share of `top`."""
        # The root shows where the object is seldom beside where it is most of the time.
        look = {'norm': PowerNorm(0.5, 0.0, top), 'cmap': 'viridis'}
        axes.set_title(self.title, fontsize=10)
        if self.is_plane:
            # As the robot's camera sees it, which looks along -x: x towards the reader.
            first, second = self.axes
            axes.set(aspect='equal', xlabel=_label(second), ylabel=_label(first))
            shown = np.ma.masked_equal(self.shares, 0.0)
            return axes.pcolormesh(second['edges'], first['edges'], shown, **look)
        steps = self.block * np.arange(len(self.shares) + 1)
        axes.set(xlabel='env steps', ylabel=_label(self.axes[0]))
        axes.xaxis.set_major_formatter(thousands)
        axes.xaxis.set_major_locator(MaxNLocator(4))
        edges = self.axes[0]['edges']
        return axes.pcolormesh(steps, edges, self.shares.T, **look)


def block_shares(seeds: Sequence[Counts], steps: int) -> Counts:
    """
    Average over seeds how the control steps of each block are shared among the bins.

    :param seeds: visits of each bin in each block, shape (blocks, bins), of each seed; a last
        block of too few steps to show where the object is does not count.
    :param steps: env steps of a whole block.
    :return: shape (most blocks of a seed, bins); later blocks are of the longer seeds alone.
    """
    whole = [one[: _whole_blocks(one, steps)] for one in seeds]
    rows = [
        np.mean([_share(one[i]) for one in whole if len(one) > i], axis=0)
        for i in range(max(map(len, whole)))
    ]
    return np.array(rows)


def _whole_blocks(counts: Counts, steps: int) -> int:
    return len(counts) - (len(counts) > 1 and bool(counts[-1].sum() < steps / 2))


def _share(counts: Counts) -> Counts:
    """Return counts as shares of their sum."""
    shares: Counts = counts / max(counts.sum(), 1.0)
    return shares


def _label(axis: Mapping[str, Any]) -> str:
    return f'{axis["name"]} [{axis["unit"]}]'


def _figure(panels: Sequence[_Panel], file: Path) -> None:
    columns = min(_COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    figure, grid = plt.subplots(
        rows, columns, figsize=(3.1 * columns + 1.0, 2.4 * rows + 0.3), sharex=True, sharey=True,
        squeeze=False, layout='constrained',
    )  # fmt: skip
    used, spare = grid.flat[: len(panels)], grid.flat[len(panels) :]
    for axes in spare:
        axes.remove()
    # One bin with nearly everything must not make all others dark.
    top = float(np.quantile(np.concatenate([panel.shares.ravel() for panel in panels]), 0.99))
    for index, (axes, panel) in enumerate(zip(used, panels, strict=True)):
        mesh = panel.draw(axes, max(top, 1e-6))
        axes.label_outer()
        if index + columns >= len(panels):  # nothing is below
            axes.tick_params(labelbottom=True)
            axes.set_xlabel(_label(panel.axes[1]) if panel.is_plane else 'env steps')
    if panels[0].is_plane:
        grid.flat[0].invert_yaxis()
    of = 'the control steps' if panels[0].is_plane else f'each {panels[0].block:,} env steps'
    figure.colorbar(mesh, ax=list(used), label=f'share of {of}', extend='max', shrink=0.8)
    figure.suptitle(panels[0].task, fontsize=11)
    save(figure, file)
