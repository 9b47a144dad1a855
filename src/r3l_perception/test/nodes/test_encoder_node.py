# SPDX-License-Identifier: Apache-2.0
"""The encoder on a real graph: gather, train, encode, restart, bad input."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
import subprocess
import sys

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture
import pytest
from r3l_msgs.msg import Latent, Weights
from r3l_node.core.errors import ConfigError
from r3l_node.core.weights import load, pack, save
from r3l_node.nodes import qos
from r3l_node.nodes.images import image_message
from r3l_node.nodes.weights import read_weights, weights_message
from r3l_node.testing import Graph, graph
from r3l_perception.core.encoders import encoder_from_weights
from r3l_perception.core.stored import encoder_file
from r3l_perception.core.vae import from_weights, to_weights, Vae, VaeConfig
from r3l_perception.nodes.encoder_node import EncoderNode
from sensor_msgs.msg import Image
from std_msgs.msg import Header
import torch

TINY = {
    'latent_size': 3,
    'channels': [4, 4],
    'vae_steps': 20,
    'vae_batch': 8,
    'gather_images': 12,
    'preview_rate': 20.0,
}
ARCHITECTURE = VaeConfig(latent_size=3, channels=(4, 4))


def picture(seed: int, size: int = 32) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 255, (size, size, 3)).astype(np.uint8)


class Camera:
    """Publishes numbered images and keeps what the encoder answers."""

    def __init__(self, nodes: Graph) -> None:
        self._nodes = nodes
        probe = nodes.probe('camera')
        self._images = probe.create_publisher(Image, 'camera/image_raw', qos.SENSOR)
        self.latents: list[Latent] = []
        self.weights: list[Weights] = []
        self.previews: list[Image] = []
        probe.create_subscription(Latent, 'latent', self.latents.append, qos.OBSERVATION)
        probe.create_subscription(Weights, 'encoder/weights', self.weights.append, qos.WEIGHTS)
        probe.create_subscription(Image, 'encoder/reconstruction', self.previews.append, qos.VIEW)
        nodes.spin_until(
            lambda: self._images.get_subscription_count() and probe.count_publishers('latent') == 1
        )

    def send(self, number: int, pixels: NDArray[np.uint8] | None = None) -> None:
        header = Header(frame_id='camera_optical')
        header.stamp.sec = number
        self._images.publish(image_message(picture(number) if pixels is None else pixels, header))

    def answer(self, number: int) -> Latent:
        """Return the latent that the encoder answers an image with."""
        self.latents.clear()
        self.send(number)
        self._nodes.spin_until(
            lambda: any(m.header.stamp.sec == number for m in self.latents), 20.0
        )
        return self.latents[-1]


@contextmanager
def running(parameters: Mapping[str, object]) -> Iterator[tuple[Graph, Camera]]:
    with graph({'encoder': {**TINY, **parameters}}) as nodes:
        nodes.add(EncoderNode())
        yield nodes, Camera(nodes)


def test_it_gathers_trains_and_then_encodes_with_the_stamp_of_the_image(tmp_path: Path) -> None:
    with running({'run': str(tmp_path)}) as (nodes, camera):
        for number in range(1, 13):
            answer = camera.answer(number)
            assert (answer.model_version, len(answer.mean)) == (0, 0)
        answer = camera.answer(13)
        assert answer.header.frame_id == 'camera_optical'
        assert (answer.model_version, len(answer.mean), len(answer.log_variance)) == (1, 3, 3)
        nodes.spin_until(lambda: camera.weights)
        vae = from_weights(*read_weights(camera.weights[0], 'encoder'), expected=ARCHITECTURE)
        np.testing.assert_allclose(answer.mean, vae.encode(picture(13)[None])[0][0], atol=1e-6)
        assert camera.weights[0].env_steps == 12
        nodes.spin_until(lambda: camera.previews)
    assert np.asarray(Picture.open(tmp_path / 'reconstructions.png')).shape == (256, 1024, 3)
    with running({'run': str(tmp_path)}) as (_, camera):
        again = camera.answer(13)
    np.testing.assert_array_equal(again.mean, answer.mean)


def test_an_image_that_is_published_again_is_answered_but_gathered_once() -> None:
    with running({'gather_images': 2}) as (_, camera):
        for _ in range(3):
            assert camera.answer(1).model_version == 0
        assert camera.answer(2).model_version == 0
        assert camera.answer(3).model_version == 1


def test_a_restart_keeps_the_gathered_images(tmp_path: Path) -> None:
    with running({'run': str(tmp_path)}) as (_, camera):
        for number in range(1, 12):
            camera.answer(number)
    with running({'run': str(tmp_path)}) as (_, camera):
        assert camera.answer(12).model_version == 0
        assert camera.answer(13).model_version == 1


def test_given_weights_are_used_without_gathering(tmp_path: Path) -> None:
    vae = Vae(ARCHITECTURE, torch.Generator().manual_seed(0)).eval()
    save(tmp_path / 'given.safetensors', *to_weights(vae))
    with running({'weights': str(tmp_path / 'given.safetensors')}) as (_, camera):
        assert camera.answer(1).model_version == 1


def test_a_replay_encodes_with_the_weights_that_are_published() -> None:
    vae = Vae(VaeConfig(latent_size=3, channels=(4, 4), image_size=48),
              torch.Generator().manual_seed(0)).eval()  # fmt: skip
    with running({'replay': True, 'gather_images': 2}) as (nodes, camera):
        for number in (1, 2, 3):
            camera.send(number, picture(number, 48))
            nodes.spin_until(lambda n=number: len(camera.latents) == n)
        assert {message.model_version for message in camera.latents} == {0}
        player = nodes.probe('player')
        weights = player.create_publisher(Weights, 'encoder/weights', qos.WEIGHTS)
        weights.publish(weights_message('encoder', 7, 10, pack({}, {'model': 'another'})))
        weights.publish(weights_message('encoder', 7, 10, pack(*to_weights(vae))))
        # On another topic: the images after it may still meet no encoder.
        while camera.latents[-1].model_version == 0:
            seen = len(camera.latents)
            camera.send(4, picture(4, 48))
            nodes.spin_until(lambda n=seen: len(camera.latents) > n)
        assert camera.latents[-1].model_version == 7
        expected = vae.encode(picture(4, 48)[None])[0][0].numpy()
        np.testing.assert_array_equal(camera.latents[-1].mean, expected)
        assert player.count_publishers('encoder/weights') == 1


def test_pixels_need_no_training_and_are_all_there(tmp_path: Path) -> None:
    with running({'kind': 'pixels', 'run': str(tmp_path)}) as (nodes, camera):
        answer = camera.answer(1)
        nodes.spin_until(lambda: camera.weights)
        encoder = encoder_from_weights(*read_weights(camera.weights[0], 'encoder'))
        nodes.spin_until(lambda: camera.previews)
    assert (answer.model_version, len(answer.mean)) == (1, 32 * 32 * 3)
    np.testing.assert_array_equal(answer.mean, encoder.encode(picture(1)[None])[0][0])
    assert encoder_from_weights(*load(encoder_file(tmp_path))).latent_size == 32 * 32 * 3


def test_a_malformed_image_is_dropped_and_the_next_one_answered() -> None:
    with running({}) as (_, camera):
        camera.send(1, picture(0, 48))
        camera.answer(2)
        assert [m.header.stamp.sec for m in camera.latents] == [2]


def test_weights_of_another_architecture_are_refused_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / 'other.safetensors'
    save(path, *to_weights(Vae(VaeConfig(latent_size=5), torch.Generator().manual_seed(0))))
    with (
        pytest.raises(ConfigError, match=r'other\.safetensors: .* latent_size 5: expected 3'),
        running({'weights': str(path)}),
    ):
        pass
    with (
        pytest.raises(ConfigError, match=r'none\.safetensors cannot be read'),
        running({'weights': str(tmp_path / 'none.safetensors')}),
    ):
        pass


def test_a_parameter_out_of_range_ends_the_process_with_code_2() -> None:
    command = [sys.executable, '-m', 'r3l_perception.nodes.encoder_node', '--ros-args']
    result = subprocess.run(
        [*command, '-p', 'latent_size:=0'], capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 2
    expected = 'encoder.latent_size is 0: expected an integer from 1 to 12288'
    assert result.stderr.splitlines()[-1] == expected
