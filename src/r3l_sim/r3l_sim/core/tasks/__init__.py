# SPDX-License-Identifier: Apache-2.0
"""What counts as success, and where a deployed evaluation starts: one module per task."""

from r3l_sim.core.tasks.base import Coordinate as Coordinate
from r3l_sim.core.tasks.base import State as State
from r3l_sim.core.tasks.base import Task as Task
from r3l_sim.core.tasks.base import TaskError as TaskError
from r3l_sim.core.tasks.base import within as within
from r3l_sim.core.tasks.beads import BEADS
from r3l_sim.core.tasks.object import OBJECT
from r3l_sim.core.tasks.valve import VALVE

TASKS: dict[str, Task] = {task.name: task for task in (VALVE, BEADS, OBJECT)}


def task_named(name: str) -> Task:
    """
    Look a task up.

    :raises TaskError: if there is none of this name.
    """
    if name not in TASKS:
        raise TaskError(f"there is no task '{name}': expected {', '.join(TASKS)}")
    return TASKS[name]


def distance(task: str, state: State) -> float:
    """
    Return how far an object state is from the task's goal.

    :param task: name of the task.
    :param state: object state by name.
    :return: distance in the task's unit, >= 0.
    """
    return task_named(task).distance(state)
