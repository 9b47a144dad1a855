# SPDX-License-Identifier: Apache-2.0
"""
The driver of the hand: one bus cycle after another, without threads, clocks or ROS of its own.

Three things stand between a fault and the hand, each for when the one before cannot act:

* The driver itself goes to HOLD when no fresh command comes, by writing the measured position as
  goal, and switches torque off when that lasts (``limp_after``). It has to do this itself: its
  own reads feed the watchdogs of the servos, so a dead policy never trips them.
* A driver that is dead, stopped or cut off feeds nothing. The Bus Watchdog in every servo, armed
  with torque, then stops the motor after ``watchdog`` seconds.
* The limits written into the servos (current, speed, position) hold whatever is commanded.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from r3l_driver.core.bus_errors import PortLost
from r3l_driver.core.chain_config import Chain, Readings
from r3l_driver.core.commands import CommandGate
from r3l_driver.core.config import DriverConfig
from r3l_driver.core.link import Link, sentence
from r3l_driver.core.monitors import Monitors
from r3l_driver.core.motion import Motion
from r3l_driver.core.recovery import Recovery
from r3l_driver.core.safety import clear, Condition, decide, Fault, Safety, State
from r3l_driver.core.servos import Servos
from r3l_node.core.errors import ConfigError

OFF_TRIES = 5  # to switch torque off at the end


class RequestError(ConfigError):
    """A request that is refused; the message is one sentence."""


class HandDriver:
    """
    Keep the hand at what is commanded, within its limits, and recover from faults.

    ``commands`` takes the commands; ``safety`` is the state after the last cycle, ``readings``
    what was read in it (None: nothing).

    :param config: the parameters.
    :param chain: the servos.
    :param clock: monotonic time [s]; in lockstep bus cycles divided by their rate.
    :param preflight: called with the port open, before torque; returns the reason to refuse
        torque, empty if there is none.
    :param stopped: reason of an emergency stop that was not cleared yet; empty for none.
    """

    def __init__(
        self,
        config: DriverConfig,
        chain: Chain,
        clock: Callable[[], float],
        preflight: Callable[[], str] = lambda: '',
        stopped: str = '',
    ) -> None:
        now = clock()
        self.config = config
        self._chain = chain
        self._clock = clock
        self.commands = CommandGate(config, now)
        self.monitors = Monitors(config)
        self.servos = Servos(config, chain)
        self.motion = Motion(config)
        self.link = Link(chain, preflight)
        self._recovery = Recovery(config, self.monitors, self.servos)
        self.safety = Safety(since=now)
        self.readings: Readings | None = None
        self.stopped = stopped  # reason of an emergency stop
        self._all = np.ones(len(config.joint_names), np.bool_)
        self._off = 'the driver is not active'  # why torque may not come on
        self._clearing = False

    def emergency_stop(self, reason: str) -> None:
        """Switch torque off with the next cycle, until :meth:`clear_fault`."""
        self.stopped = reason

    def clear_fault(self) -> None:
        """Forget what waits for a person; what is still wrong comes back with the next cycle."""
        self.stopped = ''
        self._clearing = True
        self.commands.forget()

    def request_torque(self, on: bool, reason: str = '') -> None:
        """
        Allow or forbid torque.

        :param on: whether torque may come on as soon as that is safe.
        :param reason: why it may not.
        """
        self._off = '' if on else reason or 'torque was switched off by a request'

    def request_reboot(self, servo: int) -> None:
        """
        Restart one servo; it is set up again when it answers.

        :param servo: its bus id.
        :raises RequestError: while commands are executed, or for an unknown id.
        :raises PortLost: if the port has gone.
        """
        if servo not in self.config.ids:
            raise RequestError(f'id is {servo}: expected one of {list(self.config.ids)}')
        if self.safety.moving:
            raise RequestError('commands are executed: expected HOLD or worse, as after a stop')
        if not self.link.ready:
            raise RequestError(f'the servos cannot be reached: {self.link.trouble}')
        joint = self.config.ids.index(servo)
        self._recovery.reboot(joint, self._clock(), Fault.SERVO_RESTARTED, 'is rebooted as asked')

    def release(self, tries: int = 1) -> bool:
        """
        Switch torque off now; it stays off only if :attr:`safety` or a request wants that.

        :return: whether every servo was read back as off.
        """
        try:
            return self._chain.is_open and any(
                self.servos.release(self._clock(), soon=False) for _ in range(tries)
            )
        except PortLost as error:
            self.link.lose(sentence(error), self._clock())
            self._forget()
            return False

    def set_up(self) -> None:
        """
        Open the port and write the settings of all servos, without torque and without waiting.

        What fails is tried again by :meth:`cycle`.

        :raises PortBusy: if another process drives the port.
        :raises PortLost: if it is not there.
        :raises BusError: if a servo does not answer or is of another model.
        """
        self.link.open()
        self._start()
        for _ in self._all:
            if self.link.ready:
                self.servos.set_up_one(self._all)

    def cycle(self, act: bool = True) -> None:
        """
        Read, judge, and write: everything that belongs into one bus cycle.

        :param act: False to read and judge only, as for an observation in lockstep.
        """
        now = self._clock()
        try:
            if self._clearing:
                self._forgive(now)
            if self.link.keep(now):
                self._start()
            found = self._observe(now)
            wanted = self._judge(found, now)
            if act and self._chain.is_open:
                self._act(wanted, now)
        except PortLost as error:
            self.link.lose(sentence(error), now)
            self._forget()
            self._judge(self._observe(now), now)

    def shutdown(self) -> bool:
        """
        Switch torque off and close the port.

        :return: whether every servo was read back as off.
        """
        off = self.release(OFF_TRIES)
        self._chain.close()
        self._forget()
        return off

    def _start(self) -> None:
        """Begin with servos of which nothing is known."""
        self.monitors.forget(self._all)
        self._forget()

    def _forget(self) -> None:
        self.readings = None
        self.servos.lose(self._all)
        self.servos.pending.clear()

    def _forgive(self, now: float) -> None:
        self._clearing = False
        self.safety = clear(self.safety)
        self.link.clear()
        if self.link.ready:
            self._recovery.forgive(now)

    def _observe(self, now: float) -> list[Condition]:
        # Of equally severe ones the first is shown: what may be the cause of the others.
        found = self.link.conditions()
        if self.stopped:
            found.append(Condition(Fault.EMERGENCY_STOP, self.stopped))
        if self._off:
            found.append(Condition(Fault.TORQUE_OFF, self._off))
        self.readings = None
        if self.link.ready:
            readings = self.readings = self._chain.read()
            found += self.monitors.update(readings, now)
            found += self._recovery.look(readings, now)
        return found + self.commands.conditions(now)

    def _judge(self, found: list[Condition], now: float) -> State:
        """Decide what the hand is allowed, and return what it would be were its torque on."""
        limp_after = self.config.limp_after
        wanted = decide(self.safety, found, now, limp_after)
        if self.link.ready and wanted.state < State.LIMP and not self.servos.torque.all():
            causes = list(self.servos.pending.values())
            found = [*causes, *found, *self.servos.conditions(self.monitors.missing)]
        self.safety = decide(self.safety, found, now, limp_after)
        return wanted.state

    def _act(self, wanted: State, now: float) -> None:
        may = wanted < State.LIMP
        if not may:
            self.servos.release(now)
        if self.link.ready:
            self._write(self._recovery.ready() if may else ~self._all, now)
            if wanted < State.STOP:
                self._recovery.step(self.safety.state, now)

    def _write(self, arm: NDArray[np.bool_], now: float) -> None:
        """Write one goal packet; where torque is to come on, it is at the measured position."""
        if arm.any():
            self.motion.seed(self.monitors.position, arm)
        target = self.commands.target
        if self.safety.moving and target is not None:
            fresh = np.where(self.monitors.fresh, self.monitors.position, np.nan)
            # Evenly until the next command: a finger at full speed overshoots its end.
            self.motion.follow(target, fresh, self.commands.left(now))
        else:
            self.motion.hold(self.monitors.position)
        # In lockstep every cycle has its packet: it is what lets the emulated time go on.
        lockstep = self.config.pace == 'lockstep'
        mask = self._all if lockstep else self.servos.torque | arm
        if mask.any():
            self._chain.write_goals(self.motion.goal, mask)
        if arm.any():
            self.servos.arm(arm)
