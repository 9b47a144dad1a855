# SPDX-License-Identifier: Apache-2.0
"""A simulator, an encoder and a learner that take no time, for the tests of the agent's nodes."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from r3l_agent.core.agent_config import JOINT_NAMES
from r3l_agent.core.observation import JointRange, ObservationSpec
from r3l_agent.core.policy import describe
from r3l_msgs.msg import AgentStatus, Latent, LearnerStatus, SafetyState, Transition, Weights
from r3l_node.core.weights import pack
from r3l_node.nodes import qos
from r3l_node.nodes.fields import float_field
from r3l_node.nodes.images import image_message
from r3l_node.nodes.weights import weights_message
from rclpy.node import Node
from sensor_msgs.msg import Image, JointState
from trajectory_msgs.msg import JointTrajectory

LATENT = 4
PERIOD = 200_000_000
LIMITS = JointRange((-0.48, -np.pi / 3, -np.pi / 2) * 3, (0.48, np.pi / 3, np.pi / 2) * 3)


class FakeSim(Node):
    """A hand that is where it was told to be one step later, seen by a perfect encoder."""

    def __init__(self) -> None:
        super().__init__('fake_sim')
        self.k = 1
        self.encoder_version = 1
        self.joints = np.zeros(9)
        self.commands: list[JointTrajectory] = []
        self.transitions: list[Transition] = []
        self.statuses: list[AgentStatus] = []
        self.auto = True
        self._image = self.create_publisher(Image, 'camera/image_raw', qos.SENSOR)
        self._joints = self.create_publisher(JointState, 'joint_states', qos.SENSOR)
        self._latent = self.create_publisher(Latent, 'latent', qos.OBSERVATION)
        self._policy = self.create_publisher(Weights, 'policy/weights', qos.POLICY_WEIGHTS)
        self._learner = self.create_publisher(LearnerStatus, 'learner/status', qos.STATUS)
        self._safety = self.create_publisher(SafetyState, 'driver/safety', qos.SAFETY)
        self.create_subscription(JointTrajectory, 'joint_command', self._on_command, qos.COMMAND)
        self.create_subscription(Transition, 'transition', self.transitions.append, qos.TRANSITION)
        self.create_subscription(AgentStatus, 'agent/status', self.statuses.append, qos.STATUS)

    def connected(self) -> bool:
        """Tell whether an agent listens."""
        return all(
            publisher.get_subscription_count()
            for publisher in (self._image, self._joints, self._latent)
        )

    def observe(
        self,
        latent: np.ndarray | None = None,
        joints: np.ndarray | None = None,
        names: list[str] | None = None,
    ) -> None:
        """Publish the observation of now."""
        image = image_message(np.full((8, 8, 3), self.k % 256, np.uint8), self._header())
        state = JointState(name=names or list(reversed(JOINT_NAMES)))
        state.header = image.header
        # In another order than the agent's: joints go by name.
        values = self.joints[::-1] if joints is None else joints
        state.position = float_field(values, 'float64')
        code = Latent(model_version=self.encoder_version)
        code.header = image.header
        if self.encoder_version:
            mean = np.sin(self.k + np.arange(LATENT)) if latent is None else latent
            code.mean = float_field(mean)
            code.log_variance = float_field(np.zeros(LATENT))
        self._joints.publish(state)
        self._image.publish(image)
        self._latent.publish(code)

    def _header(self) -> object:
        header = Image().header
        stamp = self.k * PERIOD
        header.stamp.sec, header.stamp.nanosec = divmod(stamp, 10**9)
        header.frame_id = 'camera_optical_frame'
        return header

    def _on_command(self, message: JointTrajectory) -> None:
        self.commands.append(message)
        stamp = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
        if stamp == self.k * PERIOD and self.auto:
            self.joints = np.asarray(message.points[0].positions)
            self.k += 1
            self.observe()

    def publish_policy(self, env_steps: int, version: int, seed: int = 0) -> None:
        """Publish random actors."""
        rng = np.random.default_rng(seed)
        spec = ObservationSpec(LATENT, 9, 2)
        tensors = {}
        for which in ('task', 'perturbation', 'deployed'):
            sizes = (spec.size, 16, 18)
            for layer, shape in enumerate(pairwise(sizes)):
                tensors[f'{which}.weight{layer}'] = rng.normal(0, 0.3, shape).astype(np.float32)
                tensors[f'{which}.bias{layer}'] = np.zeros(shape[1], np.float32)
        data = pack(tensors, describe(spec, LIMITS))
        self._policy.publish(weights_message('policy', version, env_steps, data))

    def publish_raw_policy(self, message: Weights) -> None:
        """Publish any weights message."""
        self._policy.publish(message)

    def publish_safety(self, state: int, code: str = '', interruptions: int = 0) -> None:
        """Publish the state of a driver, since the observation of now."""
        message = SafetyState(state=state, code=code, interruptions=interruptions)
        message.since.sec, message.since.nanosec = divmod(self.k * PERIOD, 10**9)
        self._safety.publish(message)

    def publish_learner(self, received: int, env_steps: int) -> None:
        """Publish how far the learner is."""
        self._learner.publish(LearnerStatus(received=received, env_steps=env_steps))


@pytest.fixture(scope='session')
def fake_sim() -> Callable[[], FakeSim]:
    """Provide the class (test folders are no packages)."""
    return FakeSim
