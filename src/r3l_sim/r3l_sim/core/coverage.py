# SPDX-License-Identifier: Apache-2.0
"""Where the object has been in training: histograms of one or two axes per block of env steps."""

from bisect import bisect_right
from collections.abc import Mapping
import json
import math
from typing import Any

import numpy as np
from r3l_node.core.errors import ConfigError
from r3l_sim.core.tasks import Coordinate, State, Task

BLOCK_STEPS = 5000
MAX_BLOCKS = 10_000  # 50 million env steps; a wrong number must not fill the memory


class CoverageError(ConfigError):
    """A coverage file that belongs to something else."""


class Coverage:
    """
    Count how often the object was in each part of its range.

    :param task: supplies the maps that are counted.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self._maps = [_Map(axes) for axes in task.maps]

    def add(self, state: State, env_steps: int) -> None:
        """
        Count one observation.

        :param state: object state by name.
        :param env_steps: env steps so far, which choose the block.
        """
        block = min(env_steps // BLOCK_STEPS, MAX_BLOCKS - 1)
        for one in self._maps:
            one.add(state, block)

    def to_json(self) -> str:
        """
        Return the histograms as JSON, a map each with its axes and ``blocks``.

        An axis has ``name``, ``unit`` and ``edges`` [unit].  A block has the counts of one map in
        ``block_steps`` env steps, of shape (bins of axis 1, bins of axis 2) in one list.
        """
        maps = [one.to_dict() for one in self._maps]
        return json.dumps({'task': self._task.name, 'block_steps': BLOCK_STEPS, 'maps': maps})

    def load_json(self, text: str) -> None:
        """
        Go on counting from saved histograms.

        :raises CoverageError: if they are not of this task.
        """
        try:
            saved = json.loads(text)
            blocks = [[[int(n) for n in row] for row in one['blocks']] for one in maps_of(saved)]
            same = saved['task'] == self._task.name and saved['block_steps'] == BLOCK_STEPS
        except (ValueError, KeyError, TypeError) as error:
            raise CoverageError(f'not a coverage file: {error!r}') from error
        if not same or len(blocks) != len(self._maps):
            raise CoverageError(f"coverage of task '{saved['task']}': expected {self._task.name}")
        for one, rows in zip(self._maps, blocks, strict=True):
            if any(len(row) != one.size for row in rows):
                raise CoverageError(f'coverage in other bins than those of {self._task.name}')
            one.blocks = rows


class _Map:
    def __init__(self, axes: tuple[Coordinate, ...]) -> None:
        self._axes = axes
        self._edges = [np.linspace(a.low, a.high, a.bins + 1).tolist() for a in axes]
        self.size = math.prod(axis.bins for axis in axes)
        self.blocks: list[list[int]] = []

    def add(self, state: State, block: int) -> None:
        while len(self.blocks) <= block:
            self.blocks.append([0] * self.size)
        index = 0
        for axis, edges in zip(self._axes, self._edges, strict=True):
            position = bisect_right(edges, axis.value(state)) - 1
            index = index * axis.bins + min(max(position, 0), axis.bins - 1)
        self.blocks[block][index] += 1

    def to_dict(self) -> dict[str, Any]:
        axes = [
            {'name': axis.name, 'unit': axis.unit, 'edges': [round(edge, 6) for edge in edges]}
            for axis, edges in zip(self._axes, self._edges, strict=True)
        ]
        return {'axes': axes, 'blocks': self.blocks}


def maps_of(saved: Mapping[str, Any]) -> list[dict[str, Any]]:
    """
    Return the maps of a coverage file, also of one from before there could be several.

    :param saved: what the file holds.
    :raises KeyError: if it is no coverage file.
    """
    if 'maps' in saved:
        maps: list[dict[str, Any]] = saved['maps']
        return maps
    axis = {name: saved[name] for name in ('name', 'unit', 'edges')}
    return [{'axes': [axis], 'blocks': saved['blocks']}]
