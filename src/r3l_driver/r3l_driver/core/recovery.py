# SPDX-License-Identifier: Apache-2.0
"""Noticing servos that are not as they were, and bringing them back one step per bus cycle."""

import logging
import math

import numpy as np
from numpy.typing import NDArray
from r3l_driver.core.bus_errors import BusError
from r3l_driver.core.chain_config import Readings
from r3l_driver.core.config import DriverConfig
from r3l_driver.core.control_table import HardwareError
from r3l_driver.core.monitors import Monitors
from r3l_driver.core.safety import Condition, Fault, State
from r3l_driver.core.servos import Reboots, Servos

SHUT_DOWN = HardwareError.OVERLOAD | HardwareError.OVERHEATING | HardwareError.ELECTRICAL_SHOCK
NEEDS_PERSON = HardwareError.ELECTRICAL_SHOCK | HardwareError.ENCODER
SILENCE = 0.8  # share of the watchdog's time after which it may have tripped

_logger = logging.getLogger(__name__)

Mask = NDArray[np.bool_]


class Recovery:
    """
    Find what has happened to the servos behind the driver's back, and mend it.

    :param config: supplies periods.
    :param monitors: what the readings say.
    :param servos: what is set up.
    """

    def __init__(self, config: DriverConfig, monitors: Monitors, servos: Servos) -> None:
        self._config = config
        self._monitors = monitors
        self._servos = servos
        joints = len(config.joint_names)
        self._joints = np.arange(joints)
        self._away = np.zeros(joints, np.bool_)
        self._answered = np.zeros(joints, np.bool_)
        self._refreshes = Reboots(config)
        self._audited, self._audit_joint = -math.inf, 0
        self._looked = -math.inf  # at torque and watchdogs
        self._seen = -math.inf  # time of the last look at anything

    def look(self, readings: Readings, now: float) -> list[Condition]:
        """
        Compare the servos with what the driver left them as; after the monitors' update.

        :param readings: of this cycle.
        :param now: monotonic time [s].
        :return: what is wrong beyond what the monitors say.
        """
        servos, monitors = self._servos, self._monitors
        answered = self._answered = readings.ok | readings.restarted
        back = self._away & answered
        self._away = monitors.missing & ~answered
        for joint in self._where(back & servos.configured & readings.ok):
            if not servos.intact(joint):
                self._set_up_again(joint, Fault.SERVO_RESTARTED, 'answers again and is set up')
        for joint in self._where(readings.restarted & servos.configured):
            self._set_up_again(joint, Fault.SERVO_RESTARTED, 'has restarted by itself')
        for joint in self._where(monitors.suspect):
            self._audit(joint, Fault.SERVO_RESTARTED)
        # A servo that shut down holds no torque, whatever was switched on.
        servos.lose(((monitors.errors & SHUT_DOWN) != 0) & servos.torque)
        self._look_regularly(readings, now)
        return self._watchdogs(readings, now) + self._spent(now)

    def ready(self) -> Mask:
        """Return whose torque may come on now; at first that of the whole hand together."""
        servos, monitors = self._servos, self._monitors
        if not (servos.torque.any() or (servos.configured | monitors.missing).all()):
            return np.zeros_like(servos.torque)
        healthy = monitors.errors == 0
        able: Mask = servos.configured & monitors.fresh & ~servos.torque & healthy
        return able

    def step(self, state: State, now: float) -> None:
        """
        Reboot or set up one servo, so that the others are read again soon.

        :param state: of the hand.
        :param now: monotonic time [s].
        """
        servos, errors = self._servos, self._monitors.errors
        for joint in self._broken():
            if servos.reboots.allowed(joint, now):
                hot = errors[joint] & HardwareError.OVERHEATING
                fault = Fault.HARDWARE_OVERHEAT if hot else Fault.HARDWARE_OVERLOAD
                self.reboot(joint, now, fault, f'is rebooted after {fault.value}')
                return
        for joint in self._complaining():
            # Nothing hangs on it, so it waits until the hand is held anyway.
            if state >= State.HOLD and self._refreshes.allowed(joint, now):
                self._refreshes.add(joint, now)
                fault = Fault.HARDWARE_VOLTAGE
                self.reboot(joint, now, fault, f'is rebooted after {fault.value}', counted=False)
                return
        servos.set_up_one(self._answered & ((errors & SHUT_DOWN) == 0))

    def forgive(self, now: float) -> None:
        """Reboot the servos whose errors a person has looked at."""
        for joint in self._where((self._monitors.errors & NEEDS_PERSON) != 0):
            self.reboot(joint, now, Fault.SERVO_RESTARTED, 'is rebooted to clear its error')

    def reboot(
        self, joint: int, now: float, fault: Fault, words: str, *, counted: bool = True
    ) -> None:
        """
        Restart one servo; it is set up again once it answers.

        :param fault: shown until then.
        :param words: the same as the end of a sentence.
        :param counted: against the number of reboots that are allowed.
        """
        if counted:
            self._servos.reboots.add(joint, now)
        self._monitors.forget(self._joints == joint)
        cause = Condition(fault, f'{self._monitors.name(joint)} {words}')
        _logger.warning('%s', cause.reason)
        try:
            self._servos.reboot(joint, cause)
        except BusError as error:
            _logger.error('%s', error)  # its error bits come back: tried again

    def _look_regularly(self, readings: Readings, now: float) -> None:
        period, joints = self._config.audit_period, self._joints.size
        if now - self._audited >= period / joints:
            self._audited = now
            self._audit_joint = (self._audit_joint + 1) % joints
            # Only those that answer: waiting for one that is gone would stop the bus cycle.
            if readings.ok[self._audit_joint]:
                self._audit(self._audit_joint, Fault.SETTINGS_CHANGED)

    def _watchdogs(self, readings: Readings, now: float) -> list[Condition]:
        silence, self._seen = now - self._seen, now
        due = bool(readings.ok.all()) and now - self._looked >= self._config.audit_period
        if due:
            self._looked = now
            for joint in self._where(self._servos.torque_gone()):
                self._set_up_again(joint, Fault.SETTINGS_CHANGED, 'lost its torque by itself')
        if not due and silence < SILENCE * self._config.watchdog:
            return []
        tripped = self._servos.tripped()
        if not tripped.any():
            return []
        self._servos.rearm_watchdog(tripped)
        names = ', '.join(self._monitors.name(joint) for joint in self._where(tripped))
        return [Condition(Fault.WATCHDOG_TRIPPED, f'{names} heard nothing and stopped')]

    def _spent(self, now: float) -> list[Condition]:
        config = self._config
        return [
            Condition(
                Fault.REBOOT_LIMIT,
                f'{self._monitors.name(joint)} was rebooted {config.reboots} times in '
                f'{config.reboot_window:g} s',
            )
            for joint in self._broken()
            if not self._servos.reboots.allowed(joint, now)
        ]

    def _broken(self) -> list[int]:
        """Return the joints that a reboot brings back, when the time for it has come."""
        errors = self._monitors.errors
        if not errors.any():
            return []
        hot = ((errors & HardwareError.OVERHEATING) != 0) & (
            self._monitors.temperature > self._config.temperature_resume
        )
        return self._where(((errors & SHUT_DOWN) != 0) & ((errors & NEEDS_PERSON) == 0) & ~hot)

    def _complaining(self) -> list[int]:
        """Return the joints that only say that their voltage was wrong, and is not any more."""
        config, voltage = self._config, self._monitors.voltage
        if not self._monitors.errors.any():
            return []
        fed = (voltage >= config.voltage_low) & (voltage <= config.voltage_high)
        return self._where((self._monitors.errors == HardwareError.INPUT_VOLTAGE) & fed)

    def _audit(self, joint: int, fault: Fault) -> None:
        differences = self._servos.audit(joint)
        if differences:
            self._set_up_again(joint, fault, f'is not as it was set: {differences[0]}')

    def _set_up_again(self, joint: int, fault: Fault, words: str) -> None:
        cause = Condition(fault, f'{self._monitors.name(joint)} {words}')
        _logger.warning('%s', cause.reason)
        self._monitors.forget(self._joints == joint)
        self._servos.lose(self._joints == joint, cause)

    @staticmethod
    def _where(mask: Mask) -> list[int]:
        return [int(joint) for joint in np.flatnonzero(mask)] if mask.any() else []
