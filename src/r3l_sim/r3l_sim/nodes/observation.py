# SPDX-License-Identifier: Apache-2.0
"""Messages of one observation, made once and filled again for every control step."""

from builtin_interfaces.msg import Time
from r3l_msgs.msg import GroundTruth
from r3l_node.nodes.fields import byte_field, float_field
from r3l_node.nodes.qos import GROUND_TRUTH, SENSOR
from r3l_sim.core.hand import JOINT_NAMES
from r3l_sim.core.scene import Scene
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image, JointState

CAMERA_FRAME = 'camera_optical_frame'
HAND_FRAME = 'base_link'


class ObservationPublisher:
    """
    Publish what camera and joints say, all of it with one stamp.

    :param node: owner of the publishers.
    :param scene: supplies the observation.
    """

    def __init__(self, node: Node, scene: Scene) -> None:
        self._scene = scene
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
        self._joints_out = node.create_publisher(JointState, 'joint_states', SENSOR)
        self._truth_out = node.create_publisher(GroundTruth, 'ground_truth', GROUND_TRUTH)

    def update(self) -> None:
        """Read the scene into the messages."""
        scene = self._scene
        self._image.data = byte_field(scene.image())
        self._joints.position = float_field(scene.joint_position, 'float64')
        self._joints.velocity = float_field(scene.joint_velocity, 'float64')
        self._joints.effort = float_field(scene.joint_effort, 'float64')
        self._truth.values = float_field(list(scene.object_state().values()), 'float64')

    def publish(self) -> None:
        """Publish the observation last read; the image first, its way is the longest."""
        self._image_out.publish(self._image)
        self._joints_out.publish(self._joints)
        self._truth_out.publish(self._truth)

    def publish_info(self) -> None:
        """Publish the camera's calibration with the stamp of the observation."""
        self._info_out.publish(self._info)


def _camera_info(scene: Scene) -> CameraInfo:
    height, width = scene.size
    matrix = scene.camera_matrix()
    info = CameraInfo(height=height, width=width, distortion_model='plumb_bob')
    info.d = [0.0] * 5
    info.k = matrix.ravel()
    info.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    info.p = [*matrix[0], 0.0, *matrix[1], 0.0, *matrix[2], 0.0]
    return info
