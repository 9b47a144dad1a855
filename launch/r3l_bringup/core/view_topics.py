# SPDX-License-Identifier: Apache-2.0
"""The topics of a run that a viewer may ask for: names relative to the robot's namespace."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ViewTopic:
    """A topic and what it carries."""

    name: str
    type: str  # as in package/msg/Name
    latched: bool = False  # its publishers repeat the last message to whoever comes later


VIEW_TOPICS: tuple[ViewTopic, ...] = (
    ViewTopic('camera/image_raw', 'sensor_msgs/msg/Image'),
    ViewTopic('camera/camera_info', 'sensor_msgs/msg/CameraInfo'),
    ViewTopic('encoder/reconstruction', 'sensor_msgs/msg/Image'),
    ViewTopic('view/nearest_goal', 'sensor_msgs/msg/Image'),
    ViewTopic('view/markers', 'visualization_msgs/msg/MarkerArray'),
    ViewTopic('robot_description', 'std_msgs/msg/String', latched=True),
    ViewTopic('joint_states', 'sensor_msgs/msg/JointState'),
    ViewTopic('joint_command', 'trajectory_msgs/msg/JointTrajectory'),
    ViewTopic('latent', 'r3l_msgs/msg/Latent'),
    ViewTopic('reward', 'r3l_msgs/msg/Reward'),
    ViewTopic('agent/status', 'r3l_msgs/msg/AgentStatus', latched=True),
    ViewTopic('learner/status', 'r3l_msgs/msg/LearnerStatus', latched=True),
    ViewTopic('metrics', 'r3l_msgs/msg/Metrics'),
    ViewTopic('evaluation', 'r3l_msgs/msg/Evaluation', latched=True),
    ViewTopic('driver/state', 'r3l_msgs/msg/ActuatorStates'),
    ViewTopic('driver/safety', 'r3l_msgs/msg/SafetyState', latched=True),
    ViewTopic('/diagnostics', 'diagnostic_msgs/msg/DiagnosticArray'),
)
