# SPDX-License-Identifier: Apache-2.0
"""Which serial adapters there are, and which servos answer behind them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from r3l_driver.core.control_table import TABLES

# The speed of the driver first, then that of the factory, then the other usual ones [bit/s].
BAUD_RATES = (1_000_000, 57_600, 2_000_000, 3_000_000, 4_000_000, 115_200)
KINDS = ('ttyUSB*', 'ttyACM*')


@dataclass(frozen=True, slots=True)
class Adapter:
    """
    A serial adapter.

    :param path: of its device; changes with the order of plugging in.
    :param names: lasting names in serial/by-id, and other links to the device.
    :param latency: timer of an FTDI chip [ms]; None: it has none.
    """

    path: Path
    names: tuple[Path, ...]
    latency: int | None

    @property
    def best(self) -> Path:
        """The name to write into a configuration."""
        return self.names[0] if self.names else self.path


@dataclass(frozen=True, slots=True)
class Answer:
    """
    A servo that answers.

    :param baud: speed at which it does [bit/s].
    :param id: its bus id.
    :param model_number: what it is.
    :param firmware: its version.
    """

    baud: int
    id: int
    model_number: int
    firmware: int

    @property
    def model(self) -> str:
        """Name of the model, or its number where R3L has no control table of it."""
        names = {table.number: name for name, table in TABLES.items()}
        return names.get(self.model_number, f'model number {self.model_number}')


def adapters(dev: Path = Path('/dev'), sys: Path = Path('/sys')) -> list[Adapter]:
    """
    List the serial adapters of this computer.

    :param dev: where the devices are.
    :param sys: where the kernel tells about them.
    """
    devices = sorted(
        device for kind in KINDS for device in dev.glob(kind) if not device.is_symlink()
    )
    links = [*sorted((dev / 'serial' / 'by-id').glob('*')), *sorted(dev.glob('tty*'))]
    links = [link for link in links if link.is_symlink()]
    return [
        Adapter(
            device,
            tuple(link for link in links if link.resolve() == device.resolve()),
            latency_timer(device, sys),
        )
        for device in devices
    ]


def latency_timer(port: Path, sys: Path = Path('/sys')) -> int | None:
    """
    Return the latency timer of a serial adapter [ms]; None where it has none.

    :param port: its device, or a link to it.
    :param sys: where the kernel tells about devices.
    """
    file = sys / 'bus' / 'usb-serial' / 'devices' / port.resolve().name / 'latency_timer'
    try:
        return int(file.read_text(encoding='ascii'))
    except (OSError, ValueError):
        return None


def scan(
    ping_all: Callable[[int], Iterable[tuple[int, int, int]]],
    bauds: Sequence[int] = BAUD_RATES,
) -> Iterator[Answer]:
    """
    Ask at one speed after another who is there.

    :param ping_all: pings all ids at a speed [bit/s]; gives (id, model number, firmware) each.
    :param bauds: speeds to try [bit/s].
    """
    for baud in bauds:
        for servo, number, firmware in ping_all(baud):
            yield Answer(baud, servo, number, firmware)
