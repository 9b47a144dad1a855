# SPDX-License-Identifier: Apache-2.0
"""A simulated hand on an emulated bus, and its camera: what a driver finds at the other end."""

from collections.abc import Sequence
from pathlib import Path
import threading
import time

from r3l_driver.core.config import DriverConfig
from r3l_driver.core.control_table import table_of_model
from r3l_driver.core.settings import wanted_settings
from r3l_driver.emulator.faults import Fault, parse_schedule
from r3l_driver.emulator.main import make_bus
from r3l_driver.emulator.pty import PtyBus, REAL_TIME_STEP
from r3l_driver.emulator.record import Record
from r3l_node.core.errors import ConfigError
from r3l_node.nodes.diagnostics import Diagnostics, Level, Report
from r3l_node.nodes.main import run
from r3l_node.nodes.parameters import declare
from r3l_node.nodes.qos import COMMAND
from r3l_sim.core.config import HandConfig
from r3l_sim.core.scene import Scene
from r3l_sim.core.servo_dynamics import HandDynamics
from r3l_sim.core.state_file import run_file, StateKeeper
from r3l_sim.nodes.observation import HOUSEKEEPING, ObservationPublisher, SECOND
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from std_msgs.msg import Header

LINK, RECORD, STATE = 'hand.tty', 'hand_record.jsonl', 'hand_state.npz'
FIRMWARE = 45
DRIVER_FIRST = 1.5  # longest wait for the driver to let go of the device [s]
STOP_TIMEOUT = 1.0  # [s]


class HandNode(Node):
    """
    Emulate the servos, simulate hand, object and camera.

    Publishes ``camera/image_raw``, ``camera/camera_info`` and ``ground_truth``. The joints are
    the driver's, which finds the servos at the serial device ``link``.

    In lockstep time passes by one bus cycle with every goal packet. After a control period there
    is an observation: its stamp, simulation time, is published on ``hand/observation`` too, for
    the driver's joint states. In real time the camera's stamps are those of the wall clock.
    """

    def __init__(self) -> None:
        super().__init__('hand')
        self._config = config = declare(self, HandConfig)
        self._lockstep = config.pace == 'lockstep'
        self._scene = Scene(
            config.task,
            image_size=config.image_size,
            control_rate=config.control_rate,
            backend=config.backend,
            hand_model=config.hand_model,
        )
        self._period = round(SECOND / config.control_rate)
        self._cycle = 0  # bus cycles since the last observation
        self._steps = 0
        self._backend = ''
        path = run_file(config.state_file, config.run, STATE)
        self._state = StateKeeper(path, self._scene, self._period)
        self._stamp = self._state.restore(config.seed)
        if self._state.restored:
            self.get_logger().info(f'goes on from {path}')

        # In real time pictures are drawn beside the bus, which must answer meanwhile.
        self._seen = self._scene if self._lockstep else self._scene.twin()
        self._observation = ObservationPublisher(
            self, self._seen, lockstep=self._lockstep, joints=False
        )
        self._stamps = self.create_publisher(Header, 'hand/observation', COMMAND)
        self._bus = self._make_bus()
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(HOUSEKEEPING, self._on_housekeeping, clock=steady)
        if not self._lockstep:
            self.create_timer(1.0 / config.control_rate, self._on_picture, clock=steady)
        self._diagnostics = Diagnostics(self)
        self._diagnostics.add('hand', self._report)
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._serve, name='hand', daemon=True)
        self._thread.start()

    def _make_bus(self) -> PtyBus:
        config = self._config
        table = table_of_model(config.model)
        dynamics = HandDynamics(self._scene, table, config.directions, config.offsets)
        link = run_file(config.link, config.run, LINK)
        if link is None:
            raise ConfigError("hand.link is '': expected a path, or a run folder in hand.run")
        record = run_file(config.record, config.run, RECORD)
        bus = make_bus(
            config.ids,
            config.model,
            baud=config.baud_rate,
            timing=not self._lockstep,
            angles=dynamics.position.tolist(),
            firmware=FIRMWARE,
            # As "r3l check --write" leaves them.
            settings=wanted_settings(DriverConfig(model=config.model), table, FIRMWARE),
            dynamics=dynamics,
            record=Record(record),
            schedule=self._schedule(),
            seed=config.fault_seed,
        )
        pty = PtyBus(
            bus,
            link,
            lockstep=self._lockstep,
            period=1.0 / config.bus_rate if self._lockstep else REAL_TIME_STEP,
            on_step=self._on_cycle if self._lockstep else None,
        )
        self.get_logger().info(f'servos at {pty.link}')
        return pty

    def _schedule(self) -> list[tuple[float, Fault]]:
        if not self._config.faults:
            return []
        path = Path(self._config.faults)
        try:
            return parse_schedule(path.read_text(encoding='utf-8'))
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f'hand.faults is {path}: {error}') from error

    def close(self) -> None:
        """Take the device away, save the state and free the camera."""
        # At the end of a run the driver switches torque off: the servos outlive it.
        deadline = time.monotonic() + DRIVER_FIRST
        while self._bus.connected and time.monotonic() < deadline:
            time.sleep(0.02)
        self._bus.stop()
        self._thread.join(STOP_TIMEOUT)
        self._bus.close()
        self._bus.bus.record.close()
        self._state.save(self._stamp)
        if not self._lockstep:
            self._scene.close()

    def _serve(self) -> None:
        """Answer the driver; in lockstep the camera belongs to this thread, too."""
        try:
            if self._lockstep:
                with self._bus.lock:
                    self._observe()
            self._bus.run()
        except Exception as error:
            self._error = error
        finally:
            if self._lockstep:
                self._scene.close()

    def _on_cycle(self) -> None:
        self._cycle += 1
        if self._cycle >= round(self._config.cycles):
            self._stamp += self._period
            self._observe()

    def _observe(self) -> None:
        self._cycle = 0
        self._steps += 1
        self._observation.update(self._stamp)
        self._publish()
        self._backend = self._seen.backend
        with self._bus.lock:
            self._state.step(self._stamp)

    def _publish(self) -> None:
        self._observation.publish()
        if self._lockstep:
            self._stamps.publish(Header(stamp=self._observation.stamp))

    def _on_picture(self) -> None:
        with self._bus.lock:
            self._stamp = self.get_clock().now().nanoseconds
            self._seen.load_state(self._scene.save_state())
        self._observe()

    def _on_housekeeping(self) -> None:
        if self._error is not None:
            raise RuntimeError('the emulated bus failed') from self._error
        with self._bus.lock:
            if self._observation.tend():
                # Nobody was in the middle of a control period: it begins again.
                self._cycle = 0
                self._stamps.publish(Header(stamp=self._observation.stamp))

    def _report(self) -> Report:
        bus = self._bus.bus
        figures = {
            'observations': self._steps,
            'observations repeated': self._observation.repeated,
            'camera back end': self._backend,
            'emulated time [s]': f'{bus.time:.2f}',
            'device': self._bus.device or 'unplugged',
            'servos with torque': sum(servo.torque_on for servo in bus.servos),
        }
        return Level.OK, self._config.pace, figures


def main(args: Sequence[str] | None = None) -> None:
    """Run the node until it is stopped."""
    run(HandNode, args)
