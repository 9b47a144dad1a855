# SPDX-License-Identifier: Apache-2.0
"""Gather images, train the VAE on them once, then encode every image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from r3l_msgs.msg import Latent, Weights
from r3l_node.core.compute import Compute
from r3l_node.core.ring import MappedRing
from r3l_node.core.weights import pack, WeightsError
from r3l_node.nodes import qos
from r3l_node.nodes.diagnostics import Diagnostics, Level, Report
from r3l_node.nodes.fields import float_field
from r3l_node.nodes.images import image_array, image_message, ImageError
from r3l_node.nodes.main import run
from r3l_node.nodes.metrics import MetricsPublisher
from r3l_node.nodes.parameters import declare
from r3l_node.nodes.weights import read_weights, weights_message
from r3l_perception.core.config import EncoderConfig
from r3l_perception.core.encoders import encoder_from_weights
from r3l_perception.core.pixels import PixelEncoder
from r3l_perception.core.stored import keep_vae, pixel_encoder, stored_vae
from r3l_perception.core.vae import to_weights, Vae
from r3l_perception.nodes.training import TrainingThread
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.timer import Timer
from sensor_msgs.msg import Image
import torch

# The VAE is trained once and frozen.
VERSION = 1
POLL_PERIOD = 0.05  # [s]


class EncoderNode(Node):
    """
    Turn camera images into latents.

    Subscribes ``camera/image_raw``. Publishes ``latent`` for every image, with the image's
    header (empty and of version 0 while images are only gathered; nothing at all while the VAE
    is trained), ``encoder/weights``, ``encoder/reconstruction`` and ``metrics``. With ``replay``
    nothing is gathered or trained: it subscribes ``encoder/weights`` instead of publishing them.
    """

    def __init__(self) -> None:
        """
        Load what an earlier process left, then start.

        :raises ConfigError: if a parameter, the weights or the run's files do not fit.
        """
        super().__init__('encoder')
        self._config = declare(self, EncoderConfig)
        torch.set_num_threads(1)
        config = self._config
        self._compute = Compute.named(config.device, config.precision, node='encoder')
        self._run = Path(config.run) if config.run else None
        # A recorded encoder says itself how large its images are.
        self._side = None if config.replay else (config.image_size, config.image_size)
        self._version = VERSION
        self._vae: Vae | PixelEncoder | None = None
        self._training: TrainingThread | None = None
        self._newest: Image | None = None
        self._waiting: Image | None = None
        self._gathered_stamp = (0, 0)
        self._dropped = 0
        self._encoded = 0
        self._images = MappedRing(
            self._run and self._run / 'replay' / 'encoder',
            1 if config.replay else config.gather_images,
            {'image': ((config.image_size, config.image_size, 3), np.uint8)},
        )
        stored = None if config.replay else self._stored()
        self._latents = self.create_publisher(Latent, 'latent', qos.OBSERVATION)
        self._weights: Publisher | None = None
        if config.replay:
            self.create_subscription(Weights, 'encoder/weights', self._on_weights, qos.WEIGHTS)
        else:
            self._weights = self.create_publisher(Weights, 'encoder/weights', qos.WEIGHTS)
        self._preview = self.create_publisher(Image, 'encoder/reconstruction', qos.VIEW)
        self._metrics = MetricsPublisher(self, 'encoder')
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._poll_timer: Timer | None = None
        Diagnostics(self).add('vae', self._report)
        self.create_timer(1.0 / config.preview_rate, self._publish_preview, clock=self._steady)
        if stored is not None:
            self._use(stored)
        elif not config.replay and self._images.count >= config.gather_images:
            self._start_training()
        self.create_subscription(
            Image, 'camera/image_raw', self._on_image, qos.sensor(lockstep=config.lockstep)
        )

    def _stored(self) -> Vae | PixelEncoder | None:
        config = self._config
        return pixel_encoder(config) if config.kind == 'pixels' else stored_vae(config)

    def close(self) -> None:
        """Stop a training that is under way; the gathered images are kept for the next start."""
        if self._training is not None:
            self._training.stop()
        self._images.flush()

    def _on_image(self, msg: Image) -> None:
        try:
            pixels = image_array(msg, self._side)
        except ImageError as error:
            self._dropped += 1
            self.get_logger().error(f'image dropped: {error}', throttle_duration_sec=1.0)
            return
        if self._vae is not None:
            self._newest = msg
            self._encoded += 1
            mean, log_variance = self._vae.encode(pixels[None])
            self._latents.publish(
                Latent(
                    header=msg.header,
                    mean=float_field(mean[0].numpy()),
                    log_variance=float_field(log_variance[0].numpy()),
                    model_version=self._version,
                )
            )
        elif self._training is not None:
            self._waiting = msg
        elif self._config.replay:
            self._latents.publish(Latent(header=msg.header))
        else:
            self._gather(msg, pixels)

    def _gather(self, msg: Image, pixels: NDArray[np.uint8]) -> None:
        # An image that was published again because no answer came is answered again, not kept.
        stamp = (msg.header.stamp.sec, msg.header.stamp.nanosec)
        if stamp != self._gathered_stamp:
            self._gathered_stamp = stamp
            self._images.append(image=pixels)
        self._latents.publish(Latent(header=msg.header))
        if self._images.count >= self._config.gather_images:
            self._start_training()

    def _start_training(self) -> None:
        count = len(self._images)
        self.get_logger().info(f'training the VAE on {count} images')
        images = np.asarray(self._images.arrays['image'][:count])
        self._training = TrainingThread(images, self._config, self._config.seed, self._compute)
        self._poll_timer = self.create_timer(POLL_PERIOD, self._poll, clock=self._steady)

    def _poll(self) -> None:
        training, timer = self._training, self._poll_timer
        if training is None or timer is None:
            return
        vae = training.result()
        progress = training.newest_metrics()
        if progress:
            self._metrics.publish(self._images.count, progress)
        if vae is None:
            return
        self._training = self._poll_timer = None
        self.destroy_timer(timer)
        if self._run is not None:
            keep_vae(self._run, vae, self._images.arrays['image'][: len(self._images)])
        self._use(vae)
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self._on_image(waiting)

    def _use(self, vae: Vae | PixelEncoder) -> None:
        self._vae = vae
        if self._weights is not None:
            stamp = self.get_clock().now().to_msg()
            data = pack(*(to_weights(vae) if isinstance(vae, Vae) else vae.to_weights()))
            self._weights.publish(
                weights_message('encoder', VERSION, self._images.count, data, stamp)
            )
        what = 'a frozen VAE' if isinstance(vae, Vae) else 'nothing: pixels as they are'
        self.get_logger().info(f'encoding with {what}')

    def _on_weights(self, msg: Weights) -> None:
        try:
            encoder = encoder_from_weights(*read_weights(msg, 'encoder'))
            if not isinstance(encoder, Vae | PixelEncoder):
                raise WeightsError('it encodes features: expected an encoder of images')
        except WeightsError as error:
            self.get_logger().error(f'encoder/weights dropped: {error}')
            return
        self._side = (encoder.image_size, encoder.image_size)
        self._version = msg.version
        self._use(encoder)

    def _publish_preview(self) -> None:
        msg, vae = self._newest, self._vae
        if msg is None or vae is None or not self._preview.get_subscription_count():
            return
        mean, _ = vae.encode(image_array(msg, self._side)[None])
        self._preview.publish(image_message(vae.decode(mean)[0], msg.header))

    def _report(self) -> Report:
        figures = {
            'images gathered': self._images.count,
            'images encoded': self._encoded,
            'images dropped': self._dropped,
        }
        if self._vae is not None:
            return Level.OK, 'encoding', figures
        if self._config.replay:
            return Level.OK, 'waiting for recorded weights', figures
        doing = 'gathering images' if self._training is None else 'training the VAE'
        return Level.OK, doing, figures


def main(args: list[str] | None = None) -> None:
    """Run the node until it is interrupted."""
    run(EncoderNode, args)


if __name__ == '__main__':
    main()
