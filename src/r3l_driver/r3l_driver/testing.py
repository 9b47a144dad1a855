# SPDX-License-Identifier: Apache-2.0
"""
A hand to test with, in a time of its own: no waiting, no threads, no pseudo-terminal.

Driver and emulated servos are the real ones; between them lies a port that hands the bytes over
and turns the clock forward instead of sleeping.
"""

from collections.abc import Sequence
import errno
import math
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from r3l_driver.core.bus_errors import PortBusy, PortLost
from r3l_driver.core.chain import ServoChain
from r3l_driver.core.chain_config import ChainConfig
from r3l_driver.core.config import DriverConfig
from r3l_driver.core.control_table import table_of_model
from r3l_driver.core.hand_driver import HandDriver
from r3l_driver.core.port import SerialPort
from r3l_driver.core.robot import chain_config
from r3l_driver.core.safety import State
from r3l_driver.emulator.bus import EmulatedBus
from r3l_driver.emulator.faults import parse_fault
from r3l_driver.emulator.record import Record
from r3l_driver.emulator.servo import EmulatedServo

BYTE_TIME = 10e-6  # at 1 Mbaud [s]
REPLY_TIME = 0.004  # longest wait for a reply beyond its own time [s]
STEP = 0.02  # longest step of the emulated mechanics [s]


class Events(Record):
    """A record that keeps its events in a list."""

    def __init__(self) -> None:
        super().__init__()
        self.all: list[dict[str, Any]] = []

    @property
    def active(self) -> bool:
        """Whether events are kept."""
        return True

    def write(self, event: str, emulated: float, **fields: Any) -> None:
        """Keep an event."""
        self.all.append({'t': emulated, 'event': event, **fields})

    def of(self, event: str) -> list[dict[str, Any]]:
        """Return the events of one name."""
        return [e for e in self.all if e['event'] == event]


class VirtualPort:
    """
    What a chain needs of its port, in virtual time.

    :param hand: owner of bus and clock.
    """

    def __init__(self, hand: 'VirtualHand') -> None:
        self.is_using = False
        self.path = hand.config.port
        self.stray_bytes = 0
        self.byte_time = BYTE_TIME
        self._hand = hand
        self._coming: list[tuple[float, bytes]] = []
        self._buffer = b''
        self._sent = self._deadline = hand.now

    def _check(self) -> None:
        if self._hand.port is not self:
            raise PortLost(errno.EIO, f'port is {self.path}: it has gone')

    def close(self) -> None:
        """Give the device back."""
        if self._hand.port is self:
            self._hand.port = None

    def send(self, packet: bytes) -> None:
        """Hand a packet to the servos."""
        self.clear()
        hand = self._hand
        hand.wait(0.0)
        self._coming += [(hand.now + delay, data) for delay, data in hand.bus.feed(packet)]
        self._coming.sort(key=lambda entry: entry[0])
        self._sent = hand.now + len(packet) * BYTE_TIME

    def expect(self, length: int, delay: float = 0.0) -> None:
        """Set the deadline of a reply."""
        self._deadline = self._sent + length * BYTE_TIME + delay + REPLY_TIME

    def receive(self) -> bytes:
        """Return the next bytes, or none at the deadline."""
        self._check()
        if self._buffer:
            data, self._buffer = self._buffer, b''
            return data
        return self._next(self._deadline)

    def clear(self) -> None:
        """Throw away what has arrived."""
        self._check()
        self._buffer = b''
        self._coming = [entry for entry in self._coming if entry[0] > self._hand.now]

    def drain(self, quiet: float, limit: float = 0.2) -> None:
        """Throw away what arrives until the line is quiet."""
        self.clear()
        end = self._hand.now + limit
        while self._next(min(end, self._hand.now + quiet)):
            pass

    def _next(self, deadline: float) -> bytes:
        hand = self._hand
        if self._coming and self._coming[0][0] <= deadline:
            at, data = self._coming.pop(0)
            hand.now = max(hand.now, at)
            return data
        hand.now = max(hand.now, deadline)
        return b''

    # The names of the SDK's packet layer.

    def clearPort(self) -> None:  # noqa: N802
        """Throw away what has arrived."""
        self.clear()

    def writePort(self, packet: Sequence[int]) -> int:  # noqa: N802
        """Hand a packet to the servos."""
        self.send(bytes(packet))
        return len(packet)

    def readPort(self, length: int) -> bytes:  # noqa: N802
        """Return up to so many bytes."""
        data = self.receive()
        self._buffer = data[length:]
        return data[:length]

    def isPacketTimeout(self) -> bool:  # noqa: N802
        """Whether the deadline is reached."""
        return not self._buffer and self._hand.now >= self._deadline


class VirtualHand:
    """
    Emulated servos on a bus, the driver's chain on the other end of it, and the time of both.

    :param config: of the driver; the servos are set as it expects them.
    :param angle: of all shafts at the start [rad].
    """

    def __init__(self, config: DriverConfig | None = None, angle: float = 0.2) -> None:
        self.config = config or DriverConfig()
        self.now = 100.0
        self.plugged, self.busy = True, False
        self.port: VirtualPort | None = None
        self.events = Events()
        table = table_of_model(self.config.model)
        settings = {'return_delay_time': 0, 'operating_mode': 5}
        servos = [
            EmulatedServo(table, number, angle=angle, settings=settings)
            for number in self.config.ids
        ]
        self.bus = EmulatedBus(servos, record=self.events)
        self._elapsed = self.now
        self.chain = ServoChain(chain_config(self.config), self._open, lambda: self.now)

    def driver(self, **arguments: Any) -> HandDriver:
        """Return a driver of the hand, not active yet."""
        return HandDriver(self.config, self.chain, lambda: self.now, **arguments)

    def fault(self, line: str) -> None:
        """Let a fault begin, written as the emulator takes it."""
        self.wait(0.0)
        self.bus.inject(parse_fault(line))

    def unplug(self) -> None:
        """Take the adapter away."""
        self.plugged, self.port = False, None

    def servo(self, number: int) -> EmulatedServo:
        """Return a servo by its id."""
        found = self.bus.servo(number)
        assert found is not None
        return found

    def angles(self) -> NDArray[np.float64]:
        """Return where the shafts are, shape (n,) [rad]."""
        return np.array([servo.angle for servo in self.bus.servos])

    def torque(self) -> list[bool]:
        """Return which servos hold torque."""
        return [bool(servo.torque_on) for servo in self.bus.servos]

    def wait(self, dt: float) -> None:
        """Let time pass [s]; the servos catch up with the clock."""
        self.now += dt
        behind = self.now - self._elapsed
        for _ in range(math.ceil(behind / STEP)):
            self.bus.advance(behind / math.ceil(behind / STEP))
        self._elapsed = self.now

    def run(
        self,
        driver: HandDriver,
        duration: float,
        command: Sequence[float] | NDArray[np.float64] | None = None,
    ) -> list[State]:
        """
        Let the driver work at its rate, and command it at its own.

        :param duration: [s].
        :param command: sent every control period; None: nobody commands.
        :return: the state after every cycle.
        """
        states = []
        end = self.now + duration
        due = self.now
        while self.now < end:
            began = self.now
            if command is not None and self.now >= due:
                driver.commands.offer(self.config.joint_names, np.asarray(command), self.now)
                due += self.config.command_period
            driver.cycle()
            states.append(driver.safety.state)
            self.wait(max(0.0, began + self.config.cycle - self.now))
        return states

    def _open(self, config: ChainConfig) -> SerialPort:
        if self.busy:
            raise PortBusy(f'port is {config.port}: another process drives it')
        if not self.plugged:
            raise PortLost(errno.ENOENT, f'port is {config.port}: it is not there')
        self.port = VirtualPort(self)
        return cast(SerialPort, self.port)
