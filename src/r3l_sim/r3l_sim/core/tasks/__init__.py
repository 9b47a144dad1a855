# SPDX-License-Identifier: Apache-2.0
"""
What counts as success, and where a deployed evaluation starts: one module per task.

A task of another package is named ``module:name``, as environments are in Gymnasium: the module
is imported, and has called `register`.
"""

from importlib import import_module

from r3l_sim.core.tasks.base import Coordinate as Coordinate
from r3l_sim.core.tasks.base import State as State
from r3l_sim.core.tasks.base import Task as Task
from r3l_sim.core.tasks.base import TaskError as TaskError
from r3l_sim.core.tasks.base import within as within
from r3l_sim.core.tasks.beads import BEADS
from r3l_sim.core.tasks.object import OBJECT
from r3l_sim.core.tasks.valve import VALVE

TASKS: dict[str, Task] = {task.name: task for task in (VALVE, BEADS, OBJECT)}


def register(task: Task) -> Task:
    """
    Make a task known by its name.

    :return: the same.
    :raises TaskError: if there is another of that name.
    """
    if TASKS.setdefault(task.name, task) is not task:
        raise TaskError(f"there is a task '{task.name}' already: expected another name")
    return task


def task_named(name: str) -> Task:
    """
    Look a task up.

    :param name: of the task; before it, with a colon, the module that registers it.
    :raises TaskError: if there is none of this name.
    """
    module, _, own = name.rpartition(':')
    if module:
        try:
            import_module(module)
        except ImportError as error:
            raise TaskError(
                f"there is no task '{name}' ({error}): expected a module that Python finds, as "
                'in PYTHONPATH'
            ) from error
    if own not in TASKS:
        known = ', '.join(TASKS)
        raise TaskError(f"there is no task '{name}': expected {known} or MODULE:NAME")
    return TASKS[own]


def distance(task: str, state: State) -> float:
    """
    Return how far an object state is from the task's goal.

    :param task: name of the task.
    :param state: object state by name.
    :return: distance in the task's unit, >= 0.
    """
    return task_named(task).distance(state)
