# SPDX-License-Identifier: Apache-2.0
"""Messages of one observation, made once and filled again for every control step."""

import math
import time

from builtin_interfaces.msg import Time
from r3l_msgs.msg import GroundTruth
from r3l_node.nodes.fields import byte_field, float_field
from r3l_node.nodes.qos import GROUND_TRUTH, SENSOR
from r3l_sim.core.hand import JOINT_NAMES
from r3l_sim.core.scene import Scene
from rclpy.node import Node
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image, JointState

CAMERA_FRAME = 'camera_optical_frame'
HAND_FRAME = 'base_link'
REPEAT_AFTER = 1.0  # wall time after which an observation without an answer is repeated [s]
INFO_PERIOD = 1.0  # wall time between two camera calibrations [s]
CLOCK_QOS = 10
HOUSEKEEPING = 0.05  # wall time between two looks at what does not belong into the loop [s]
SECOND = 10**9  # [ns]


class ObservationPublisher:
    """
    Publish what camera and joints say, all of it with one stamp.

    :param node: owner of the publishers.
    :param scene: supplies the observation.
    :param lockstep: whether stamps are simulation time, which is published on ``/clock``.
    :param joints: whether joint states are published; a driver does so itself.
    """

    def __init__(self, node: Node, scene: Scene, *, lockstep: bool, joints: bool = True) -> None:
        self._scene = scene
        self._lockstep = lockstep
        self._answered = self._info_sent = -math.inf  # [s] wall
        self._clock_sent: Time | None = None
        self.repeated = 0
        self.stamp = Time()  # shared by all messages below
        self._image = Image(encoding='rgb8', height=scene.size[0], width=scene.size[1])
        self._image.step = 3 * scene.size[1]
        self._info = _camera_info(scene)
        self._joints = JointState(name=list(JOINT_NAMES))
        units = scene.task.scene.units
        self._truth = GroundTruth(
            task=scene.task.name, names=list(units), units=list(units.values())
        )
        for message, frame in (
            (self._image, CAMERA_FRAME),
            (self._info, CAMERA_FRAME),
            (self._joints, HAND_FRAME),
            (self._truth, HAND_FRAME),
        ):
            message.header.stamp = self.stamp
            message.header.frame_id = frame
        self._image_out = node.create_publisher(Image, 'camera/image_raw', SENSOR)
        self._info_out = node.create_publisher(CameraInfo, 'camera/camera_info', SENSOR)
        self._joints_out = (
            node.create_publisher(JointState, 'joint_states', SENSOR) if joints else None
        )
        self._truth_out = node.create_publisher(GroundTruth, 'ground_truth', GROUND_TRUTH)
        self._clock_out = node.create_publisher(Clock, '/clock', CLOCK_QOS)

    def update(self, stamp: int) -> None:
        """
        Read the scene into the messages.

        :param stamp: of the observation [ns].
        """
        scene = self._scene
        self.stamp.sec, self.stamp.nanosec = divmod(stamp, SECOND)
        self._image.data = byte_field(scene.image())
        if self._joints_out is not None:
            self._joints.position = float_field(scene.joint_position, 'float64')
            self._joints.velocity = float_field(scene.joint_velocity, 'float64')
            self._joints.effort = float_field(scene.joint_effort, 'float64')
        self._truth.values = float_field(list(scene.object_state().values()), 'float64')

    def publish(self) -> None:
        """Publish the observation last read; the image first, its way is the longest."""
        self._image_out.publish(self._image)
        if self._joints_out is not None:
            self._joints_out.publish(self._joints)
        self._truth_out.publish(self._truth)
        self._answered = time.monotonic()

    def tend(self) -> bool:
        """
        Do what does not belong into the control loop, several times per second.

        :return: whether the observation was published again, because nobody answered it.
        """
        now, repeat = time.monotonic(), False
        if self._lockstep:
            repeat = now - self._answered >= REPEAT_AFTER
            # Not once per step: every node would pay for every delivery.
            if repeat or self._clock_sent != self.stamp:
                self._clock_sent = Time(sec=self.stamp.sec, nanosec=self.stamp.nanosec)
                self._clock_out.publish(Clock(clock=self.stamp))
            if repeat:
                self.repeated += 1
                self.publish()
        if now - self._info_sent >= INFO_PERIOD:
            self._info_sent = now
            self._info_out.publish(self._info)
        return repeat


def _camera_info(scene: Scene) -> CameraInfo:
    height, width = scene.size
    matrix = scene.camera_matrix()
    info = CameraInfo(height=height, width=width, distortion_model='plumb_bob')
    info.d = [0.0] * 5
    info.k = matrix.ravel()
    info.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    info.p = [*matrix[0], 0.0, *matrix[1], 0.0, *matrix[2], 0.0]
    return info
