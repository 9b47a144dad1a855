# SPDX-License-Identifier: Apache-2.0
"""Where the object has been in training: a histogram per block of env steps."""

import json

import numpy as np
from r3l_node.core.errors import ConfigError
from r3l_sim.core.tasks import State, Task

BINS = 36
BLOCK_STEPS = 5000
MAX_BLOCKS = 10_000  # 50 million env steps; a wrong number must not fill the memory


class CoverageError(ConfigError):
    """A coverage file that belongs to something else."""


class Coverage:
    """
    Count how often the object was in each part of its range.

    :param task: supplies the coordinate, which is the signed error, and its range.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        low, high = task.error_range
        self._edges = np.linspace(low, high, BINS + 1)
        self._blocks: list[list[int]] = []

    def add(self, state: State, env_steps: int) -> None:
        """
        Count one observation.

        :param state: object state by name.
        :param env_steps: env steps so far, which choose the block.
        """
        block = min(env_steps // BLOCK_STEPS, MAX_BLOCKS - 1)
        while len(self._blocks) <= block:
            self._blocks.append([0] * BINS)
        position = np.searchsorted(self._edges, self._task.error(state), side='right') - 1
        self._blocks[block][min(max(int(position), 0), BINS - 1)] += 1

    def to_json(self) -> str:
        """Return the histogram as JSON: edges [unit], counts by bin, and the same by block."""
        return json.dumps(
            {
                'task': self._task.name,
                'name': 'error',
                'unit': self._task.unit,
                'edges': [round(float(edge), 6) for edge in self._edges],
                'counts': [sum(column) for column in zip(*self._blocks, strict=True)],
                'block_steps': BLOCK_STEPS,
                'blocks': self._blocks,
            }
        )

    def load_json(self, text: str) -> None:
        """
        Go on counting from a saved histogram.

        :raises CoverageError: if it is not one of this task.
        """
        try:
            saved = json.loads(text)
            blocks = [[int(n) for n in row] for row in saved['blocks']]
            same = saved['task'] == self._task.name and saved['block_steps'] == BLOCK_STEPS
        except (ValueError, KeyError, TypeError) as error:
            raise CoverageError(f'not a coverage file: {error!r}') from error
        if not same or any(len(row) != BINS for row in blocks):
            raise CoverageError(f"coverage of task '{saved['task']}': expected {self._task.name}")
        self._blocks = blocks
