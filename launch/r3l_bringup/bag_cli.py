# SPDX-License-Identifier: Apache-2.0
"""``r3l bag``: what to do with recordings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

BagArgument = Annotated[
    Path, typer.Argument(metavar='BAG', help='MCAP file, folder of a bag, or run folder.')
]


def add_bag(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    bag = typer.Typer(help='Check and repair recordings.', no_args_is_help=True)
    app.add_typer(bag, name='bag')

    @bag.command()
    def check(path: BagArgument) -> None:
        """Read every message; say what is in it and what is wrong. Exit code 1 if anything is."""
        from r3l_bag.core.check import check as examine
        from r3l_bag.core.check import table

        verdict = examine(path)
        print(table(verdict))
        for sentence in verdict.findings:
            print(sentence)
        print('sound' if verdict.sound else f'{len(verdict.findings)} findings')
        raise typer.Exit(0 if verdict.sound else 1)

    @bag.command()
    def repair(path: BagArgument) -> None:
        """Close the files of a bag that was killed, and write its metadata.yaml."""
        from r3l_bag.core.repair import repair as mend

        for sentence in mend(path) or ['nothing to repair']:
            print(sentence)
