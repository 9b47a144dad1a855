# SPDX-License-Identifier: Apache-2.0
"""``r3l experiment``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def add_experiment(app: typer.Typer) -> None:
    """Add the command to the command line."""

    @app.command()
    def experiment(
        file: Annotated[
            str, typer.Argument(help='YAML file, or valve_ablations, tasks or smoke.')
        ],
        out: Annotated[
            Path | None, typer.Option(help='Folder of the experiment [experiments/<name>].')
        ] = None,
        jobs: Annotated[
            int | None, typer.Option(min=1, help='Runs at a time [as many as there are cores].')
        ] = None,
        executor: Annotated[
            str, typer.Option(help='processes of this machine, or ray: a Ray cluster.')
        ] = 'processes',
        retry: Annotated[bool, typer.Option('--retry', help='Try failed runs again.')] = False,
        table: Annotated[
            bool, typer.Option('--table', help='Run nothing: table and plots of what there is.')
        ] = False,
    ) -> None:
        """Run tasks x profiles x ablations x seeds; ends with a table; goes on where it was."""
        from r3l_bringup.experiment.session import experiment as run_experiment

        raise typer.Exit(run_experiment(file, out, jobs, executor, retry=retry, table=table))
