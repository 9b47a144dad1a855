# SPDX-License-Identifier: Apache-2.0
"""
Conversion between arrays and sensor_msgs/Image.

The usual encodings are views of the message, without a copy; cv_bridge converts all others where
it is installed, such as the YUV and Bayer patterns of cameras.
"""

from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray
from r3l_node.nodes.fields import byte_field, MessageError
from sensor_msgs.msg import Image
from std_msgs.msg import Header

CHANNELS = {'rgb8': 3, 'bgr8': 3, 'mono8': 1, 'rgba8': 4, 'bgra8': 4}


class ImageError(MessageError):
    """An image message whose parts do not fit together or that is not supported."""


def image_message(pixels: NDArray[np.uint8], header: Header, encoding: str = 'rgb8') -> Image:
    """
    Make an image message.

    :param pixels: uint8, shape (height, width, channels), or (height, width) for mono8; the
        channels in the order of the encoding.
    :param header: stamp of the acquisition and frame of the camera; not copied.
    :param encoding: one of :data:`CHANNELS`.
    :raises ImageError: if array and encoding do not go together.
    """
    channels = CHANNELS.get(encoding)
    if channels is None:
        raise ImageError(f'encoding is {encoding!r}: expected one of {", ".join(CHANNELS)}')
    shape = pixels.shape[:2] + ((channels,) if pixels.ndim == 3 or channels > 1 else ())
    if pixels.dtype != np.uint8 or pixels.ndim < 2 or pixels.shape != shape:
        raise ImageError(
            f'{encoding} image is {pixels.dtype} of shape {pixels.shape}: '
            f'expected uint8 of shape (height, width, {channels})'
        )
    message = Image()
    message.header = header
    message.height, message.width = shape[:2]
    message.encoding = encoding
    message.step = shape[1] * channels
    message.data = byte_field(np.ascontiguousarray(pixels))
    return message


def image_array(message: Image, shape: tuple[int, ...] | None = None) -> NDArray[np.uint8]:
    """
    Return the pixels of an image message as red, green, blue.

    :param message: an image of one of the encodings in :data:`CHANNELS`, or of any that cv_bridge
        knows where it is installed.
    :param shape: the (height, width) to expect, if only one will do; a third entry is ignored.
    :return: uint8, shape (height, width, 3); a view of the message where that is possible.
    :raises ImageError: naming what does not fit.
    """
    channels = CHANNELS.get(message.encoding)
    if channels is None:
        message, channels = _by_cv_bridge(message), 3
    height, width, step = message.height, message.width, message.step
    if shape is not None and (height, width) != tuple(shape[:2]):
        raise ImageError(f'image is {height}x{width}: expected {shape[0]}x{shape[1]} pixels')
    if not height or not width:
        raise ImageError(f'image is {height}x{width}: expected at least 1x1 pixel')
    if step < width * channels:
        raise ImageError(f'image step is {step}: expected at least {width * channels} bytes')
    data = np.frombuffer(message.data, np.uint8)
    if data.size != height * step:
        raise ImageError(f'image has {data.size} bytes: expected {height * step}')
    pixels = data.reshape(height, step)[:, : width * channels].reshape(height, width, channels)
    return _as_rgb(pixels, message.encoding)


def _as_rgb(pixels: NDArray[np.uint8], encoding: str) -> NDArray[np.uint8]:
    if encoding == 'mono8':
        return np.broadcast_to(pixels, (*pixels.shape[:2], 3))
    if encoding.startswith('bgr'):
        return pixels[..., 2::-1]
    return pixels[..., :3]


@cache
def _bridge() -> Any:
    """Return a CvBridge, None where there is none."""
    try:
        return import_module('cv_bridge').CvBridge()
    except (ImportError, AttributeError):  # the latter: built for another numpy
        return None


def _by_cv_bridge(message: Image) -> Image:
    """Return the image as rgb8."""
    known = ', '.join(CHANNELS)
    bridge = _bridge()
    if bridge is None:
        raise ImageError(f'image encoding is {message.encoding!r}: expected one of {known}')
    try:
        pixels = bridge.imgmsg_to_cv2(message, 'rgb8')
    except Exception as error:  # what a malformed message raises there is not documented
        raise ImageError(f'image encoding is {message.encoding!r}: {error}') from error
    return image_message(pixels, message.header)
