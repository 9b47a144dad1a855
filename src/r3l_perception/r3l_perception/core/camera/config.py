# SPDX-License-Identifier: Apache-2.0
"""Parameters of ``camera_node``; those that usb_cam has too are named as there."""

from __future__ import annotations

from dataclasses import dataclass

from r3l_node.core.parameters import parameter
from r3l_perception.core.camera.geometry import checked_crop, checked_warp

# usb_cam's name of a pixel format to the V4L2 code that is asked of the camera.
PIXEL_FORMATS = {
    'yuyv': 'YUYV', 'yuyv2rgb': 'YUYV', 'uyvy': 'UYVY', 'uyvy2rgb': 'UYVY',
    'mjpeg': 'MJPG', 'mjpeg2rgb': 'MJPG', 'raw_mjpeg': 'MJPG',
    'yuv4202rgb': 'YU12', 'rgb8': 'RGB3', 'bgr8': 'BGR3', 'mono8': 'GREY',
}  # fmt: skip
_CONTROL = (-1, 100_000)


@dataclass(frozen=True, slots=True)
class DeviceConfig:
    """A V4L2 camera and its controls, as usb_cam names them; -1 leaves a control alone."""

    video_device: str = parameter(
        '/dev/video0', 'camera; a link of /dev/v4l/by-id survives being plugged in again'
    )
    framerate: float = parameter(
        30.0, 'frames asked of the camera, or played from a recording [Hz]', range=(0.1, 1000.0)
    )
    image_width: int = parameter(640, 'width asked of the camera [px]', range=(8, 10_000))
    image_height: int = parameter(480, 'height asked of the camera [px]', range=(8, 10_000))
    pixel_format: str = parameter(
        'yuyv', 'format asked of the camera', choices=tuple(PIXEL_FORMATS)
    )
    io_method: str = parameter('mmap', 'has no effect: frames are always mapped')
    av_device_format: str = parameter('YUV422P', 'has no effect')
    brightness: int = parameter(-1, 'brightness of the camera', range=_CONTROL)
    contrast: int = parameter(-1, 'contrast of the camera', range=_CONTROL)
    saturation: int = parameter(-1, 'saturation of the camera', range=_CONTROL)
    sharpness: int = parameter(-1, 'sharpness of the camera', range=_CONTROL)
    gain: int = parameter(-1, 'gain of the camera', range=_CONTROL)
    auto_white_balance: bool = parameter(True, 'let the camera choose the white balance')
    white_balance: int = parameter(
        4000, 'colour temperature without auto_white_balance [K]', range=_CONTROL
    )
    autoexposure: bool = parameter(True, 'let the camera choose the exposure')
    exposure: int = parameter(
        100, 'exposure without autoexposure [100 microseconds]', range=_CONTROL
    )
    autofocus: bool = parameter(False, 'let the camera focus')
    focus: int = parameter(-1, 'focus without autofocus', range=_CONTROL)


@dataclass(frozen=True, slots=True)
class CameraConfig(DeviceConfig):
    """The camera, what is made of its pictures, and when they are not fit to learn from."""

    source: str = parameter(
        '', 'in place of video_device: a video file, a folder of pictures or the URL of a stream'
    )
    loop: bool = parameter(True, 'begin a recording again at its end')
    camera_name: str = parameter('camera', 'name of the camera; also in its camera_info file')
    frame_id: str = parameter('', 'optical frame of the camera; empty: <name>_optical_frame')
    camera_info_url: str = parameter(
        '',
        'calibration, file:// or package://; empty: ${ROS_HOME}/camera_info/${NAME}.yaml if '
        'there is one',
    )
    image_size: int = parameter(32, 'height and width of what is published [px]', range=(8, 1024))
    crop: tuple[int, ...] = parameter(
        (),
        'x, y, width and height of the part that is used [px]; empty: the largest square in the '
        'middle, or all of it for a warp',
    )
    warp: tuple[float, ...] = parameter(
        (),
        'x, y of the four corners, clockwise from what becomes the upper left one, that are '
        'pulled into a square; from the upper left of the cropped picture [px]; empty: none',
    )
    control_rate: float = parameter(
        5.0, 'pictures published per second, as even as the frames allow; 0: all [Hz]',
        range=(0.0, 1000.0),
    )  # fmt: skip
    jpeg_quality: int = parameter(90, 'of image_raw/compressed [%]', range=(1, 100))
    max_age: float = parameter(
        0.25, 'age above which a frame is late and dropped [s]', range=(0.01, 60.0)
    )
    lost_after: float = parameter(
        0.5, 'time without a frame after which the camera is lost [s]', range=(0.05, 60.0)
    )
    expect_change: bool = parameter(
        True,
        'a frame equal to the last one comes from a frozen camera and is dropped; false for '
        'pictures without noise',
    )
    reopen_after: float = parameter(
        2.0, 'time of being frozen after which the camera is opened again [s]', range=(0.1, 600.0)
    )
    dark_below: float = parameter(
        6.0, 'mean brightness below which a picture is too dark [of 255]', range=(0.0, 255.0)
    )
    bright_above: float = parameter(
        0.8, 'share of saturated pixels above which a picture is overexposed', range=(0.0, 1.0)
    )

    def __post_init__(self) -> None:
        """Check what no single range can say."""
        crop = checked_crop(self.crop, self.image_size)
        checked_warp(self.warp, None if crop is None else crop[2:])

    @property
    def optical_frame(self) -> str:
        """Frame of the pictures: z forward, x right, y down (REP 103)."""
        return self.frame_id or f'{self.camera_name}_optical_frame'
