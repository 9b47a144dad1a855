# SPDX-License-Identifier: Apache-2.0
"""A camera, a recording or a stream as the pictures that are learned from."""

from __future__ import annotations

from pathlib import Path
import threading
import time

import cv2
from r3l_node.core.errors import ConfigError
from r3l_node.nodes import qos
from r3l_node.nodes.diagnostics import Diagnostics, Level, Report
from r3l_node.nodes.fields import byte_field
from r3l_node.nodes.images import image_message
from r3l_node.nodes.main import run
from r3l_node.nodes.parameters import declare
from r3l_perception.core.camera.calibration import Calibration, read_calibration
from r3l_perception.core.camera.capture import Capture, Condition, Picture
from r3l_perception.core.camera.choice import choose_source
from r3l_perception.core.camera.config import CameraConfig
from r3l_perception.core.camera.source import Source
from r3l_perception.core.camera.thread import CaptureThread
from r3l_perception.nodes.camera_info import find_calibration, info_message
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.task import Future
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

WATCH_PERIOD = 0.1  # [s]
# A jump of the wall clock against the monotonic one that is worth a warning.
CLOCK_STEP = 0.1  # [s]
# Conditions that pass by themselves, or are wanted.
_MILD = (Condition.STARTING, Condition.LATE, Condition.OVER)


class CameraNode(Node):
    """
    Publish the pictures of a camera at the size that is learned from.

    Publishes ``camera/image_raw``, ``camera/camera_info`` with the same header, and
    ``camera/image_raw/compressed`` while somebody listens. The stamp is the time of the capture.
    A camera that is lost, frozen, dark or overexposed publishes nothing, so that the agent waits;
    ``/diagnostics`` says why. It is opened again by itself.
    """

    def __init__(self, source: Source | None = None) -> None:
        """
        Begin to capture.

        :param source: in place of the one that the parameters name.
        :raises ConfigError: if a parameter, the recording or the calibration is wrong.
        """
        super().__init__('camera')
        self._config = config = declare(self, CameraConfig)
        cv2.setNumThreads(1)  # a picture is too small to share
        self._stopped = threading.Event()
        source = source or choose_source(config, wait=self._stopped.wait)
        self._calibration = self._read_calibration()
        self._newest: Picture | None = None
        self._task: Future | None = None
        self._condition = Condition.STARTING
        self._clock_offset: float | None = None
        self._calibrated = False
        self._published = self._overtaken = self._clock_steps = 0
        self._images = self.create_publisher(Image, 'camera/image_raw', qos.SENSOR)
        self._infos = self.create_publisher(CameraInfo, 'camera/camera_info', qos.SENSOR)
        self._compressed = self.create_publisher(
            CompressedImage, 'camera/image_raw/compressed', qos.VIEW
        )
        self._diagnostics = Diagnostics(self, source.name)
        self._diagnostics.add('images', self._report)
        self.create_timer(WATCH_PERIOD, self._watch, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self._capture = Capture(config, source, self._deliver)
        self._thread = CaptureThread(self._capture, self._stopped)

    def close(self) -> None:
        """Stop capturing."""
        self._thread.stop()

    def _deliver(self, picture: Picture) -> None:
        """Hand a picture from the thread of the capture to the executor."""
        self._overtaken += self._newest is not None
        self._newest = picture
        # A task wakes the executor at once; a timer would add its period to the latency.
        if self.executor is not None:
            self._task = self.executor.create_task(self._publish)

    def _publish(self) -> None:
        picture, self._newest = self._newest, None
        if picture is None or self._stopped.is_set():
            return
        age = time.monotonic() - picture.stamp
        if age > self._config.max_age:
            self._capture.counts['late'] += 1
            return
        # One that is being published must not be changed: every message is new.
        header = Header(frame_id=self._config.optical_frame, stamp=self._stamp(age))
        info = info_message(self._calibration, picture.geometry, header)
        self._calibrated = bool(info.k[0])
        self._images.publish(image_message(picture.pixels, header))
        self._infos.publish(info)
        self._published += 1
        if self._compressed.get_subscription_count():
            self._publish_compressed(picture, header)

    def _stamp(self, age: float) -> object:
        """Return the time of the capture by the clock that all nodes share."""
        nanoseconds = self.get_clock().now().nanoseconds
        offset = nanoseconds * 1e-9 - time.monotonic()
        if self._clock_offset is not None and abs(offset - self._clock_offset) > CLOCK_STEP:
            self._clock_steps += 1
            step = offset - self._clock_offset
            self.get_logger().warning(
                f'the clock made a step of {step:+.1f} s', throttle_duration_sec=1.0
            )
        self._clock_offset = offset
        return Time(nanoseconds=max(nanoseconds - round(age * 1e9), 0)).to_msg()

    def _publish_compressed(self, picture: Picture, header: Header) -> None:
        quality = [cv2.IMWRITE_JPEG_QUALITY, self._config.jpeg_quality]
        _, data = cv2.imencode('.jpg', picture.pixels[:, :, ::-1], quality)
        # As compressed_image_transport says it: encoding; what is in the JPEG.
        message = CompressedImage(header=header, format='rgb8; jpeg compressed bgr8')
        message.data = byte_field(data)
        self._compressed.publish(message)

    def _watch(self) -> None:
        """Tell a change of the condition at once, and end with the errors of other threads."""
        if self._thread.error is not None:
            raise self._thread.error
        task = self._task
        if task is not None and task.done() and task.exception() is not None:
            raise task.exception()
        condition, reason = self._capture.state()
        if condition is self._condition:
            return
        self._condition = condition
        # Two calls: rclpy takes one place in the code to have one severity.
        if condition is Condition.RUNNING:
            self.get_logger().info(f'{condition.value}: {reason}')
        else:
            self.get_logger().warning(f'{condition.value}: {reason}')
        self._diagnostics.publish()

    def _report(self) -> Report:
        condition, reason = self._capture.state()
        figures: dict[str, object] = {
            'condition': condition.value,
            'frame rate [Hz]': f'{self._capture.rate():.1f}',
            'images published': self._published,
            'images overtaken': self._overtaken,
            'clock steps': self._clock_steps,
            'calibrated': self._calibrated,
        }
        for name in ('frames', 'late', 'duplicated', 'dark', 'overexposed', 'opened', 'lost'):
            figures[name] = self._capture.counts[name]
        if condition is Condition.RUNNING:
            level = Level.WARN if self._clock_steps else Level.OK
        else:
            level = Level.WARN if condition in _MILD else Level.ERROR
        return level, f'{condition.value}: {reason}', figures

    def _read_calibration(self) -> Calibration | None:
        path = find_calibration(self._config)
        if path is None:
            self.get_logger().info('not calibrated: no camera_info file')
            return None
        calibration = read_calibration(Path(path))
        if calibration.name and calibration.name != self._config.camera_name:
            self.get_logger().warning(
                f"{path} is of camera '{calibration.name}', not '{self._config.camera_name}'"
            )
        size = (self._config.image_width, self._config.image_height)
        if not self._config.source and calibration.size != size:
            shown = 'x'.join(map(str, calibration.size))
            raise ConfigError(
                f'{path} is for {shown} pixels: expected {size[0]}x{size[1]}, as image_width and '
                'image_height are'
            )
        return calibration


def main(args: list[str] | None = None) -> None:
    """Run the node until it is interrupted."""
    run(CameraNode, args)


if __name__ == '__main__':
    main()
