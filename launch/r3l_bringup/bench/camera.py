# SPDX-License-Identifier: Apache-2.0
"""Time from the capture of a 640x480 frame to its latent, through camera_node and encoder_node."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
import sys
import tempfile
import time
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from r3l_bringup.bench.single import untrained_encoder
from r3l_bringup.config import Request, resolve
from r3l_bringup.domain import graph_environment, run_domain
from r3l_bringup.graph import NodeSpec
from r3l_bringup.process import Program
from r3l_bringup.runner import Runner
from r3l_bringup.train import programs
from r3l_node.core.errors import ConfigError
from r3l_node.core.weights import save
from r3l_perception.core.camera.geometry import Geometry
from r3l_perception.core.vae import from_weights
import torch
import yaml

WIDTH, HEIGHT, RATE = 640, 480, 30.0  # [px], [px], [Hz]
NODES = (
    NodeSpec('encoder', 'r3l_perception', 'encoder_node',
             'r3l_perception.core.config:EncoderConfig'),
    NodeSpec('camera', 'r3l_perception', 'camera_node',
             'r3l_perception.core.camera.config:CameraConfig', after=('encoder',)),
)  # fmt: skip
_PICTURES = 30
_WARM_UP = 15  # latents that do not count
_TIMEOUT = 60.0  # [s]


def measure(seconds: float) -> dict[str, Any]:
    """
    Play JPEG pictures, as a USB camera sends them, and time each from its capture to its latent.

    :param seconds: of each measurement [s].
    :return: ``ratio``: the same work in one process without ROS over the median of the graph.
    """
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory(prefix='r3l_bench_') as name:
        folder = Path(name)
        encoder = folder / 'encoder.safetensors'
        weights = untrained_encoder(resolve(Request()))
        save(encoder, *weights)
        _record(folder / 'pictures')
        size = from_weights(*weights).config.image_size
        alone = _single(folder / 'pictures', weights, size, min(5.0, seconds))
        found = _graph(folder, encoder, size, seconds)
    latency = np.array(found['latency']) * 1e3
    figures: dict[str, Any] = {
        'ratio': round(float(np.median(alone) * 1e3 / np.median(latency)), 3),
        'latency_p50_ms': round(float(np.percentile(latency, 50)), 3),
        'latency_p99_ms': round(float(np.percentile(latency, 99)), 3),
        'single_p50_ms': round(float(np.percentile(alone, 50) * 1e3), 3),
        'single_p99_ms': round(float(np.percentile(alone, 99) * 1e3), 3),
        'latents': len(latency),
        'latents_per_second': round(found['rate'], 1),
        'captured': f'{WIDTH}x{HEIGHT} JPEG at {RATE:g} Hz',
        'image_size': size,
    }
    for key, value in figures.items():
        print(f'{key:24} {value}')
    return figures


def _record(folder: Path) -> None:
    """Write pictures of moving blots: about as much to decode as a scene."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (24, 32 + _PICTURES, 3), np.uint8)
    for number in range(_PICTURES):
        blots = cv2.resize(coarse[:, number : number + 32], (WIDTH, HEIGHT))
        noise = rng.integers(-8, 9, blots.shape)
        pixels = np.clip(blots + noise, 0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / f'{number:03}.jpg'), pixels)


def _single(folder: Path, weights: Any, size: int, seconds: float) -> NDArray[np.float64]:
    """Do the same in one process: decode, reduce, encode; time of each [s]."""
    vae = from_weights(*weights)
    geometry = Geometry.fit((HEIGHT, WIDTH), size)
    data = [np.frombuffer(path.read_bytes(), np.uint8) for path in sorted(folder.iterdir())]
    times: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) <= _WARM_UP:
        begun = time.perf_counter()
        pixels: Any = cv2.imdecode(data[len(times) % len(data)], cv2.IMREAD_COLOR)
        vae.encode(np.ascontiguousarray(geometry.apply(pixels)[:, :, ::-1])[None])
        times.append(time.perf_counter() - begun)
        # At the rate of the camera: caches are as cold as they are there.
        time.sleep(max(0.0, 1.0 / RATE - times[-1]))
    return np.array(times[_WARM_UP:])


def _graph(folder: Path, encoder: Path, size: int, seconds: float) -> dict[str, Any]:
    camera = {
        'source': str(folder / 'pictures'), 'framerate': RATE, 'control_rate': 0.0,
        'image_size': size,
    }  # fmt: skip
    sections = {
        'camera': camera,
        'encoder': {'weights': str(encoder), 'lockstep': False, 'image_size': size},
    }
    parameters = {f'/**/{node}': {'ros__parameters': own} for node, own in sections.items()}
    config_file = folder / 'config.yaml'
    config_file.write_text(yaml.safe_dump(parameters), encoding='utf-8')
    out = folder / 'probe.json'
    probe = Program(
        'probe',
        [sys.executable, '-m', __name__, '--seconds', str(seconds), '--out', str(out),
         '--ros-args', '--disable-external-lib-logs'],
        after=('camera', 'encoder'),
        respawn=False,
        ends_run=True,
    )  # fmt: skip
    nodes = programs(config_file, NODES)
    with run_domain() as domain:
        code = Runner([*nodes, probe], folder, graph_environment(domain), on_event=print).run()
    if code != 0 or not out.exists():
        raise ConfigError(f'the camera could not be measured: the graph ended with code {code}')
    result: dict[str, Any] = json.loads(out.read_text(encoding='utf-8'))
    return result


def main() -> None:
    """Listen to the latents from a process of its own, and write down how old each is."""
    import rclpy

    parser = argparse.ArgumentParser()
    parser.add_argument('--seconds', type=float, required=True)
    parser.add_argument('--out', type=Path, required=True)
    options = parser.parse_args(rclpy.utilities.remove_ros_args(sys.argv)[1:])
    rclpy.init(args=sys.argv)
    try:
        found = _listen(options.seconds)
    finally:
        rclpy.try_shutdown()
    options.out.write_text(json.dumps(found), encoding='utf-8')


def _listen(seconds: float) -> dict[str, Any]:
    from r3l_msgs.msg import Latent
    from r3l_node.nodes.main import make_executor
    from r3l_node.nodes.qos import OBSERVATION
    import rclpy
    from rclpy.time import Time

    node = rclpy.create_node('probe')
    ages: list[float] = []
    arrivals: list[float] = []

    def on_latent(message: Latent) -> None:
        # The stamp is the time of the capture by the clock of this machine.
        age = node.get_clock().now() - Time.from_msg(message.header.stamp)
        ages.append(age.nanoseconds * 1e-9)
        arrivals.append(time.monotonic())

    node.create_subscription(Latent, 'latent', on_latent, OBSERVATION)
    executor = make_executor()
    executor.add_node(node)
    deadline = time.monotonic() + _TIMEOUT + seconds
    while len(arrivals) <= _WARM_UP + 1 or arrivals[-1] - arrivals[_WARM_UP] < seconds:
        executor.spin_once(timeout_sec=0.5)
        if time.monotonic() > deadline:
            sys.exit(f'only {len(arrivals)} latents came within {_TIMEOUT + seconds:.0f} s')
    executor.remove_node(node)
    node.destroy_node()
    ages, arrivals = ages[_WARM_UP:], arrivals[_WARM_UP:]
    return {'latency': ages, 'rate': (len(ages) - 1) / (arrivals[-1] - arrivals[0])}


if __name__ == '__main__':
    main()
