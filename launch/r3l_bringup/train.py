# SPDX-License-Identifier: Apache-2.0
"""Training with the process runner."""

from __future__ import annotations

from collections.abc import Iterable
import os
from pathlib import Path
import signal
import sys

from r3l_bringup import config
from r3l_bringup.config import Request
from r3l_bringup.domain import graph_environment, run_domain
from r3l_bringup.graph import NodeSpec, ros_arguments
from r3l_bringup.hardware import Values
from r3l_bringup.paths import command, module_root
from r3l_bringup.prepare import lock, prepare, Run
from r3l_bringup.process import Program
from r3l_bringup.runner import Runner
from r3l_bringup.screen import Screen
from r3l_bringup.viewer import check_viewer, how_to_look, viewer_programs
from r3l_node.core.errors import ConfigError


def programs(config_file: Path, graph: Iterable[NodeSpec]) -> list[Program]:
    """
    Return what the runner starts for a graph.

    :param config_file: ROS parameter file of the run.
    """
    return [
        Program(
            name=spec.name,
            command=[*command(spec), *ros_arguments(spec, str(config_file))],
            after=spec.after,
            respawn=spec.respawn,
            ends_run=spec.ends_run,
            nice=spec.nice,
            vital=spec.vital,
        )
        for spec in graph
    ]


def train(
    request: Request, folder: Path | None, given: bool = True, *, viewer: int | None = None
) -> int:
    """
    Train to the end, showing the screen.

    :param folder: run folder; None: a new one below ``runs`` in the current folder.
    :param given: False if the user named nothing but the folder and perhaps the steps.
    :param viewer: port on which to show the run to a browser; None: nowhere.
    :return: exit code.
    :raises ConfigError: before anything starts.
    """
    if viewer is not None:
        check_viewer(viewer)
    if given or folder is None:
        config.refuse_oracles(config.resolve(request))
    run = prepare(request, folder, Path('runs'), given)
    if (run.folder / 'checkpoints' / 'loop.safetensors').exists():
        raise ConfigError(f'{run.folder} was begun without ROS: expected --no-ros to go on')
    held = lock(run.folder)
    print(f'{"continuing" if run.resumed else "run folder"} {run.folder}', flush=True)
    say_given(run)
    try:
        with run_domain() as domain, Screen(run.folder) as screen:
            environment = graph_environment(domain) | _path_of_task(run.values)
            screen.say(f'ROS_DOMAIN_ID={environment["ROS_DOMAIN_ID"]}')
            started = programs(run.config_file, run.graph)
            if viewer is not None:
                screen.say(how_to_look(viewer))
                started += viewer_programs(run.folder, viewer, after=('monitor',))
            runner = Runner(started, run.folder, environment, screen.tick, screen.say)
            code = runner.run()
    finally:
        os.close(held)
    say_how_it_ended(run.folder, code)
    return code


def _path_of_task(values: Values) -> dict[str, str]:
    """Return the environment in which the nodes find a task of another package."""
    module = values['monitor']['task'].rpartition(':')[0]
    if not module:
        return {}
    folders = [str(module_root(module)), os.environ.get('PYTHONPATH', '')]
    return {'PYTHONPATH': os.pathsep.join(folder for folder in folders if folder)}


def say_given(run: Run) -> None:
    """Tell the user what a run was given beside its own experience."""
    for line in run.given:
        print(line, flush=True)


def say_how_it_ended(folder: Path, code: int, options: str = '') -> None:
    """
    Tell the user where the report is, or how to go on.

    :param code: exit code of the training.
    :param options: to go on with, with a space behind.
    """
    shown = folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder
    if code == 0:
        print(f'report: {shown / "report.md"}')
    elif code > 128:
        name = signal.Signals(code - 128).name
        print(f'stopped by {name}; go on with: r3l train {options}--run {shown}', file=sys.stderr)
    else:
        print(f'the run failed; its logs are in {shown / "logs"}', file=sys.stderr)
