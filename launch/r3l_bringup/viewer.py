# SPDX-License-Identifier: Apache-2.0
"""``r3l train --viewer``: a window with the camera's image and what the VAE keeps of it."""

from __future__ import annotations

import os
import sys
from typing import Any

from r3l_node.core.errors import ConfigError
from r3l_node.nodes.images import image_array, ImageError
from r3l_node.nodes.qos import VIEW
import rclpy
from rclpy.node import Node
from sensor_msgs.msg import Image

TOPICS = ('camera/image_raw', 'encoder/reconstruction')
_REFRESH = 0.1  # [s]


def check_display() -> None:
    """
    Refuse where no window can be shown.

    :raises ConfigError: one sentence.
    """
    if not (os.environ.get('DISPLAY') or os.environ.get('WAYLAND_DISPLAY')):
        raise ConfigError(
            '--viewer needs a display: expected DISPLAY or WAYLAND_DISPLAY to be set'
        )


class ViewerNode(Node):
    """Keep the newest image of each topic; subscribes to both as sensor data."""

    def __init__(self) -> None:
        """Subscribe."""
        super().__init__('viewer')
        self.images: dict[str, Any] = {}
        for topic in TOPICS:
            self.create_subscription(Image, topic, self._keeper(topic), VIEW)

    def _keeper(self, topic: str) -> Any:
        def keep(msg: Image) -> None:
            try:
                self.images[topic] = image_array(msg)
            except ImageError as error:
                self.get_logger().error(f'{topic}: {error}', throttle_duration_sec=10.0)

        return keep


def main() -> None:
    """Show the window until it is closed."""
    from matplotlib import pyplot as plt

    rclpy.init(args=sys.argv)
    try:
        node = ViewerNode()
        figure, grid = plt.subplots(1, len(TOPICS), num='R3L')
        for axes, topic in zip(grid, TOPICS, strict=True):
            axes.set_title(topic)
            axes.set_axis_off()
        plt.show(block=False)
        while plt.fignum_exists(figure.number):
            # One image of each topic at most, so that the window never lags.
            for _ in TOPICS:
                rclpy.spin_once(node, timeout_sec=0)
            for axes, topic in zip(grid, TOPICS, strict=True):
                if topic in node.images:
                    axes.imshow(node.images.pop(topic))
            plt.pause(_REFRESH)
        node.destroy_node()
    except KeyboardInterrupt:
        pass
    finally:
        rclpy.try_shutdown()


if __name__ == '__main__':
    main()
