# SPDX-License-Identifier: Apache-2.0
"""``r3l replay`` and ``r3l why``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

BagArgument = Annotated[
    Path, typer.Argument(metavar='BAG', help='MCAP file, folder of a bag, or run folder.')
]
OutOption = Annotated[Path | None, typer.Option('--out', help='Folder to write into.')]


def add_replay(app: typer.Typer) -> None:
    """Add the commands to the command line."""

    @app.command()
    def replay(
        bag: BagArgument,
        rate: Annotated[
            float | None,
            typer.Option(min=0.0, help='Times real time; 0: as fast as the nodes answer [0].'),
        ] = None,
        start: Annotated[
            str, typer.Option('--from', help='HH:MM[:SS], or seconds from the start.')
        ] = '',
        stop: Annotated[
            str, typer.Option('--to', help='HH:MM[:SS], or seconds from the start.')
        ] = '',
        nodes: Annotated[
            list[str] | None,
            typer.Option('--node', help='encoder, reward, viewer or none [encoder, reward].'),
        ] = None,
        viewer: Annotated[
            bool, typer.Option('--viewer', help='Show it to Foxglove; at --rate 1.')
        ] = False,
        viewer_port: Annotated[
            int, typer.Option(min=1, max=65535, help='TCP port of the viewer.')
        ] = 8765,
        compare: Annotated[
            Path | None,
            typer.Option(
                metavar='RUN|FILE',
                help='Without ROS: score it with the models of a run, or with one of a file.',
            ),
        ] = None,
        out: OutOption = None,
    ) -> None:
        """Play a bag into fresh encoder and reward nodes; compare what they say, or other ones."""
        if compare is not None:
            from r3l_bringup.compare import compare_bag

            compare_bag(bag, compare, start, stop, out)
            return
        from r3l_bringup.replay import replay as run_replay
        from r3l_bringup.replay import ReplayRequest

        chosen = tuple(nodes or ())
        port = viewer_port if viewer or 'viewer' in chosen else None
        raise typer.Exit(run_replay(ReplayRequest(bag, rate, start, stop, chosen, port)))

    @app.command()
    def why(
        bag: BagArgument,
        at: Annotated[str, typer.Option('--at', help='HH:MM[:SS], or seconds from the start.')],
        goals: Annotated[
            Path | None, typer.Option(help='Folder of goal images [that of the run].')
        ] = None,
        out: OutOption = None,
    ) -> None:
        """Say why the robot was rewarded as it was at a moment: image, goals, logits, action."""
        from r3l_bringup.why import explain

        print(explain(bag, at, goals, out))
