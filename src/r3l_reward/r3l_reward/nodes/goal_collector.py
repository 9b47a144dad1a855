# SPDX-License-Identifier: Apache-2.0
"""Take goal images from a live camera."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
import time

import numpy as np
from numpy.typing import NDArray
from r3l_node.nodes.images import image_array, ImageError
from r3l_node.nodes.qos import SENSOR_REALTIME
from r3l_reward.core.goals import GoalError, resize, save_goals
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import Image

Progress = Callable[[int, int], None]


def collect_goals(
    topic: str,
    count: int,
    out: str | Path,
    *,
    image_size: int = 32,
    interval: float = 0.5,
    timeout: float = 10.0,
    progress: Progress | None = None,
    domain_id: int | None = None,
) -> int:
    """
    Take images from a topic while a person shows success, and write them as goal images.

    :param topic: sensor_msgs/Image of any size at least ``image_size``.
    :param count: images to take.
    :param out: new folder; written once all images are there.
    :param image_size: side of a goal image [pixel].
    :param interval: least time between two images, so that they differ [s].
    :param timeout: longest wait for an image [s].
    :param progress: called with the number taken and ``count``.
    :param domain_id: ROS domain; ``None`` takes that of the environment.
    :return: number of images written.
    :raises GoalError: one sentence, if no images come or they cannot be used or written.
    """
    out = Path(out)
    if count < 1:
        raise GoalError(f'{count} goal images were asked for: expected at least 1')
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise GoalError(f'{out} exists already: expected a new or an empty folder')
    context = Context()
    rclpy.init(context=context, domain_id=domain_id)
    try:
        images = _take(context, topic, count, image_size, interval, timeout, progress)
    finally:
        rclpy.try_shutdown(context=context)
    save_goals(out, np.stack(images))
    return len(images)


def _take(
    context: Context,
    topic: str,
    count: int,
    image_size: int,
    interval: float,
    timeout: float,
    progress: Progress | None,
) -> list[NDArray[np.uint8]]:
    node = Node('goal_collector', context=context)
    received: list[Image] = []
    node.create_subscription(Image, topic, received.append, SENSOR_REALTIME)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    images: list[NDArray[np.uint8]] = []
    # Wall time: what is spaced out is a person's hands, whatever clock the camera has.
    seen = time.monotonic()
    due = seen
    try:
        while len(images) < count:
            received.clear()
            executor.spin_once(timeout_sec=0.1)
            now = time.monotonic()
            if not received:
                if now - seen > timeout:
                    raise GoalError(f'no image on {topic} in {timeout:g} s: is the camera on?')
                continue
            seen = now
            if now >= due:
                due = now + interval
                images.append(_convert(received[-1], image_size))
                if progress is not None:
                    progress(len(images), count)
    finally:
        executor.shutdown(timeout_sec=1.0)
        node.destroy_node()
    return images


def _convert(msg: Image, image_size: int) -> NDArray[np.uint8]:
    try:
        return resize(np.ascontiguousarray(image_array(msg)), image_size)
    except ImageError as error:
        raise GoalError(str(error)) from error
