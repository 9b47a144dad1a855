# SPDX-License-Identifier: Apache-2.0
"""Goal images from the simulator, from a camera or from photos."""

from __future__ import annotations

from pathlib import Path
import time

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture
from r3l_node.core.errors import ConfigError

PHOTOS = ('.png', '.jpg', '.jpeg', '.bmp', '.webp')
_TOPIC_TIMEOUT = 10.0  # [s]


def from_simulator(task: str, count: int, seed: int, size: int, out: Path) -> int:
    """
    Let the simulator's generator stand in for a person.

    :return: number of images written.
    """
    from r3l_bringup.config import names
    from r3l_sim.core.goals import generate_goals
    from r3l_sim.core.scene import Scene

    _check_new(out)
    if task not in names('tasks'):
        raise ConfigError(f"task is '{task}': expected one of {', '.join(names('tasks'))}")
    scene = Scene(task, image_size=size)
    try:
        return _write(out, generate_goals(scene, count, seed))
    finally:
        scene.close()


def from_folder(folder: Path, size: int, out: Path) -> int:
    """
    Crop and shrink the pictures of a folder.

    :return: number of images written.
    :raises ConfigError: if the folder has no picture, or one that cannot be read.
    """
    _check_new(out)
    paths = [path for path in sorted(folder.glob('*')) if path.suffix.lower() in PHOTOS]
    if not paths:
        raise ConfigError(f'{folder} has no picture: expected {", ".join(PHOTOS)} files')
    images = []
    for path in paths:
        try:
            with Picture.open(path) as picture:
                images.append(square(np.asarray(picture.convert('RGB')), size))
        except OSError as error:
            raise ConfigError(f'{path} cannot be read: {error}') from error
    return _write(out, np.stack(images))


def from_topic(topic: str, count: int, size: int, period: float, out: Path) -> int:
    """
    Take pictures from a camera topic while a person shows success.

    :param period: least time between two pictures [s].
    :return: number of images written.
    :raises ConfigError: if no image comes for 10 s.
    """
    _check_new(out)
    from r3l_node.nodes.images import image_array
    from r3l_node.nodes.qos import SENSOR_REALTIME
    import rclpy
    from sensor_msgs.msg import Image

    images: list[NDArray[np.uint8]] = []
    last = [time.monotonic(), 0.0]  # of any image, of one that was kept [s]

    def on_image(msg: Image) -> None:
        last[0] = time.monotonic()
        if last[0] - last[1] >= period and len(images) < count:
            last[1] = last[0]
            images.append(square(image_array(msg), size))
            print(f'\r{len(images)} of {count}', end='', flush=True)

    rclpy.init()
    try:
        node = rclpy.create_node('goals')
        node.create_subscription(Image, topic, on_image, SENSOR_REALTIME)
        while len(images) < count:
            rclpy.spin_once(node, timeout_sec=0.2)
            if time.monotonic() - last[0] > _TOPIC_TIMEOUT:
                raise ConfigError(f'no image came on {topic} for {_TOPIC_TIMEOUT:.0f} s')
        node.destroy_node()
    finally:
        rclpy.try_shutdown()
    print()
    return _write(out, np.stack(images))


def square(image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """
    Return the centre square of an image, shrunk by area mean.

    :param image: shape (height, width, 3).
    :return: shape (size, size, 3).
    """
    side = min(image.shape[:2])
    top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
    picture = Picture.fromarray(image[top : top + side, left : left + side])
    return np.asarray(picture.resize((size, size), Picture.Resampling.BOX))


def _check_new(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f'{out} exists: expected a new or empty folder')


def _write(out: Path, images: NDArray[np.uint8]) -> int:
    from r3l_sim.core.goals import write_goals

    write_goals(out, images)
    return len(images)
