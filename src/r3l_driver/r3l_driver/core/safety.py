# SPDX-License-Identifier: Apache-2.0
"""
What the hand may do, as a pure function of what is wrong with it.

Every fault that is present demands a state; the most severe demand wins. Recoverable faults end
with their cause. Latched faults stay until a person clears them, and come back at once if their
cause is still there.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum


class State(IntEnum):
    """States in the order of severity, numbered as in r3l_msgs/SafetyState."""

    RUN = 1  # commands are executed
    DEGRADED = 2  # commands are executed; something needs attention
    HOLD = 3  # the measured position is held
    LIMP = 4  # torque is off
    STOP = 5  # torque is off until a person clears the fault


class Fault(Enum):
    """Codes of all faults; :data:`FAULTS` tells what each one means."""

    COMMAND_STALE = 'command_stale'
    COMMAND_INVALID = 'command_invalid'
    BUS_TIMEOUT = 'bus_timeout'
    SERVO_MISSING = 'servo_missing'
    PORT_LOST = 'port_lost'
    HARDWARE_OVERLOAD = 'hardware_overload'
    HARDWARE_OVERHEAT = 'hardware_overheat'
    HARDWARE_ELECTRICAL = 'hardware_electrical'
    HARDWARE_ENCODER = 'hardware_encoder'
    HARDWARE_VOLTAGE = 'hardware_voltage'
    TEMPERATURE_WARNING = 'temperature_warning'
    TEMPERATURE_HIGH = 'temperature_high'
    VOLTAGE_LOW = 'voltage_low'
    VOLTAGE_HIGH = 'voltage_high'
    SERVO_RESTARTED = 'servo_restarted'
    SETTINGS_CHANGED = 'settings_changed'
    ENCODER_JUMP = 'encoder_jump'
    WATCHDOG_TRIPPED = 'watchdog_tripped'
    CURRENT_HIGH = 'current_high'
    POSITION_OUTSIDE = 'position_outside'
    REBOOT_LIMIT = 'reboot_limit'
    EMERGENCY_STOP = 'emergency_stop'
    PREFLIGHT_FAILED = 'preflight_failed'
    TORQUE_OFF = 'torque_off'


@dataclass(frozen=True, slots=True)
class FaultInfo:
    """
    What there is to know about a fault.

    :param state: demanded while the fault is present.
    :param latched: stays until a person clears it.
    :param description: one line: what is wrong.
    :param promise: one line: what the driver does about it and how fast.
    """

    state: State
    latched: bool
    description: str
    promise: str


FAULTS: Mapping[Fault, FaultInfo] = {
    Fault.COMMAND_STALE: FaultInfo(
        State.HOLD, False, 'No fresh command arrives.',
        'Held within 0.3 s after a command was due; torque off after 10 s; goes on with the next '
        'command.'),
    Fault.COMMAND_INVALID: FaultInfo(
        State.DEGRADED, False, 'A command was wrong: joints, length, values, stamp or sender.',
        'Rejected whole and counted; the last good command stands until it is stale.'),
    Fault.BUS_TIMEOUT: FaultInfo(
        State.HOLD, False, 'No servo answers.',
        'Held within 0.3 s by the servos themselves; torque and settings are written again once '
        'they answer.'),
    Fault.SERVO_MISSING: FaultInfo(
        State.HOLD, False, 'Some servos do not answer; the reason names them.',
        'Held within 0.3 s; the others stay readable; a servo that returns is set up again.'),
    Fault.PORT_LOST: FaultInfo(
        State.HOLD, False, 'The serial adapter is gone or cannot be opened.',
        'The servos stop by their watchdog within 0.3 s; reopened by the configured path and '
        'armed within 5 s after its return.'),
    Fault.HARDWARE_OVERLOAD: FaultInfo(
        State.HOLD, False, 'A servo shut down because of overload.',
        'Seen within one bus cycle; that servo is rebooted, at most 3 times in 5 minutes, and '
        'goes on from where it stands.'),
    Fault.HARDWARE_OVERHEAT: FaultInfo(
        State.LIMP, False, 'A servo shut down because of heat.',
        'Torque off within two bus cycles; rebooted once it is at 55 degC.'),
    Fault.HARDWARE_ELECTRICAL: FaultInfo(
        State.STOP, True, 'A servo reports an electrical shock or too little power.',
        'Torque off within two bus cycles, until a person has looked at the wiring.'),
    Fault.HARDWARE_ENCODER: FaultInfo(
        State.STOP, True, 'A servo reports that its encoder fails.',
        'Torque off within two bus cycles, until a person has looked at the servo.'),
    Fault.HARDWARE_VOLTAGE: FaultInfo(
        State.DEGRADED, False, 'A servo reports that its supply voltage was outside its limits.',
        'Reported; the servo is rebooted when the voltage is good and the hand is held anyway.'),
    Fault.TEMPERATURE_WARNING: FaultInfo(
        State.DEGRADED, False, 'A servo is at 60 degC or more.', 'Reported; work goes on.'),
    Fault.TEMPERATURE_HIGH: FaultInfo(
        State.LIMP, False, 'A servo is at 65 degC or more.',
        'Torque off within two bus cycles; goes on at 55 degC.'),
    Fault.VOLTAGE_LOW: FaultInfo(
        State.HOLD, False, 'The supply voltage is too low.',
        'Held within 0.3 s; goes on when the voltage is good.'),
    Fault.VOLTAGE_HIGH: FaultInfo(
        State.HOLD, False, 'The supply voltage is too high.',
        'Held within 0.3 s; goes on when the voltage is good.'),
    Fault.SERVO_RESTARTED: FaultInfo(
        State.HOLD, False, 'A servo has restarted by itself and forgot its settings.',
        'Seen within 0.3 s by its clock, else within 1 s by the audit; set up again, and goes on '
        'from where it stands.'),
    Fault.SETTINGS_CHANGED: FaultInfo(
        State.HOLD, False, 'Torque, mode or limits of a servo are not what the driver wrote.',
        'Seen within 1 s; written again, and goes on from where it stands.'),
    Fault.ENCODER_JUMP: FaultInfo(
        State.HOLD, False, 'A measured position jumps faster than a servo can turn.',
        'A single value is rejected; held after 3 in a row; goes on 0.5 s after the last.'),
    Fault.WATCHDOG_TRIPPED: FaultInfo(
        State.HOLD, False, 'A servo heard nothing for 0.2 s and stopped by itself.',
        'Seen with the first cycle after the silence; cleared, and goes on from where it '
        'stands.'),
    Fault.CURRENT_HIGH: FaultInfo(
        State.HOLD, False, 'A motor takes more current than its limit allows.',
        'Held within 0.3 s, which takes the load away; goes on 1 s after the current is low.'),
    Fault.POSITION_OUTSIDE: FaultInfo(
        State.HOLD, False, 'A joint is outside its position limits.',
        'Held at its limit; goes on once the joint is inside.'),
    Fault.REBOOT_LIMIT: FaultInfo(
        State.LIMP, False, 'A servo needs more reboots than 3 in 5 minutes.',
        'Torque off within two bus cycles; the next reboot is tried when the 5 minutes allow it.'),
    Fault.EMERGENCY_STOP: FaultInfo(
        State.STOP, True, 'Someone has asked for an emergency stop.',
        'Torque off within two bus cycles, read back; also after a restart of the driver.'),
    Fault.PREFLIGHT_FAILED: FaultInfo(
        State.STOP, True, 'The check of the servos before torque refuses them.',
        'Torque never comes on; the reason says what to do; clearing the fault checks again.'),
    Fault.TORQUE_OFF: FaultInfo(
        State.LIMP, False, 'Torque is off: asked for, not armed yet, or being switched on.',
        'Comes on only from the measured position, and is read back.'),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Condition:
    """
    A fault that is present.

    :param fault: which one.
    :param reason: one sentence: what is wrong and on which joint.
    """

    fault: Fault
    reason: str

    @property
    def state(self) -> State:
        """State that the fault demands."""
        return FAULTS[self.fault].state


@dataclass(frozen=True, slots=True)
class Safety:
    """
    State of the hand and why.

    :param state: what the hand may do.
    :param cause: the condition that decides; None in RUN.
    :param since: time at which the state began [s].
    :param held_since: time at which HOLD began, also of the hold that led to LIMP; None outside.
    :param latched: conditions that wait for a person, in the order of their coming.
    :param interruptions: times that RUN or DEGRADED was left for worse.
    """

    state: State = State.LIMP
    cause: Condition | None = Condition(Fault.TORQUE_OFF, 'the driver has not started')
    since: float = 0.0
    held_since: float | None = None
    latched: tuple[Condition, ...] = ()
    interruptions: int = 0

    @property
    def code(self) -> str:
        """Code of the fault that decides; empty in RUN."""
        return '' if self.cause is None else self.cause.fault.value

    @property
    def reason(self) -> str:
        """One sentence; empty in RUN."""
        return '' if self.cause is None else self.cause.reason

    @property
    def moving(self) -> bool:
        """True where commands are executed."""
        return self.state <= State.DEGRADED


def decide(before: Safety, present: Iterable[Condition], now: float, limp_after: float) -> Safety:
    """
    Return the state that follows from what is wrong now.

    :param before: state of the last cycle.
    :param present: faults whose cause is present, in any order; a fault may be there for several
        joints.
    :param now: monotonic time [s].
    :param limp_after: time of an uninterrupted HOLD after which torque goes off [s].
    """
    found = tuple(present)
    latched = before.latched + tuple(
        condition
        for index, condition in enumerate(found)
        if FAULTS[condition.fault].latched
        and condition.fault not in {c.fault for c in before.latched + found[:index]}
    )
    cause = max((*latched, *found), key=lambda c: c.state, default=None)
    state = State.RUN if cause is None else cause.state
    held_since = before.held_since if state is State.HOLD else None
    if state is State.HOLD:
        held_since = now if held_since is None else held_since
        if now - held_since >= limp_after:
            state = State.LIMP
    kept = state is before.state
    worse = before.moving and state > State.DEGRADED
    return Safety(
        state, cause, before.since if kept else now, held_since, latched,
        before.interruptions + worse,
    )  # fmt: skip


def clear(before: Safety) -> Safety:
    """Forget all latched faults, as a person asked; what is still wrong latches again."""
    return Safety(
        before.state, before.cause, before.since, before.held_since, (), before.interruptions
    )
