# SPDX-License-Identifier: Apache-2.0
"""The commands of ``r3l`` for a person at the bench."""

from __future__ import annotations

from pathlib import Path
import sys
from typing import Annotated

import typer

SetOption = Annotated[
    list[str] | None, typer.Option('--set', help='NODE.PARAM=VALUE, as for r3l train.')
]
FileOption = Annotated[Path | None, typer.Option('--calibration', help='File of r3l calibrate.')]
PortOption = Annotated[
    str | None, typer.Option(help='Serial device [parameter port of the driver].')
]


def add_commands(app: typer.Typer) -> None:
    """Add the commands to ``r3l``."""
    app.command('find-port')(find_port)
    app.command('find-camera')(find_camera)
    app.command()(check)
    app.command()(calibrate)
    app.command()(emulate)
    app.command()(drill)


def find_port(
    port: Annotated[
        list[str] | None, typer.Option(help='Ask this device only; may be repeated.')
    ] = None,
    baud: Annotated[
        list[int] | None, typer.Option(help='Try this speed only [bit/s]; may be repeated.')
    ] = None,
) -> None:
    """List serial adapters, and ping all servos at the usual speeds; code 1: none answers."""
    from r3l_bringup.find_port import find_port as find
    from r3l_driver.core.discovery import BAUD_RATES

    raise typer.Exit(0 if find(port or (), baud or BAUD_RATES) else 1)


def find_camera(
    out: Annotated[Path | None, typer.Option(help='Folder of the pictures [cameras].')] = None,
) -> None:
    """List cameras and write a picture of each; code 1: none gives one."""
    from r3l_bringup.find_camera import find_camera as find

    raise typer.Exit(0 if find(out) else 1)


def check(
    port: PortOption = None,
    calibration: FileOption = None,
    write: Annotated[
        bool, typer.Option('--write', help='Set the EEPROM of the servos right.')
    ] = False,
    camera: Annotated[bool, typer.Option(help='Look at the camera too.')] = True,
    sets: SetOption = None,
) -> None:
    """Say whether the hand may have torque, and what to do if not; code 1: refused."""
    from r3l_bringup.check import check as look
    from r3l_bringup.hand_bus import hand, HandError

    found = hand(port, calibration, sets or ())
    try:
        good = look(found, write=write, camera=camera)
    except HandError as error:
        print(f'r3l: {error}', file=sys.stderr)
        good = False
    raise typer.Exit(0 if good else 1)


def calibrate(
    out: Annotated[Path, typer.Option(help='File to write.')] = Path('calibration.yaml'),
    port: PortOption = None,
    sets: SetOption = None,
) -> None:
    """Find the zeros and directions of the joints; torque is off, a person poses the hand."""
    from r3l_bringup.calibrate import calibrate as lead
    from r3l_bringup.hand_bus import hand

    lead(hand(port, None, sets or ()), out)


def emulate(
    link: Annotated[Path, typer.Option(help='Path of the device.')] = Path('/tmp/r3l_bus'),
    model: Annotated[str, typer.Option(help='Model of all servos.')] = 'XM430-W210',
    baud: Annotated[int, typer.Option(help='Speed of the bus [bit/s].')] = 1_000_000,
    timing: Annotated[bool, typer.Option(help='Bytes take their time on the wire.')] = True,
    schedule: Annotated[Path | None, typer.Option(help='File of faults and their times.')] = None,
    record: Annotated[Path | None, typer.Option(help="File for the emulator's record.")] = None,
    seed: Annotated[int, typer.Option(min=0, help='Seed of random faults.')] = 0,
) -> None:
    """Serve nine emulated servos at a serial device; faults are typed, quit ends."""
    from r3l_driver.emulator.main import emulate as serve

    code = serve(
        link, model=model, baud=baud, timing=timing, schedule=schedule, record=record, seed=seed
    )
    raise typer.Exit(code)


def drill(
    run: Annotated[Path, typer.Option('--run', help='New folder for the run of the drill.')],
    minutes: Annotated[float, typer.Option(min=1.0, help='Length of the drill [min].')] = 20.0,
    faults: Annotated[int, typer.Option(min=1, help='Number of faults.')] = 66,
    seed: Annotated[int, typer.Option(min=0, help='Seed of the faults.')] = 0,
) -> None:
    """Train on emulated servos while faults come; code 1: a promise was broken."""
    from r3l_bringup.drill import drill as hold

    raise typer.Exit(0 if hold(run, minutes, faults, seed).kept else 1)
