# SPDX-License-Identifier: Apache-2.0
"""The graph as actions of ``launch_ros``; imported by the launch files only."""

from __future__ import annotations

from collections.abc import Callable
import os
from pathlib import Path
import shutil
import sys
import tempfile

from launch import LaunchContext
from launch.action import Action
from launch.actions import (
    EmitEvent,
    ExecuteProcess,
    LogInfo,
    OpaqueFunction,
    RegisterEventHandler,
    SetEnvironmentVariable,
    Shutdown,
)
from launch.event_handlers import OnProcessExit, OnProcessIO, OnShutdown
from launch.events import Shutdown as ShutdownEvent
from launch.events.process import ProcessExited, ProcessIO
from launch_ros.actions import Node
from r3l_bringup import config
from r3l_bringup.config import Request
from r3l_bringup.domain import graph_environment
from r3l_bringup.graph import NodeSpec, READY, RESPAWN_DELAYS, RESPAWN_LIMIT
from r3l_bringup.prepare import lock, prepare
from r3l_bringup.replay import plan, ReplayRequest
from r3l_bringup.viewer import FOXGLOVE, VIEW


def training_actions(context: LaunchContext) -> list[Action]:
    """
    Prepare the run that the launch arguments ask for and return its nodes.

    :raises ConfigError: one sentence, before anything starts.
    """
    given = {name: context.launch_configurations[name] for name in _TRAIN_ARGUMENTS}
    named = config.shortcuts(given['model'], given['device'])
    request = Request(
        task=given['task'],
        profile=given['profile'],
        ablation=given['ablation'],
        steps=int(given['steps']) if given['steps'] else None,
        seed=int(given['seed']) if given['seed'] else None,
        pace=given['pace'] or None,
        hardware=given['hardware'] or None,
        driver=given['driver'] or None,
        port=given['port'] or None,
        calibration=given['calibration'] or None,
        sets=(*named, *_several(given['set'])),
        prior=_several(given['prior']),
        pretrained=given['pretrained'] or None,
    )
    config.refuse_oracles(config.resolve(request))
    run = prepare(request, Path(given['run']) if given['run'] else None, Path('runs'))
    # Kept open, and so locked, until the launch process ends.
    lock(run.folder)
    return [
        LogInfo(msg=f'run folder {run.folder}'),
        *(LogInfo(msg=line) for line in run.given),
        *_environment(),
        *_graph_actions(run.config_file, run.graph),
    ]


def _several(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(';') if part.strip())


_TRAIN_ARGUMENTS = (
    'task', 'profile', 'ablation', 'steps', 'seed', 'run', 'pace', 'hardware', 'driver', 'port',
    'calibration', 'model', 'device', 'prior', 'pretrained', 'set',
)  # fmt: skip


def evaluation_actions(context: LaunchContext) -> list[Action]:
    """Return the evaluation that the launch arguments ask for."""
    command = [sys.executable, '-m', 'r3l_bringup', 'evaluate']
    for name in ('run', 'starts', 'seed', 'policy'):
        command += [f'--{name}', context.launch_configurations[name]]
    return [ExecuteProcess(cmd=command, output='screen', on_exit=[Shutdown()])]


def replay_actions(context: LaunchContext) -> list[Action]:
    """
    Return the nodes of the replay that the launch arguments ask for.

    :raises ConfigError: one sentence, before anything starts.
    """
    given = context.launch_configurations
    request = ReplayRequest(
        Path(given['bag']).expanduser(),
        float(given['rate']) if given['rate'] else None,
        given['from'],
        given['to'],
        _several(given['nodes']),
    )
    chosen = plan(request)
    folder = tempfile.mkdtemp(prefix='r3l_replay_')
    return [
        *_environment(),
        *_graph_actions(chosen.write(Path(folder)), chosen.graph),
        *(_viewer(chosen.run) if 'viewer' in request.nodes else ()),
        RegisterEventHandler(OnShutdown(on_shutdown=lambda *_: shutil.rmtree(folder))),
    ]


def _viewer(run: Path | None) -> list[Action]:
    parameters = {VIEW: {'run': str(run)} if run is not None else {}, FOXGLOVE: {}}
    return [
        Node(package=s.package, executable=s.executable, name=s.name, parameters=[values])
        for s, values in parameters.items()
    ]


def _environment() -> list[Action]:
    # The domain stays the user's: other tools of the machine shall see the graph.
    wanted = graph_environment(int(os.environ.get('ROS_DOMAIN_ID', '0')))
    return [
        SetEnvironmentVariable(name, value)
        for name, value in wanted.items()
        if os.environ.get(name) != value and name != 'ROS_DOMAIN_ID'
    ]


def _graph_actions(config_file: Path, graph: tuple[NodeSpec, ...]) -> list[Action]:
    nodes = {spec.name: _node(spec, config_file) for spec in graph}
    actions: list[Action] = [nodes[spec.name] for spec in graph if not spec.after]
    waiting = [_StartWhenReady(spec, nodes) for spec in graph if spec.after]
    actions += [RegisterEventHandler(handler) for handler in waiting]
    # What the run can do without is not waited for once it has died.
    actions += [
        RegisterEventHandler(
            OnProcessExit(target_action=nodes[spec.name], on_exit=handler.on_death)
        )
        for spec in graph
        if not spec.vital
        for handler in waiting
    ]
    actions += [
        RegisterEventHandler(
            OnProcessExit(target_action=nodes[spec.name], on_exit=_end_of(spec.name))
        )
        for spec in graph
        if spec.ends_run
    ]
    return actions


def _node(spec: NodeSpec, config_file: Path) -> Node:
    return Node(
        package=spec.package,
        executable=spec.executable,
        name=spec.name,
        parameters=[str(config_file)],
        output='screen' if spec.ends_run else 'log',
        respawn=spec.respawn and not spec.ends_run,
        respawn_delay=RESPAWN_DELAYS[0],
        respawn_max_retries=RESPAWN_LIMIT,
        prefix=f'nice -n {spec.nice}' if spec.nice else None,
    )


class _StartWhenReady(OnProcessIO):
    """Starts a node once every node that it waits for has said that it is ready."""

    def __init__(self, spec: NodeSpec, nodes: dict[str, Node]) -> None:
        self._waiting = {nodes[name]: name for name in spec.after}
        self._node: Node | None = nodes[spec.name]
        super().__init__(on_stdout=self._on_output, on_stderr=self._on_output)

    def _on_output(self, event: ProcessIO) -> list[Action] | None:
        lines = event.text.decode(errors='replace').splitlines()
        if any(line == READY or line.endswith(f': {READY}') for line in lines):
            return self._go_without(event.action)
        return None

    def on_death(self, event: ProcessExited, context: LaunchContext) -> list[Action] | None:
        """Wait no longer for a node that has died."""
        return self._go_without(event.action)

    def _go_without(self, action: Action) -> list[Action] | None:
        self._waiting.pop(action, None)
        if self._waiting or self._node is None:
            return None
        node, self._node = self._node, None
        return [node]


def _end_of(name: str) -> Callable[..., list[Action]]:
    def on_exit(event: object, context: LaunchContext) -> list[Action]:
        code = getattr(event, 'returncode', 0)
        what = 'the run is over' if code == 0 else f'{name} ended with code {code}'
        return [EmitEvent(event=ShutdownEvent(reason=what)), OpaqueFunction(function=_fail(code))]

    return on_exit


def _fail(code: int) -> Callable[[LaunchContext], None]:
    def function(context: LaunchContext) -> None:
        if code != 0:
            raise RuntimeError(f'the run failed with code {code}')

    return function
