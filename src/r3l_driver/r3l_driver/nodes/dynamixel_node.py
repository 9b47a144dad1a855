# SPDX-License-Identifier: Apache-2.0
"""The driver of the hand as a node."""

from collections.abc import Callable, Sequence
from concurrent.futures import TimeoutError as NotInTime
import os
from pathlib import Path
import signal
import time
from typing import TypeVar

from r3l_driver.core.bus_errors import BusError, PortBusy, PortLost
from r3l_driver.core.chain import ServoChain
from r3l_driver.core.commands import CommandError
from r3l_driver.core.config import DriverConfig
from r3l_driver.core.hand_driver import HandDriver
from r3l_driver.core.link import sentence
from r3l_driver.core.memory import Keeper
from r3l_driver.core.robot import chain_config, preflight_of, with_calibration
from r3l_driver.nodes.bus_thread import BusThread
from r3l_driver.nodes.conversions import age_of, command_of, nanoseconds, with_sender
from r3l_driver.nodes.health import Health
from r3l_driver.nodes.lockstep import Lockstep, LockstepClock
from r3l_driver.nodes.outputs import Outputs
from r3l_driver.nodes.services import Services, switch_off
from r3l_node.nodes.main import run
from r3l_node.nodes.parameters import declare
from r3l_node.nodes.qos import COMMAND
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from std_msgs.msg import Header
from trajectory_msgs.msg import JointTrajectory

T = TypeVar('T')

HOUSEKEEPING = 0.05  # [s]
ANSWER_TIMEOUT = 2.0  # of the bus thread, to a request [s]

Result = TransitionCallbackReturn


class DynamixelNode(LifecycleNode):
    """
    Drive a hand of Dynamixel servos.

    Subscribes ``joint_command`` [rad]. Publishes ``joint_states`` [rad, rad/s, N m] with every
    bus cycle, ``driver/state``, ``driver/safety`` and ``/diagnostics``. Services:
    ``driver/set_dxl_torque``, ``driver/reboot_dxl``, ``driver/clear_fault`` and
    ``driver/emergency_stop``, which is always allowed and lasts until the fault is cleared.

    Configured, the servos are watched; active, they may hold torque. With ``autostart`` the node
    gets there by itself and waits for a port that is not there yet.

    In lockstep (an emulated hand only) it also subscribes ``hand/observation``.
    """

    def __init__(self) -> None:
        super().__init__('driver')
        config = self._config = with_calibration(declare(self, DriverConfig))
        self._keeper = Keeper(Path(config.run) if config.run else None)
        self._chain = ServoChain(chain_config(config))
        self._lockstep_clock = LockstepClock(config.cycle)
        lockstep = config.pace == 'lockstep'
        self._time: Callable[[], float] = self._lockstep_clock if lockstep else time.monotonic
        self._driver = HandDriver(
            config,
            self._chain,
            self._time,
            preflight_of(self._chain, config),
            self._keeper.before.emergency_stop,
        )
        self._bus: BusThread | None = None
        self._lockstep: Lockstep | None = None
        self._refusal: PortBusy | None = None

        self._outputs = Outputs(self, config)
        self.create_subscription(
            JointTrajectory, 'joint_command', with_sender(self._on_command), COMMAND
        )
        if lockstep:
            self.create_subscription(Header, 'hand/observation', self._on_observation, COMMAND)
        self._offered = Services(self, self._driver, self._ask, self._remember)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(HOUSEKEEPING, self._on_housekeeping, clock=steady)
        self._health = Health(self, self._driver, self._chain)
        if config.autostart:
            self._start()

    def close(self) -> None:
        """Switch torque off, read back, and give the port back."""
        self._end()

    # Lifecycle.

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Open the bus, check the servos and set them up."""
        try:
            self._driver.set_up()
        except PortBusy as error:
            self._refusal = error
            self.get_logger().error(sentence(error))
            return Result.FAILURE
        except (PortLost, BusError) as error:
            self.get_logger().error(sentence(error))
            if not self._config.autostart:
                self._chain.close()
                return Result.FAILURE
        if self._config.pace == 'lockstep':
            self._lockstep = Lockstep(self._driver, self._lockstep_clock, self._after_cycle)
        else:
            self._bus = BusThread(self._driver, self._after_read)
            self._bus.start()
        self._health.bus = self._bus
        self._health.lockstep = self._lockstep
        return Result.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let torque come on, if the policy of arming says so."""
        reason = ''
        if self._config.arm == 'manual':
            reason = 'arm is manual: call driver/set_dxl_torque'
        elif self._keeper.power_was_cut and not self._config.arm_after_power_cut:
            reason = 'the power was cut while torque was on: call driver/set_dxl_torque'
        self._ask(lambda: self._driver.request_torque(not reason, reason))
        return Result.SUCCESS

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Switch torque off and read it back."""
        off = self._ask(lambda: switch_off(self._driver, 'the driver is not active'))
        return Result.SUCCESS if off else Result.FAILURE

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Give the port back."""
        self._end()
        return Result.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Switch torque off and give the port back."""
        self._end()
        return Result.SUCCESS

    def _start(self) -> None:
        if self.trigger_configure() != Result.SUCCESS:
            raise self._refusal or RuntimeError('the driver could not be configured')
        self.trigger_activate()

    def _end(self) -> None:
        bus, self._bus, self._lockstep = self._bus, None, None
        self._health.bus = self._health.lockstep = None
        if bus is not None and not bus.stop():
            self.get_logger().error('the bus thread does not end: the watchdogs of the servos act')
            return
        connected = self._chain.is_open
        self._driver.request_torque(False, 'the driver is not active')
        if connected and not self._driver.shutdown():
            self.get_logger().error('torque was not read back as off: check the hand')
        elif connected:
            self.get_logger().info('torque is off')
        self._remember()

    # Topics.

    def _on_command(self, msg: JointTrajectory, sender: bytes) -> None:
        try:
            names, positions = command_of(msg)
            if self._lockstep is not None:
                self._lockstep.command(nanoseconds(msg.header.stamp), names, positions)
                return
        except CommandError as error:
            self._rejected(error)
            return
        if self._bus is None:
            return
        received = time.monotonic()
        age = age_of(msg.header.stamp, self._outputs.now())

        def offer() -> None:
            try:
                self._driver.commands.offer(names, positions, received, age=age, source=sender)
            except CommandError as error:
                self._rejected(error)

        self._bus.post(offer)

    def _rejected(self, error: CommandError) -> None:
        self.get_logger().error(f'command dropped: {error}', throttle_duration_sec=1.0)

    def _on_observation(self, msg: Header) -> None:
        if self._lockstep is None:
            return
        if self._lockstep.observe(nanoseconds(msg.stamp)):
            self._outputs.joints(self._driver, msg.stamp)
        else:
            self._outputs.repeat()
        self._after_cycle()

    def _after_read(self, began: float) -> None:
        self._outputs.cycle(self._driver, self._chain, began)

    def _after_cycle(self) -> None:
        self._outputs.state(self._driver, self._chain, self._time())

    def _ask(self, action: Callable[[], T]) -> T | None:
        """Run something where the driver lives; None if that does not answer in time."""
        owner = self._bus or self._lockstep
        if owner is None:
            return action()
        try:
            return owner.post(action).result(ANSWER_TIMEOUT)
        except NotInTime:
            return None

    def _on_housekeeping(self) -> None:
        if self._bus is not None and self._bus.error is not None:
            raise self._bus.error
        if self._lockstep is not None:
            self._lockstep.idle()
            self._after_cycle()
        self._remember()

    def _remember(self) -> None:
        try:
            self._keeper.keep(self._driver.stopped, bool(self._driver.servos.torque.any()))
        except OSError as error:
            self.get_logger().error(f'{error}', throttle_duration_sec=60.0)


def main(args: Sequence[str] | None = None) -> None:
    """Run the node until it is stopped; torque is off then."""
    # A closed terminal must end like Ctrl-C; under nohup it must not end at all.
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    run(DynamixelNode, args)
