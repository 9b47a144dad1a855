# SPDX-License-Identifier: Apache-2.0
"""A simulated robot in place of the servo driver and of the camera."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from r3l_msgs.srv import SceneSet
from r3l_node.nodes.diagnostics import Diagnostics, Level, Report
from r3l_node.nodes.fields import MessageError
from r3l_node.nodes.main import run
from r3l_node.nodes.parameters import declare
from r3l_node.nodes.qos import COMMAND
from r3l_sim.core.config import SimConfig
from r3l_sim.core.hand import HOME, JOINT_HIGH, JOINT_LOW, JOINT_NAMES
from r3l_sim.core.scene import Scene, StateError
from r3l_sim.core.state_file import run_file, StateKeeper
from r3l_sim.nodes.commands import CommandReader
from r3l_sim.nodes.observation import HOUSEKEEPING, ObservationPublisher, SECOND
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from trajectory_msgs.msg import JointTrajectory


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
        self._steps = self._dropped = self._late = 0
        path = run_file(config.state_file, config.run, 'sim_state.npz')
        self._state = StateKeeper(path, self._scene, self._period)
        self._stamp = self._state.restore(config.seed)
        if self._state.restored:
            self.get_logger().info(f'goes on from {path}')

        self._observation = ObservationPublisher(self, self._scene, lockstep=self._lockstep)
        self.create_subscription(JointTrajectory, 'joint_command', self._on_command, COMMAND)
        if config.evaluation:
            self.create_service(SceneSet, 'set_scene', self._on_set_scene)
        # Simulation time stands still exactly when these are needed.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(HOUSEKEEPING, self._observation.tend, clock=steady)
        if not self._lockstep:
            self.create_timer(1.0 / config.control_rate, self._on_tick, clock=steady)
        self._diagnostics = Diagnostics(self)
        self._diagnostics.add('simulation', self._report)
        self.get_logger().info(f'camera back end: {self._scene.backend}')
        self._observe()

    def close(self) -> None:
        """Save the state and free the camera."""
        self._state.save(self._stamp)
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
        self._state.step(self._stamp)

    def _observe(self) -> None:
        if not self._lockstep:
            self._stamp = self.get_clock().now().nanoseconds
        self._observation.update(self._stamp)
        self._observation.publish()

    def _on_tick(self) -> None:
        self._advance()

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
            'observations repeated': self._observation.repeated,
        }
        if self._dropped:
            return Level.WARN, f'{self._dropped} malformed commands dropped', figures
        return Level.OK, f'{self._config.pace}', figures


def main(args: Sequence[str] | None = None) -> None:
    """Run the node until it is stopped."""
    run(SimNode, args)
