# SPDX-License-Identifier: Apache-2.0
"""Goal images from the simulator or from a camera topic."""

from __future__ import annotations

from pathlib import Path
import sys
import time

import numpy as np
from numpy.typing import NDArray
from r3l_node.core.errors import ConfigError
from r3l_reward.core.goals import resize, save_goals

_TOPIC_TIMEOUT = 10.0  # [s]


def check_new(out: Path) -> None:
    """
    Refuse a folder that is in use, before any work is done.

    :raises ConfigError: if it holds anything.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f'{out} exists already: expected a new or an empty folder')


def from_simulator(task: str, count: int, seed: int, size: int, out: Path) -> int:
    """
    Let the simulator's generator stand in for a person.

    :param size: side of an image [px].
    :return: number of images written.
    :raises ConfigError: if there is no such task or the folder is in use.
    """
    from r3l_bringup.paths import names
    from r3l_sim.core.goals import generate_goals
    from r3l_sim.core.scene import Scene

    check_new(out)
    if ':' not in task and task not in names('tasks'):
        raise ConfigError(f"task is '{task}': expected one of {', '.join(names('tasks'))}")
    scene = Scene(task, image_size=size)
    try:
        save_goals(out, generate_goals(scene, count, seed))
    finally:
        scene.close()
    return count


def from_topic(topic: str, count: int, size: int, period: float, out: Path) -> int:
    """
    Take pictures from a camera topic while a person shows success.

    :param size: side of an image [px].
    :param period: least time between two pictures [s].
    :return: number of images written.
    :raises ConfigError: if no image comes for 10 s, or one that cannot be used.
    """
    check_new(out)
    from r3l_node.nodes.images import image_array
    from r3l_node.nodes.qos import SENSOR_REALTIME
    import rclpy
    from sensor_msgs.msg import Image

    images: list[NDArray[np.uint8]] = []
    times = {'any': time.monotonic(), 'kept': 0.0}  # [s]

    def on_image(msg: Image) -> None:
        times['any'] = time.monotonic()
        if times['any'] - times['kept'] >= period and len(images) < count:
            times['kept'] = times['any']
            images.append(resize(image_array(msg), size))
            if sys.stdout.isatty():
                print(f'\r{len(images)} of {count}', end='', flush=True)

    rclpy.init()
    try:
        node = rclpy.create_node('goals')
        node.create_subscription(Image, topic, on_image, SENSOR_REALTIME)
        while len(images) < count:
            rclpy.spin_once(node, timeout_sec=0.2)
            if time.monotonic() - times['any'] > _TOPIC_TIMEOUT:
                raise ConfigError(
                    f'{topic} sent no image for {_TOPIC_TIMEOUT:.0f} s: expected sensor_msgs/Image'
                )
        node.destroy_node()
    finally:
        rclpy.try_shutdown()
    save_goals(out, np.stack(images))
    return len(images)
