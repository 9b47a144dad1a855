# SPDX-License-Identifier: Apache-2.0
"""Draws what a run is doing, for rviz and Foxglove; nothing of a training depends on it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
import time
from typing import Any

from builtin_interfaces.msg import Time
from r3l_bringup import config
from r3l_bringup.core.kinematics import read_urdf
from r3l_bringup.core.marks import hand_marks, limit_marks, Seen, status_marks
from r3l_bringup.core.nearest import GoalIndex
from r3l_bringup.nodes.markers import MarkerMessages
from r3l_bringup.settings import ViewConfig
from r3l_bringup.viewing import DESCRIPTION, file_of
from r3l_msgs.msg import AgentStatus, Latent, Metrics, Reward, SafetyState, Weights
from r3l_node.core.errors import ConfigError
from r3l_node.core.status import PHASES, SHOWN
from r3l_node.nodes import qos
from r3l_node.nodes.fields import float_array
from r3l_node.nodes.images import image_message
from r3l_node.nodes.main import run
from r3l_node.nodes.parameters import declare
from r3l_node.nodes.weights import read_weights
from r3l_perception.core.encoders import encoder_from_weights
from r3l_reward.core.goals import image_files, load_goals, read_image
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import String
import torch
from visualization_msgs.msg import MarkerArray

# The newest message counts, and nobody ever waits for a viewer.
NEWEST = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
BURST = QoSProfile(depth=50, reliability=ReliabilityPolicy.BEST_EFFORT)
# Read once and by whoever comes later.
LATCHED = qos.WEIGHTS


class ViewNode(Node):
    """
    Say what a run is doing, where its hand is and which limits are near.

    Subscribes ``joint_states``, ``latent``, ``reward``, ``metrics``, ``agent/status``,
    ``driver/safety`` and ``encoder/weights``. Publishes ``view/markers``, ``view/nearest_goal``
    (the goal image that is nearest to now in latent space) while somebody listens, and
    ``robot_description``.
    """

    def __init__(self) -> None:
        """
        Read the description of the hand and the goals of the run.

        :raises ConfigError: if the run or the folder of goals cannot be read.
        """
        super().__init__('view')
        self._config = declare(self, ViewConfig)
        torch.set_num_threads(1)
        description = file_of(*DESCRIPTION).read_text(encoding='utf-8')
        self._hand = read_urdf(description)
        self._limits = self._hand.limits
        self._goal_images = self._read_run()
        self._goals: GoalIndex | None = None
        self._encoder_digest = ''
        self._seen = Seen()
        self._heard: dict[str, float] = {}
        self._latent: Latent | None = None
        self._stamp = Time()
        self._messages = MarkerMessages(self._hand.root)
        self._markers = self.create_publisher(MarkerArray, 'view/markers', qos.STATUS)
        self._nearest = self.create_publisher(Image, 'view/nearest_goal', qos.STATUS)
        if self._config.hand:
            self._description = self.create_publisher(String, 'robot_description', LATCHED)
            self._description.publish(String(data=description))
        self._subscribe()
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(1.0 / self._config.rate, self._show, clock=steady)

    def _read_run(self) -> Any:
        """Take the limits of the run; return its goal images, None if there are none."""
        given = self._config.goals
        if not self._config.run:
            return _goal_images(Path(given)) if given else None
        run = Path(self._config.run)
        values = config.load(run / 'config.yaml')
        agent = values.get('agent', {})
        names, low, high = (agent.get(f'joint_{what}', ()) for what in ('names', 'low', 'high'))
        self._limits |= dict(zip(names, zip(low, high, strict=True), strict=True))
        if given:
            return _goal_images(Path(given))
        kept = run / 'goals'  # the folder of the run may have been moved since
        try:
            return _goal_images(kept if kept.is_dir() else Path(values['reward']['goals']))
        except (ConfigError, KeyError) as error:
            self.get_logger().warning(f'no nearest goal: {error}')
            return None

    def _subscribe(self) -> None:
        subscribe = self.create_subscription
        subscribe(JointState, 'joint_states', self._on_joints, NEWEST)
        subscribe(Latent, 'latent', self._on_latent, NEWEST)
        subscribe(Reward, 'reward', self._on_reward, NEWEST)
        subscribe(Metrics, 'metrics', self._on_metrics, BURST)
        subscribe(AgentStatus, 'agent/status', self._on_agent, qos.STATUS)
        subscribe(SafetyState, 'driver/safety', self._on_safety, qos.SAFETY)
        subscribe(Weights, 'encoder/weights', self._on_encoder, qos.WEIGHTS)

    def _on_joints(self, msg: JointState) -> None:
        self._seen.angles = dict(zip(msg.name, msg.position, strict=False))
        self._stamp = msg.header.stamp

    def _on_latent(self, msg: Latent) -> None:
        if msg.model_version > 0:
            self._latent = msg

    def _on_reward(self, msg: Reward) -> None:
        self._heard['success'] = time.monotonic()
        self._seen.probability = msg.probability

    def _on_metrics(self, msg: Metrics) -> None:
        for name, value in zip(msg.names, msg.values, strict=False):
            if name in SHOWN['novelty']:
                self._seen.novelty = value

    def _on_agent(self, msg: AgentStatus) -> None:
        self._heard['phase'] = time.monotonic()
        self._seen.phase = PHASES[msg.phase] if msg.phase < len(PHASES) else PHASES[0]
        self._seen.episode, self._seen.step = msg.episode, msg.step
        self._seen.env_steps = msg.env_steps

    def _on_safety(self, msg: SafetyState) -> None:
        self._heard['safety'] = time.monotonic()
        self._seen.safety, self._seen.reason = msg.state, msg.reason

    def _on_encoder(self, msg: Weights) -> None:
        if self._goal_images is None or msg.sha256 == self._encoder_digest:
            return
        self._encoder_digest = msg.sha256
        try:
            encoder = encoder_from_weights(*read_weights(msg, 'encoder'))
            self._goals = GoalIndex(self._goal_images, encoder)
        except ConfigError as error:
            self._goals = None
            self.get_logger().error(f'no nearest goal: {error}')

    def _show(self) -> None:
        if self._nearest.get_subscription_count() or self._markers.get_subscription_count():
            self._show_nearest()
        if not self._markers.get_subscription_count():
            return
        seen = self._seen
        now, silence = time.monotonic(), self._config.silence
        seen.silent = tuple(what for what, at in self._heard.items() if now - at > silence)
        poses = self._hand.poses(seen.angles)
        marks = status_marks(seen)
        marks += limit_marks(self._hand, poses, seen.angles, self._limits, self._config.near)
        if self._config.hand:
            marks += hand_marks(self._hand, poses)
        self._markers.publish(self._messages.message(marks, self._stamp))

    def _show_nearest(self) -> None:
        latent, self._latent = self._latent, None
        if latent is None or self._goals is None:
            return
        try:
            number, self._seen.goal_distance = self._goals.nearest(
                float_array(latent.mean, name='latent')
            )
        except ConfigError as error:
            self.get_logger().error(f'no nearest goal: {error}', throttle_duration_sec=10.0)
            return
        self._nearest.publish(image_message(self._goals.goals[number], latent.header))


def _goal_images(folder: Path) -> Any:
    """Read goal images of any size, all of one; shape (count, height, width, 3)."""
    return load_goals(folder, read_image(image_files(folder)[0]).shape[0])


def main(args: Sequence[str] | None = None) -> None:
    """Run the node until it is interrupted."""
    run(ViewNode, args)


if __name__ == '__main__':
    main()
