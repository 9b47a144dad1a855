# SPDX-License-Identifier: Apache-2.0
"""
The emulated bus on its own: what `r3l emulate` runs.

Prints the path of the device, then takes faults from standard input, one per line as `faults.py`
describes them, until end of file, Ctrl-C or ``quit``; ``state`` prints the servos.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
import sys
import threading
from typing import TextIO

from r3l_driver.core.config import IDS
from r3l_driver.core.control_table import table_of_model
from r3l_driver.emulator.bus import EmulatedBus
from r3l_driver.emulator.dynamics import Dynamics
from r3l_driver.emulator.faults import Fault, parse_fault, parse_schedule
from r3l_driver.emulator.pty import PtyBus
from r3l_driver.emulator.record import Record
from r3l_driver.emulator.servo import EmulatedServo
from r3l_driver.emulator.timing import WireTiming
from r3l_node.core.errors import ConfigError

DEFAULT_LINK = Path('/tmp/r3l_bus')


def make_bus(
    ids: Sequence[int] = IDS,
    model: str = 'XM430-W210',
    *,
    baud: int = 1_000_000,
    timing: bool = True,
    firmware: int = 45,
    angles: Sequence[float] | None = None,
    settings: Mapping[str, int] | None = None,
    dynamics: Dynamics | None = None,
    record: Record | None = None,
    schedule: Sequence[tuple[float, Fault]] = (),
    seed: int = 0,
) -> EmulatedBus:
    """
    Make a bus of equal servos that listen at the speed of the bus.

    :param ids: of the servos, in the order of the simulator's arrays.
    :param model: of all servos.
    :param baud: bits per second.
    :param timing: whether bytes and return delays take their time.
    :param firmware: version of all servos.
    :param angles: of the shafts [rad], by default 0.
    :param settings: EEPROM items that differ from the factory's.
    :param dynamics: the simulator of the mechanics, by default free shafts.
    :param record: the emulator's own record.
    :param schedule: emulated times [s] and faults.
    :param seed: of the faults that are left to chance.
    """
    table = table_of_model(model)
    angles = angles if angles is not None else [0.0] * len(ids)
    servos = [
        EmulatedServo(table, ident, baud=baud, firmware=firmware, angle=angle, settings=settings)
        for ident, angle in zip(ids, angles, strict=True)
    ]
    wire = WireTiming(baud, timing)
    return EmulatedBus(servos, dynamics, timing=wire, record=record, schedule=schedule, seed=seed)


def emulate(
    link: Path = DEFAULT_LINK,
    ids: Sequence[int] = IDS,
    model: str = 'XM430-W210',
    baud: int = 1_000_000,
    *,
    timing: bool = True,
    return_delay: int = 0,
    firmware: int = 45,
    schedule: Path | None = None,
    record: Path | None = None,
    seed: int = 0,
    commands: Iterable[str] | None = None,
    output: TextIO | None = None,
) -> int:
    """
    Serve an emulated bus in real time until the commands end, then take the device away.

    :param link: path of the device.
    :param ids: of the servos.
    :param model: of all servos.
    :param baud: bits per second that they listen at.
    :param timing: whether bytes and return delays take their time.
    :param return_delay: register value of all servos [2 us].
    :param firmware: version of all servos.
    :param schedule: file of faults, see `faults.parse_schedule`.
    :param record: file that the emulator's own record is appended to.
    :param seed: of the faults that are left to chance.
    :param commands: lines; by default standard input.
    :param output: by default standard output.
    :return: exit status.
    :raises ConfigError: for a setting that makes no sense.
    """
    out = output or sys.stdout
    faults = parse_schedule(schedule.read_text(encoding='utf-8')) if schedule else []
    with Record(record) as log:
        bus = make_bus(
            ids,
            model,
            baud=baud,
            timing=timing,
            firmware=firmware,
            settings={'return_delay_time': return_delay},
            record=log,
            schedule=faults,
            seed=seed,
        )
        with PtyBus(bus, link) as pty:
            print(
                f'{len(ids)} {model} at {baud} baud: {link} -> {pty.device}', file=out, flush=True
            )
            try:
                for line in sys.stdin if commands is None else commands:
                    if not obey(pty, line, out):
                        break
                else:
                    if commands is None and not sys.stdin.isatty():
                        # Started without a terminal: until a signal.
                        threading.Event().wait()
            except KeyboardInterrupt:
                pass
    return 0


def obey(pty: PtyBus, line: str, out: TextIO) -> bool:
    """
    Do one typed command; mistakes are told, not raised.

    :return: False for the command to end.
    """
    word = line.strip()
    if word in ('quit', 'exit'):
        return False
    try:
        if word == 'state':
            print(describe(pty), file=out, flush=True)
        elif word:
            fault = parse_fault(word)
            pty.inject(fault)
            print(f'begun: {fault}', file=out, flush=True)
    except ConfigError as error:
        print(error, file=out, flush=True)
    return True


def describe(pty: PtyBus) -> str:
    """Return one line per servo: position, torque, temperature, hardware error."""
    with pty.lock:
        lines = [
            f'{servo.ident:3d}: {servo.ticks(servo.angle):5d} ticks, '
            f'torque {"on" if servo.torque_on else "off"}, '
            f'{servo.heat.temperature:.0f} degC, {servo.voltage:.1f} V, '
            f'hardware error 0x{servo.hardware_error:02x}, '
            f'watchdog {servo.registers.get("bus_watchdog")}'
            for servo in pty.bus.servos
        ]
        return '\n'.join([f'{pty.link} -> {pty.device or "unplugged"}', *lines])
