# SPDX-License-Identifier: Apache-2.0
"""A bus of emulated servos: bytes in, answers out; time passes when it is told to."""

from collections.abc import Callable, Sequence
from typing import Any

from r3l_driver.core.control_table import HardwareError
from r3l_driver.emulator.answers import Answer, send
from r3l_driver.emulator.dynamics import Dynamics
from r3l_driver.emulator.faults import Fault, Kind, WIRE
from r3l_driver.emulator.injector import Injector
from r3l_driver.emulator.instructions import execute, writes_goals
from r3l_driver.emulator.plant import Plant
from r3l_driver.emulator.record import Record
from r3l_driver.emulator.servo import EmulatedServo
from r3l_driver.emulator.timing import WireTiming
from r3l_driver.emulator.wire import Decoder
from r3l_node.core.errors import ConfigError

STATE_PERIOD = 0.1  # between two lines of state in the record [s]
_HARDWARE = {
    Kind.OVERLOAD: HardwareError.OVERLOAD,
    Kind.ELECTRICAL: HardwareError.ELECTRICAL_SHOCK,
    Kind.ENCODER: HardwareError.ENCODER,
}


class EmulatedBus:
    """
    Servos on one wire.  Not thread-safe: whoever drives it holds a lock.

    :ivar time: emulated time since the beginning [s].
    :ivar line_baud: speed that the host's port is set to; None: whatever the servos listen at.
    :ivar on_goals: called after each broadcast sync write of goal positions, before the packet
        behind it is looked at.
    :ivar on_plug: is told of the faults ``unplug`` and ``replug``.
    :ivar goal_range: id to the least and greatest goal position accepted so far [ticks].
    """

    def __init__(
        self,
        servos: Sequence[EmulatedServo],
        dynamics: Dynamics | None = None,
        *,
        timing: WireTiming | None = None,
        record: Record | None = None,
        schedule: Sequence[tuple[float, Fault]] = (),
        seed: int = 0,
    ) -> None:
        """
        Put servos on a wire.

        :param servos: in the order of the simulator's arrays.
        :param dynamics: the simulator of the mechanics; by default free shafts.
        :param timing: of the wire; by default 1 Mbaud with its real times.
        :param record: the emulator's own record.
        :param schedule: emulated times [s] and faults, as `faults.parse_schedule` returns them.
        :param seed: of the faults that are left to chance.
        """
        self.servos = tuple(servos)
        self.timing = timing or WireTiming()
        self.record = record or Record()
        self.plant = Plant(self.servos, dynamics)
        self.injector = Injector(seed)
        self.time = 0.0
        self.line_baud: int | None = None
        self.on_goals: Callable[[], None] | None = None
        self.on_plug: Callable[[Fault], None] | None = None
        self.goal_range: dict[int, tuple[int, int]] = {}
        self._schedule = sorted(schedule, key=lambda entry: entry[0])
        self._decoder = Decoder()
        self._by_id: dict[int, EmulatedServo] | None = None
        self._goals: dict[int, int] = {}
        self._next_state = 0.0
        for servo in self.servos:
            servo.on_event = self._listener(servo)
        idents = [servo.ident for servo in self.servos]
        if len(set(idents)) != len(idents):
            raise ConfigError(f'ids of the servos are {idents}: expected each once')

    def _listener(self, servo: EmulatedServo) -> Callable[..., None]:
        ident = servo.ident

        def tell(event: str, **fields: Any) -> None:
            nonlocal ident
            if event == 'goal':
                self._goals[ident] = fields['value']
                return
            self.record.write(event, self.time, id=ident, **fields)
            if event == 'factory_reset' or fields.get('item') == 'id':
                ident = servo.ident
                self._by_id = None

        return tell

    def servo(self, ident: int) -> EmulatedServo | None:
        """Return the servo with an id, connected or not."""
        if self._by_id is None:
            self._by_id = {servo.ident: servo for servo in self.servos}
        return self._by_id.get(ident)

    def hearing(self, ident: int) -> EmulatedServo | None:
        """Return the servo with an id if it hears the bus now."""
        servo = self.servo(ident)
        if servo is None or not servo.listening:
            return None
        if self.line_baud is not None and servo.baud != self.line_baud:
            return None
        if not self.injector.quiet and self.injector.muted(ident, self.time):
            return None
        return servo

    def feed(self, data: bytes) -> list[tuple[float, bytes]]:
        """
        Take what the host sends.

        :param data: any bytes.
        :return: delay after the arrival of `data` [s] and bytes of each answer, in order.
        """
        answers: list[tuple[float, bytes]] = []
        at = 0.0
        for packet in self._decoder.feed(data):
            at += packet.size * self.timing.byte_time
            for answer in execute(self, packet):
                at = self._send(answer, at, answers)
            self._note_goals()
            if self.on_goals is not None and writes_goals(self, packet):
                self.on_goals()
        return answers

    def _send(self, answer: Answer, at: float, answers: list[tuple[float, bytes]]) -> float:
        faults = [] if self.injector.quiet else self.injector.of_answer(answer.idents, self.time)
        for fault in faults:
            self.record.write('wire', self.time, fault=str(fault), ids=list(answer.idents))
        at += self.timing.return_delay(answer.return_delay)
        at += answer.size * self.timing.byte_time
        answers.extend(send(answer, at, faults, self.injector.flip))
        return at

    def forget_line(self) -> None:
        """Forget a packet that had only begun: the host is another one."""
        self._decoder.reset()

    def _note_goals(self) -> None:
        if not self._goals:
            return
        for ident, goal in self._goals.items():
            low, high = self.goal_range.get(ident, (goal, goal))
            self.goal_range[ident] = (min(low, goal), max(high, goal))
        if self.record.active:
            self.record.write('goal', self.time, goals=self._goals)
        self._goals = {}

    def advance(self, dt: float) -> None:
        """
        Let time pass.

        :param dt: [s].
        """
        self.time += dt
        while self._schedule and self._schedule[0][0] <= self.time:
            self.inject(self._schedule.pop(0)[1])
        sag = None
        if not self.injector.quiet:
            for fault in self.injector.expire(self.time):
                self.record.write('fault_over', self.time, fault=str(fault))
            sag = self.injector.sag(self.time)
        self.plant.advance(dt, sag)
        if self.record.active and self.time >= self._next_state:
            self._next_state = self.time + STATE_PERIOD
            self._note_state()

    def _note_state(self) -> None:
        servos = self.servos
        self.record.write(
            'state',
            self.time,
            ids=[servo.ident for servo in servos],
            position=[servo.ticks(servo.angle) for servo in servos],
            velocity=[round(servo.velocity, 3) for servo in servos],
            torque=[int(servo.torque_on) for servo in servos],
            temperature=[round(servo.heat.temperature, 1) for servo in servos],
            voltage=round(servos[0].voltage, 2) if servos else None,
        )

    def inject(self, fault: Fault) -> None:
        """
        Let a fault begin now.

        :raises ConfigError: if it names a servo that is not there.
        """
        servo = None if fault.ident is None else self.servo(fault.ident)
        if fault.ident is not None and servo is None:
            known = ', '.join(str(servo.ident) for servo in self.servos)
            raise ConfigError(f'fault is for servo {fault.ident}: expected one of {known}')
        self.record.write('fault', self.time, fault=str(fault), kind=fault.kind, id=fault.ident)
        if fault.kind in WIRE or fault.kind in (Kind.MUTE, Kind.SAG):
            self.injector.start(fault, self.time)
        elif fault.kind is Kind.CLEAR:
            for ended in self.injector.clear(fault.ident):
                self.record.write('fault_over', self.time, fault=str(ended))
        elif fault.kind in (Kind.UNPLUG, Kind.REPLUG):
            if self.on_plug is not None:
                self.on_plug(fault)
        elif servo is not None:
            _strike(servo, fault)


def _strike(servo: EmulatedServo, fault: Fault) -> None:
    """Let something go wrong inside of a servo."""
    if fault.kind is Kind.RESET:
        servo.reboot('silent_reset')
    elif fault.kind is Kind.HEAT:
        servo.heat.gun = fault.value - servo.heat.case
    elif fault.kind is Kind.SPIKE:
        servo.spike(fault.value, 1 if fault.count is None else fault.count)
    else:
        servo.fail(_HARDWARE[fault.kind])
