# SPDX-License-Identifier: Apache-2.0
"""Commands about the files that a run leaves: ``r3l report`` and ``r3l export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    folder: Annotated[
        Path | None, typer.Argument(metavar='RUN', help='Folder of the run.', show_default=False)
    ] = None,
    run: Annotated[
        Path | None, typer.Option('--run', help='The same, as other commands name it.')
    ] = None,
) -> None:
    """Write the report of a run again, from its files, with the time line of the night."""
    from r3l_bringup.report import write_report
    from r3l_node.core.errors import ConfigError

    if folder is None or run is not None:
        if run is None or folder is not None:
            raise ConfigError('report was given no run or two: expected r3l report RUN')
        folder = run
    if not (folder / 'config.yaml').exists():
        raise ConfigError(f'{folder} is no run: expected a folder with config.yaml')
    print(write_report(folder))


def export(
    source: Annotated[
        Path, typer.Argument(metavar='BAG_OR_RUN', help='What was recorded.', show_default=False)
    ],
    out: Annotated[Path, typer.Option(help='Folder to write into.')],
    to: Annotated[str, typer.Option(help='Format: lerobot.')] = 'lerobot',
) -> None:
    """Write a recording in the format of another tool: a LeRobotDataset."""
    from r3l_bringup.export import export as write

    print(write(source, out, to))


def add_files(app: typer.Typer) -> None:
    """Add the commands to the ``r3l`` command."""
    for command in (report, export):
        app.command()(command)
