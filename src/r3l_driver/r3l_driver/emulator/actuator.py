# SPDX-License-Identifier: Apache-2.0
"""
What the firmware of a servo does on its own: drive the motor, watch it, and keep its registers.

Driven are the position modes (3 position, 4 extended position, 5 current-based position); in the
other modes the motor stays without torque.  Position I and D gains and feedforward are stored and
without effect.
"""

from collections.abc import Callable
import math

from r3l_driver.core.control_table import (
    HardwareError,
    VOLTAGE_UNIT,
    WATCHDOG_TRIPPED,
)
from r3l_driver.emulator.effective import Effective, effective
from r3l_driver.emulator.motor import follow, Heat, Overload
from r3l_driver.emulator.present import Present, PresentBlock
from r3l_driver.emulator.registers import Registers
from r3l_driver.emulator.wire import Error


def _ignore(event: str, **fields: object) -> None:
    """Keep no record."""


class Actuator:
    """
    Motor and firmware of one servo.

    :ivar on_event: is told ``(event, **fields)`` of what is worth a line in the record.
    :ivar angle: of the shaft [rad]; 0 where the encoder counts 2048.
    :ivar setpoint: where the profile is [rad].
    """

    def __init__(self, registers: Registers, angle: float) -> None:
        """
        Switch on.

        :param registers: the memory.
        :param angle: of the shaft [rad].
        """
        table = registers.table
        self.table = table
        self.registers = registers
        self.on_event: Callable[..., None] = _ignore
        self.angle = self.setpoint = angle
        self.velocity = self.current = 0.0
        self.voltage = table.nominal_voltage
        self.heat = Heat()
        self._overload = Overload()
        self._scale = table.ticks_per_turn / (2.0 * math.pi)
        self._present = PresentBlock(table)
        self._version = -1
        self.start()

    def start(self) -> None:
        """Do what the firmware does at power-on: all RAM is lost."""
        registers = self.registers
        registers.power_on()
        for goal, limit in (('goal_pwm', 'pwm_limit'), ('goal_current', 'current_limit')):
            registers.put(goal, registers.get(limit))
        self._fed = self._age = 0.0
        self._spike = self._spikes = 0
        self._speed = self._overload.since = 0.0
        self.setpoint = self.angle
        self._held: float | None = None
        self._timed: tuple[float, float] | None = None
        # Only the angle within one turn survives.
        self._turns = 0
        self.forget_turns()
        registers.put('goal_position', self.ticks(self.angle))

    @property
    def torque_on(self) -> bool:
        """Whether the motor is driven."""
        return self.effective.torque_on

    @property
    def hardware_error(self) -> int:
        """Bits of the hardware errors."""
        return self.registers.get('hardware_error_status')

    @property
    def effective(self) -> Effective:
        """What the registers mean for the motor now."""
        registers = self.registers
        if registers.version != self._version:
            self._version, self._effective = registers.version, effective(registers)
        return self._effective

    def ticks(self, angle: float) -> int:
        """Return what the servo calls an angle of its shaft [rad]."""
        now = self.effective
        own = round(now.direction * angle * self._scale) + self.table.center - self._turns
        return own + now.homing

    def _shaft(self, ticks: int) -> float:
        now = self.effective
        own = ticks - now.homing + self._turns
        return now.direction * (own - self.table.center) / self._scale

    def forget_turns(self) -> None:
        """Count positions from within one turn again; the motor stays where it is."""
        turn = self.table.ticks_per_turn
        own = self.ticks(self.angle) - self.registers.get('homing_offset')
        self._turns += own // turn * turn
        self._held = self.setpoint
        self.refresh()

    def feed(self) -> None:
        """Note that an instruction came: it feeds the bus watchdog."""
        self._fed = self._age

    def new_goal(self) -> None:
        """Take the goal position from its register."""
        self._held = self._timed = None

    def set_torque(self, on: bool) -> Error:
        """Switch the motor; after a shutdown only a reboot lets it be switched on."""
        registers = self.registers
        if on and self.hardware_error & registers.get('shutdown'):
            return Error.RESULT_FAIL
        if on != self.torque_on:
            registers.put('torque_enable', int(on))
            self.setpoint, self._speed, self._fed = self.angle, 0.0, self._age
            # As the real one: it sets out for the goal that stands in its register.
            self._held = self._timed = None
            self.on_event('torque', on=on)
        return Error.NONE

    def fail(self, bit: HardwareError) -> None:
        """Note a hardware error; where the shutdown mask has it, the torque goes off."""
        if self.hardware_error & bit:
            return
        self.registers.put('hardware_error_status', self.hardware_error | bit)
        shutdown = bool(bit & self.registers.get('shutdown'))
        self.on_event('hardware_error', bit=bit.name, shutdown=shutdown)
        if shutdown:
            self.set_torque(False)

    def spike(self, angle: float, reads: int) -> None:
        """Let the next reads show a false position, off by an angle [rad]."""
        self._spike, self._spikes = round(angle * self._scale), reads

    def plan(self, dt: float) -> tuple[float, float, bool, float, float]:
        """
        Move the setpoint.

        :param dt: [s].
        :return: setpoint before and after [rad], whether the motor is driven, its current limit
            [A] and its stiffness [N m/rad].
        """
        now = self.effective
        self._watch(dt, now)
        start = self.setpoint
        if not now.driven:
            self.setpoint, self._speed = self.angle, 0.0
            return self.angle, self.angle, False, 0.0, 0.0
        if self._held is None:
            goal = self._shaft(self.registers.get('goal_position'))
            speed, acceleration = self._profile(goal, now)
            self.setpoint, self._speed = follow(start, self._speed, goal, dt, speed, acceleration)
        else:
            self.setpoint, self._speed = self._held, 0.0
        available = now.pwm * self.voltage / self.table.nominal_voltage
        return start, self.setpoint, True, min(now.current, available), now.stiffness

    def _profile(self, goal: float, now: Effective) -> tuple[float, float]:
        """Return the largest speed [rad/s] and acceleration [rad/s^2]; 0 for none."""
        table, speed, acceleration = self.table, now.speed, now.acceleration
        if not now.time_based:
            return speed * table.velocity_unit, acceleration * table.acceleration_unit
        if self._timed is None:
            # Both registers are times [ms]: of the whole way, and of its acceleration.
            ramp = min(acceleration, speed / 2) * 1e-3
            cruise = abs(goal - self.setpoint) / (speed * 1e-3 - ramp) if speed else 0.0
            self._timed = (cruise, cruise / ramp if ramp else 0.0)
        return self._timed

    def _watch(self, dt: float, now: Effective) -> None:
        """Let the bus watchdog count, and trip."""
        self._age += dt
        if now.watchdog > 0 and now.torque_on and self._age - self._fed > now.watchdog:
            self.registers.put('bus_watchdog', WATCHDOG_TRIPPED)
            self._held, self._speed = self.angle, 0.0
            self.on_event('watchdog', position=self.ticks(self.angle))

    def settle(
        self, dt: float, angle: float, velocity: float, current: float, voltage: float
    ) -> None:
        """
        Take over what the mechanics did.

        :param dt: [s].
        :param angle: of the shaft [rad].
        :param velocity: [rad/s].
        :param current: of the motor [A].
        :param voltage: of the supply at the servo [V].
        """
        self.angle, self.velocity, self.current, self.voltage = angle, velocity, current, voltage
        self.heat.advance(dt, current)
        now = self.effective
        if self._overload.advance(dt, current, self.table.stall_current):
            self.fail(HardwareError.OVERLOAD)
        if self.heat.temperature >= now.hottest:
            self.fail(HardwareError.OVERHEATING)
        if not now.lowest <= round(voltage / VOLTAGE_UNIT) <= now.highest:
            self.fail(HardwareError.INPUT_VOLTAGE)
        self.refresh()

    def refresh(self, spike: int = 0) -> None:
        """
        Write the present values into their registers.

        :param spike: added to the position [ticks].
        """
        now = self.effective
        direction, offset = now.direction, self.table.center - self._turns + now.homing
        turned = direction * self._scale
        present = Present(
            self._age,
            direction * self.velocity,
            direction * self.current,
            direction * self._speed,
            round(turned * self.angle) + offset + spike,
            round(turned * self.setpoint) + offset,
            self.voltage,
            self.heat.temperature,
        )
        goal = self.registers.get('goal_position')
        data = self._present.pack(present, goal, now.threshold, now.torque_on)
        self.registers.put_block(self._present.address, data)
