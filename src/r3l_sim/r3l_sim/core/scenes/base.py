# SPDX-License-Identifier: Apache-2.0
"""What a scene has to say about itself."""

from collections.abc import Mapping
from dataclasses import dataclass
import math


@dataclass(frozen=True, slots=True)
class CameraPose:
    """
    A fixed camera that looks at a point.

    :param azimuth: direction of view in the table plane, 0 along +x [deg].
    :param elevation: angle of the view above the table plane, negative looks down [deg].
    :param distance: from the camera to the point [m].
    :param target: the point (x, y, z) [m].
    :param fovy: vertical field of view [deg].
    """

    azimuth: float
    elevation: float
    distance: float
    target: tuple[float, float, float]
    fovy: float = 45.0

    @property
    def position(self) -> tuple[float, float, float]:
        """Where the camera stands (x, y, z) [m]."""
        x, y, z = (
            t - self.distance * f for t, f in zip(self.target, self._forward(), strict=True)
        )
        return (x, y, z)

    def to_xml(self, name: str) -> str:
        """
        Return the MJCF camera element.

        :param name: name of the camera in the model.
        """
        a = math.radians(self.azimuth)
        forward = self._forward()
        x, y, z = self.position
        right = (math.sin(a), -math.cos(a), 0.0)
        up = (
            right[1] * forward[2] - right[2] * forward[1],
            right[2] * forward[0] - right[0] * forward[2],
            right[0] * forward[1] - right[1] * forward[0],
        )
        axes = ' '.join(f'{v:.6f}' for v in (*right, *up))
        return (
            f'<camera name="{name}" pos="{x:.5f} {y:.5f} {z:.5f}" fovy="{self.fovy}" '
            f'xyaxes="{axes}"/>'
        )

    def _forward(self) -> tuple[float, float, float]:
        a, e = math.radians(self.azimuth), math.radians(self.elevation)
        return (math.cos(e) * math.cos(a), math.cos(e) * math.sin(a), math.sin(e))


@dataclass(frozen=True, slots=True)
class SceneSpec:
    """
    A scene: everything but the hand.

    :param name: name of the scene.
    :param mount_height: height of the hand's mount above the table [m].
    :param camera: what the robot's camera sees.
    :param body_xml: MJCF elements of the object, put into ``worldbody``.
    :param quantities: object state by name -> the joint of the model that is it.
    :param units: unit of each quantity.
    """

    name: str
    mount_height: float
    camera: CameraPose
    body_xml: str
    quantities: Mapping[str, str]
    units: Mapping[str, str]
