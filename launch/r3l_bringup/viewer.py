# SPDX-License-Identifier: Apache-2.0
"""``r3l train --viewer``: the nodes that show a run to a browser; the run needs neither."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
import socket

from r3l_bringup.graph import NodeSpec
from r3l_bringup.paths import command
from r3l_bringup.process import Program
from r3l_bringup.viewing import file_of, LAYOUT
from r3l_node.core.errors import ConfigError

PORT = 8765
HOST = '127.0.0.1'
VIEW = NodeSpec(
    'view', 'r3l_bringup', 'view_node', 'r3l_bringup.settings:ViewConfig', nice=5, sim_time=False
)
FOXGLOVE = NodeSpec(
    'foxglove', 'r3l_bringup', 'foxglove_node', 'r3l_bringup.settings:FoxgloveConfig',
    nice=5, sim_time=False,
)  # fmt: skip


def viewer_programs(run: Path | None, port: int, after: tuple[str, ...] = ()) -> list[Program]:
    """
    Return what the runner starts beside a graph that a user wants to look at.

    :param run: absolute path of the run folder; None: without goal images.
    :param port: of the Foxglove WebSocket server.
    :param after: names of the programs to wait for.
    """
    return [
        _program(VIEW, {'run': '' if run is None else str(run)}, after),
        _program(FOXGLOVE, {'port': str(port)}, after),
    ]


def check_viewer(port: int) -> None:
    """
    Refuse before anything starts what would fail later.

    :param port: of the Foxglove WebSocket server.
    :raises ConfigError: if it is taken or the server is not installed.
    """
    if find_spec('foxglove') is None:
        raise ConfigError('--viewer needs foxglove-sdk: expected pip install foxglove-sdk==0.30.3')
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise ConfigError(
                f'port {port} of {HOST} cannot be opened ({error.strerror}): expected a free one '
                '(--viewer-port)'
            ) from error


def how_to_look(port: int) -> str:
    """
    Return the line that says how to look.

    :param port: of the Foxglove WebSocket server.
    """
    layout = file_of(*LAYOUT)
    return f'viewer: open ws://{HOST}:{port} in Foxglove or Lichtblick, import the layout {layout}'


def _program(spec: NodeSpec, parameters: dict[str, str], after: tuple[str, ...]) -> Program:
    arguments = ['--ros-args', '-r', f'__node:={spec.name}', '--disable-external-lib-logs']
    for name, value in parameters.items():
        if value:
            arguments += ['-p', f'{name}:={value}']
    return Program(
        name=spec.name,
        command=[*command(spec), *arguments],
        after=after,
        respawn=False,
        optional=True,
        nice=spec.nice,
    )
