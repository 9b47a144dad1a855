# SPDX-License-Identifier: Apache-2.0
"""Marks as messages."""

from __future__ import annotations

from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point, Pose, Quaternion, Vector3
from r3l_bringup.core.kinematics import BOX, CYLINDER, SPHERE
from r3l_bringup.core.marks import Mark, TEXT
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

_TYPES = {
    BOX: Marker.CUBE,
    CYLINDER: Marker.CYLINDER,
    SPHERE: Marker.SPHERE,
    TEXT: Marker.TEXT_VIEW_FACING,
}
Key = tuple[str, int]  # namespace and id of a marker


class MarkerMessages:
    """Makes one message of all marks, which also takes away those that are gone."""

    def __init__(self, frame: str) -> None:
        """Remember nothing yet; all marks are in this frame."""
        self._frame = frame
        self._shown: set[Key] = set()

    def message(self, marks: list[Mark], stamp: Time) -> MarkerArray:
        """
        Return the marks as markers.

        :param stamp: when what they show was so.
        """
        header = Header(frame_id=self._frame, stamp=stamp)
        keys = {(mark.group, mark.number) for mark in marks}
        gone = [
            Marker(header=header, ns=group, id=number, action=Marker.DELETE)
            for group, number in sorted(self._shown - keys)
        ]
        self._shown = keys
        return MarkerArray(markers=[*gone, *(_marker(mark, header) for mark in marks)])


def _marker(mark: Mark, header: Header) -> Marker:
    x, y, z = mark.position
    qx, qy, qz, qw = mark.rotation
    red, green, blue, opacity = mark.color
    width, depth, height = (float(value) for value in mark.size)
    return Marker(
        header=header,
        ns=mark.group,
        id=mark.number,
        type=_TYPES[mark.kind],
        action=Marker.ADD,
        pose=Pose(position=Point(x=x, y=y, z=z), orientation=Quaternion(x=qx, y=qy, z=qz, w=qw)),
        scale=Vector3(x=width, y=depth, z=height),
        color=ColorRGBA(r=red, g=green, b=blue, a=opacity),
        text=mark.text,
    )
