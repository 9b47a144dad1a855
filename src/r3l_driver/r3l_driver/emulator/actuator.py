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
    OperatingMode,
    VOLTAGE_UNIT,
    WATCHDOG_TRIPPED,
    WATCHDOG_UNIT,
)
from r3l_driver.emulator.motor import follow, Heat, Overload
from r3l_driver.emulator.present import FULL_PWM, Present, PresentBlock
from r3l_driver.emulator.registers import Registers
from r3l_driver.emulator.wire import Error

_POSITION_MODES = (
    OperatingMode.POSITION,
    OperatingMode.EXTENDED_POSITION,
    OperatingMode.CURRENT_BASED_POSITION,
)
_REVERSE, _TIME_BASED = 0x01, 0x04
_GAIN_UNIT = 128.0  # position_p_gain per PWM count and tick


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
        return bool(self.registers.get('torque_enable'))

    @property
    def hardware_error(self) -> int:
        """Bits of the hardware errors."""
        return self.registers.get('hardware_error_status')

    @property
    def _direction(self) -> int:
        return -1 if self.registers.get('drive_mode') & _REVERSE else 1

    def ticks(self, angle: float) -> int:
        """Return what the servo calls an angle of its shaft [rad]."""
        own = round(self._direction * angle * self._scale) + self.table.center - self._turns
        return own + self.registers.get('homing_offset')

    def _shaft(self, ticks: int) -> float:
        own = ticks - self.registers.get('homing_offset') + self._turns
        return self._direction * (own - self.table.center) / self._scale

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
        registers, table = self.registers, self.table
        mode = registers.get('operating_mode')
        driven = self.torque_on and mode in _POSITION_MODES
        self._watch(dt)
        start = self.setpoint
        if not driven:
            self.setpoint, self._speed = self.angle, 0.0
            return self.angle, self.angle, False, 0.0, 0.0
        if self._held is None:
            goal = self._shaft(registers.get('goal_position'))
            speed, acceleration = self._profile(goal)
            self.setpoint, self._speed = follow(start, self._speed, goal, dt, speed, acceleration)
        else:
            self.setpoint, self._speed = self._held, 0.0
        current_based = mode == OperatingMode.CURRENT_BASED_POSITION
        limit = abs(registers.get('goal_current' if current_based else 'current_limit'))
        pwm = abs(registers.get('goal_pwm')) / FULL_PWM
        available = pwm * table.stall_current * self.voltage / table.nominal_voltage
        counts = registers.get('position_p_gain') / _GAIN_UNIT / FULL_PWM
        stiffness = table.stall_torque * counts * self._scale
        return start, self.setpoint, True, min(limit * table.current_unit, available), stiffness

    def _profile(self, goal: float) -> tuple[float, float]:
        """Return the largest speed [rad/s] and acceleration [rad/s^2]; 0 for none."""
        registers, table = self.registers, self.table
        speed = registers.get('profile_velocity')
        acceleration = registers.get('profile_acceleration')
        if not registers.get('drive_mode') & _TIME_BASED:
            return speed * table.velocity_unit, acceleration * table.acceleration_unit
        if self._timed is None:
            # Both registers are times [ms]: of the whole way, and of its acceleration.
            ramp = min(acceleration, speed / 2) * 1e-3
            cruise = abs(goal - self.setpoint) / (speed * 1e-3 - ramp) if speed else 0.0
            self._timed = (cruise, cruise / ramp if ramp else 0.0)
        return self._timed

    def _watch(self, dt: float) -> None:
        """Let the bus watchdog count, and trip."""
        self._age += dt
        limit = self.registers.get('bus_watchdog')
        if limit > 0 and self.torque_on and self._age - self._fed > limit * WATCHDOG_UNIT:
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
        registers = self.registers
        if self._overload.advance(dt, current, self.table.stall_current):
            self.fail(HardwareError.OVERLOAD)
        if self.heat.temperature >= registers.get('temperature_limit'):
            self.fail(HardwareError.OVERHEATING)
        low, high = registers.get('min_voltage_limit'), registers.get('max_voltage_limit')
        if not low <= round(voltage / VOLTAGE_UNIT) <= high:
            self.fail(HardwareError.INPUT_VOLTAGE)
        self.refresh()

    def refresh(self, spike: int = 0) -> None:
        """
        Write the present values into their registers.

        :param spike: added to the position [ticks].
        """
        registers, direction = self.registers, self._direction
        present = Present(
            self._age,
            direction * self.velocity,
            direction * self.current,
            direction * self._speed,
            self.ticks(self.angle) + spike,
            self.ticks(self.setpoint),
            self.voltage,
            self.heat.temperature,
        )
        goal, threshold = registers.get('goal_position'), registers.get('moving_threshold')
        data = self._present.pack(present, goal, threshold, self.torque_on)
        registers.put_block(self._present.address, data)
