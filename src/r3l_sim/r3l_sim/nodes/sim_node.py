# SPDX-License-Identifier: Apache-2.0
"""A simulated robot in place of the servo driver and of the camera."""

from collections.abc import Sequence
import math
from pathlib import Path
import time

import numpy as np
from numpy.typing import NDArray
from r3l_msgs.srv import SceneSet
from r3l_node.nodes.diagnostics import Diagnostics, Level, Report
from r3l_node.nodes.fields import MessageError
from r3l_node.nodes.main import run
from r3l_node.nodes.parameters import declare
from r3l_node.nodes.qos import COMMAND
from r3l_sim.core import state_file
from r3l_sim.core.config import SimConfig
from r3l_sim.core.hand import HOME, JOINT_HIGH, JOINT_LOW, JOINT_NAMES
from r3l_sim.core.scene import Scene, StateError
from r3l_sim.nodes.commands import CommandReader
from r3l_sim.nodes.observation import ObservationPublisher
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rosgraph_msgs.msg import Clock as ClockMsg
from trajectory_msgs.msg import JointTrajectory

SECOND = 10**9  # [ns]
SAVE_STEPS = 50  # control steps between two writes of the state file
HOUSEKEEPING = 0.05  # wall time between two looks at what does not belong into the loop [s]
REPEAT_AFTER = 1.0  # wall time after which an observation without an answer is repeated [s]
INFO_PERIOD = 1.0  # wall time between two camera calibrations [s]
CLOCK_QOS = 10


class SimNode(Node):
    """
    Simulate hand, object and camera.

    Publishes ``camera/image_raw``, ``camera/camera_info``, ``joint_states`` and ``ground_truth``,
    all of one observation with one stamp. Subscribes ``joint_command`` [rad].

    In lockstep the stamps are simulation time, on ``/clock`` too; only a command that carries the
    stamp of the last observation advances the simulation, by one control period. In real time the
    stamps are those of the wall clock and the last command holds until the next one.

    The service ``set_scene`` exists only with the parameter ``evaluation``.
    """

    def __init__(self) -> None:
        super().__init__('sim')
        self._config = config = declare(self, SimConfig)
        self._lockstep = config.pace == 'lockstep'
        self._scene = Scene.from_config(config)
        self._reader = CommandReader(JOINT_NAMES, JOINT_LOW, JOINT_HIGH)
        self._period = round(SECOND / config.control_rate)
        self._target: NDArray[np.float64] = np.array(HOME)
        self._stamp = SECOND  # of the observation; 0 means "no time" in ROS
        self._steps = self._dropped = self._late = self._repeated = 0
        self._clock_sent = -1
        self._answered = self._info_sent = -math.inf  # [s] wall
        self._state_file = self._state_path()
        self._restore()

        self._observation = ObservationPublisher(self, self._scene)
        self._clock_out = self.create_publisher(ClockMsg, '/clock', CLOCK_QOS)
        self.create_subscription(JointTrajectory, 'joint_command', self._on_command, COMMAND)
        if config.evaluation:
            self.create_service(SceneSet, 'set_scene', self._on_set_scene)
        # Simulation time stands still exactly when these are needed.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(HOUSEKEEPING, self._on_housekeeping, clock=steady)
        if not self._lockstep:
            self.create_timer(1.0 / config.control_rate, self._on_tick, clock=steady)
        self._diagnostics = Diagnostics(self)
        self._diagnostics.add('simulation', self._report)
        self.get_logger().info(f'camera back end: {self._scene.backend}')
        self._observe()

    def close(self) -> None:
        """Save the state and free the camera."""
        self._save()
        self._scene.close()

    def _on_command(self, msg: JointTrajectory) -> None:
        stamp = msg.header.stamp.sec * SECOND + msg.header.stamp.nanosec
        if self._is_late(stamp):
            self._late += 1
            return
        try:
            target = self._reader.target(msg)
        except MessageError as error:
            self._dropped += 1
            self.get_logger().error(f'command dropped: {error}', throttle_duration_sec=1.0)
            return
        self._target = target
        if self._lockstep:
            self._advance()

    def _is_late(self, stamp: int) -> bool:
        if self._lockstep:
            return stamp != self._stamp
        return stamp < self._stamp - self._config.command_timeout * SECOND

    def _advance(self) -> None:
        self._scene.step(self._target)
        self._steps += 1
        self._stamp += self._period
        self._observe()
        if self._steps % SAVE_STEPS == 0:
            self._save()

    def _observe(self) -> None:
        if not self._lockstep:
            self._stamp = self.get_clock().now().nanoseconds
        stamp = self._observation.stamp
        stamp.sec, stamp.nanosec = divmod(self._stamp, SECOND)
        self._observation.update()
        self._observation.publish()
        self._answered = time.monotonic()

    def _on_tick(self) -> None:
        self._advance()

    def _on_housekeeping(self) -> None:
        now = time.monotonic()
        if self._lockstep:
            # Not once per step: every node would pay for every delivery.
            if self._clock_sent != self._stamp:
                self._clock_sent = self._stamp
                self._clock_out.publish(ClockMsg(clock=self._observation.stamp))
            if now - self._answered >= REPEAT_AFTER:
                self._answered = now
                self._repeated += 1
                self._clock_sent = -1
                self._observation.publish()
        if now - self._info_sent >= INFO_PERIOD:
            self._info_sent = now
            self._observation.publish_info()

    def _on_set_scene(
        self, request: SceneSet.Request, response: SceneSet.Response
    ) -> SceneSet.Response:
        try:
            if len(request.names) != len(request.values):
                raise StateError(f'{len(request.names)} names for {len(request.values)} values')
            self._scene.set_object(**dict(zip(request.names, request.values, strict=True)))
        except StateError as error:
            response.message = str(error)
            return response
        # A stamp names one observation: what the camera sees now needs a new one.
        self._stamp += self._period
        self._observe()
        response.success = True
        response.message = f'{self._config.task} is at {self._scene.object_state()}'
        return response

    def _report(self) -> Report:
        figures = {
            'steps': self._steps,
            'camera back end': self._scene.backend,
            'commands dropped': self._dropped,
            'commands late': self._late,
            'observations repeated': self._repeated,
        }
        if self._dropped:
            return Level.WARN, f'{self._dropped} malformed commands dropped', figures
        return Level.OK, f'{self._config.pace}', figures

    def _state_path(self) -> Path | None:
        if self._config.state_file:
            return Path(self._config.state_file)
        return Path(self._config.run) / 'sim_state.npz' if self._config.run else None

    def _save(self) -> None:
        if self._state_file is not None:
            state_file.save(
                self._state_file, self._config.task, self._stamp, self._scene.save_state()
            )

    def _restore(self) -> None:
        if self._state_file is None or not self._state_file.exists():
            rng = np.random.default_rng([self._config.seed, 0])
            self._scene.reset(**self._scene.task.random_state(rng))
            return
        saved, state = state_file.load(self._state_file, self._config.task)
        self._scene.load_state(state)
        # Stamps never come twice, also not those of the steps that were not saved any more.
        self._stamp = saved + SAVE_STEPS * self._period + SECOND
        self.get_logger().info(f'goes on from {self._state_file}')


def main(args: Sequence[str] | None = None) -> None:
    """Run the node until it is stopped."""
    run(SimNode, args)
