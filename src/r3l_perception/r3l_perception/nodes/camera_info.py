# SPDX-License-Identifier: Apache-2.0
"""Where a calibration is, and its message."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote

from ament_index_python.packages import get_package_share_directory, PackageNotFoundError
from r3l_node.core.errors import ConfigError
from r3l_perception.core.camera.calibration import Calibration, describe
from r3l_perception.core.camera.config import CameraConfig
from r3l_perception.core.camera.geometry import Geometry
from sensor_msgs.msg import CameraInfo, RegionOfInterest
from std_msgs.msg import Header

# Where camera_calibration's result is put by camera_info_manager.
_DEFAULT = 'file://${ROS_HOME}/camera_info/${NAME}.yaml'


def find_calibration(config: CameraConfig) -> Path | None:
    """
    Return the file that ``camera_info_url`` means, None if none is named and there is none.

    :raises ConfigError: if the URL is of another kind, or names a package or file that is not
        there.
    """
    url = config.camera_info_url or _DEFAULT
    home = os.environ.get('ROS_HOME') or str(Path.home() / '.ros')
    path = _path(url.replace('${ROS_HOME}', home).replace('${NAME}', config.camera_name))
    if path.is_file():
        return path
    if config.camera_info_url:
        raise ConfigError(f"camera_info_url is '{url}': expected a file, there is no {path}")
    return None


def _path(url: str) -> Path:
    scheme, separator, rest = url.partition('://')
    if not separator:
        return Path(url)
    if scheme == 'file':
        return Path(unquote(rest))
    if scheme != 'package':
        raise ConfigError(f"camera_info_url is '{url}': expected file:// or package://")
    package, _, inside = rest.partition('/')
    try:
        return Path(get_package_share_directory(package)) / unquote(inside)
    except (PackageNotFoundError, ValueError) as error:
        raise ConfigError(f"camera_info_url is '{url}': no package '{package}'") from error


def info_message(
    calibration: Calibration | None, geometry: Geometry, header: Header
) -> CameraInfo:
    """
    Make the message that goes with an image (REP 104).

    :param calibration: of the camera, None if there is none.
    :param geometry: how the image was made.
    :param header: of the image.
    """
    info = describe(calibration, geometry)
    x, y, width, height = info.roi
    message = CameraInfo(header=header, width=info.size[0], height=info.size[1])
    message.distortion_model = info.model
    message.d = info.distortion.tolist()
    message.k = info.camera.ravel()
    message.r = info.rectification.ravel()
    message.p = info.projection.ravel()
    message.binning_x, message.binning_y = info.binning
    message.roi = RegionOfInterest(
        x_offset=x, y_offset=y, width=width, height=height, do_rectify=info.do_rectify
    )
    return message
