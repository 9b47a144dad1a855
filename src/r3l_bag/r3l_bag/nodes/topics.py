# SPDX-License-Identifier: Apache-2.0
"""What a run records: never ``ground_truth``, which no policy may learn from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from r3l_msgs.msg import (
    ActuatorStates,
    AgentStatus,
    Evaluation,
    Latent,
    LearnerStatus,
    Metrics,
    Reward,
    SafetyState,
    Transition,
    Weights,
)
from r3l_node.nodes import qos
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CameraInfo, Image, JointState
from trajectory_msgs.msg import JointTrajectory

POLICY = 'policy/weights'


@dataclass(frozen=True, slots=True)
class Recorded:
    """A topic that is recorded."""

    name: str  # relative
    type: Any  # message class
    qos: QoSProfile  # of its publishers

    @property
    def type_name(self) -> str:
        """Full name of the type, such as ``sensor_msgs/msg/Image``."""
        return f'{self.type.__module__.partition(".")[0]}/msg/{self.type.__name__}'

    @property
    def latched(self) -> bool:
        """Whether late joiners get what was published before."""
        return bool(self.qos.durability == DurabilityPolicy.TRANSIENT_LOCAL)


_ALWAYS = (
    Recorded('camera/image_raw', Image, qos.SENSOR),
    Recorded('camera/camera_info', CameraInfo, qos.SENSOR),
    Recorded('joint_states', JointState, qos.SENSOR),
    Recorded('joint_command', JointTrajectory, qos.COMMAND),
    Recorded('latent', Latent, qos.OBSERVATION),
    Recorded('reward', Reward, qos.OBSERVATION),
    Recorded('transition', Transition, qos.TRANSITION),
    Recorded('agent/status', AgentStatus, qos.STATUS),
    Recorded('learner/status', LearnerStatus, qos.STATUS),
    Recorded('encoder/weights', Weights, qos.WEIGHTS),
    Recorded('reward/weights', Weights, qos.WEIGHTS),
    Recorded(POLICY, Weights, qos.POLICY_WEIGHTS),
    Recorded('evaluation', Evaluation, qos.EVALUATION),
    Recorded('metrics', Metrics, qos.METRICS),
    Recorded('/diagnostics', DiagnosticArray, qos.DIAGNOSTICS),
)
_DRIVER = (
    Recorded('driver/state', ActuatorStates, qos.DRIVER_STATE),
    Recorded('driver/safety', SafetyState, qos.SAFETY),
)


def recorded(*, driver: bool) -> tuple[Recorded, ...]:
    """
    Return what the graph of a run publishes.

    :param driver: whether it has a driver.
    """
    return _ALWAYS + (_DRIVER if driver else ())
