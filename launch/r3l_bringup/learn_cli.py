# SPDX-License-Identifier: Apache-2.0
"""The command of ``r3l`` that learns from recordings alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def add_learning(app: typer.Typer) -> None:
    """Add the command to ``r3l``."""
    app.command()(pretrain)


def pretrain(
    recordings: Annotated[
        list[Path], typer.Argument(metavar='BAG_OR_RUN...', help='Bags or run folders.')
    ],
    out: Annotated[Path, typer.Option(help='New folder to write into.')],
    goals: Annotated[
        Path | None, typer.Option(help='Folder of goal images, for a first classifier.')
    ] = None,
    images: Annotated[
        int, typer.Option(min=2, help='Images that the VAE is trained on, at most.')
    ] = 20_000,
    profile: Annotated[str, typer.Option(help='modern or faithful.')] = 'modern',
    seed: Annotated[int, typer.Option(min=0, help='Seed.')] = 0,
    sets: Annotated[
        list[str] | None, typer.Option('--set', help='NODE.PARAM=VALUE, as for r3l train.')
    ] = None,
) -> None:
    """Train the encoder, and with goals a classifier, on recordings; for train --pretrained."""
    from r3l_bringup.config import Request
    from r3l_bringup.pretrain import pretrain as run_pretraining

    request = Request(profile=profile, seed=seed, sets=tuple(sets or ()))
    run_pretraining(recordings, out, goals, request, images)
