# SPDX-License-Identifier: Apache-2.0
"""A small recording of a training, for tests: what its nodes would have said, without them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
import json
from pathlib import Path
from typing import Any

from mcap.writer import Writer
import numpy as np
from numpy.typing import NDArray
from r3l_bag.core.definitions import definition
from r3l_msgs.msg import AgentStatus, Latent, Reward, SafetyState, Transition
from r3l_node.core.weights import pack
from r3l_node.nodes.fields import float_field
from r3l_node.nodes.images import image_message
from r3l_node.nodes.weights import weights_message
from r3l_perception.core.vae import to_weights, Vae, VaeConfig
from r3l_reward.core.vice import RewardModel, ViceConfig, ViceTrainer
from r3l_reward.core.vice.model import log_sigmoid
from rclpy.serialization import serialize_message
from sensor_msgs.msg import JointState
from std_msgs.msg import Header
import torch
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

NANO = 10**9
JOINTS = ('one', 'two')
INFO = {
    'task': 'valve',
    'joint_names': json.dumps(JOINTS),
    'joint_low': '[-1.0, -1.0]',
    'joint_high': '[1.0, 1.0]',
    'control_rate': '10.0',
    'image_size': '32',
    'latent_size': '3',
    'pace': 'lockstep',
    'hardware': 'sim',
    'seed': '0',
    'profile': 'modern',
}

Said = Iterator[tuple[str, Any]]  # topic, message


def write_bag(
    path: Path, messages: Iterator[tuple[int, str, Any]], info: Mapping[str, str] = INFO
) -> Path:
    """
    Write messages into an MCAP file.

    :param path: of the file.
    :param messages: log time [ns], topic and message, in order.
    :param info: of the run.
    :return: the path.
    """
    with path.open('wb') as file:
        writer = Writer(file, chunk_size=2**16)
        writer.start('ros2', 'r3l test')
        writer.add_metadata('r3l', dict(info))
        channels: dict[str, int] = {}
        for time, topic, message in messages:
            package, _, kind = type(message).__module__.partition('.')[0], '', type(message)
            name = f'{package}/msg/{kind.__name__}'
            if topic not in channels:
                schema = writer.register_schema(name, 'ros2msg', definition(name).encode())
                channels[topic] = writer.register_channel(topic, 'cdr', schema)
            header = getattr(message, 'header', None)
            stamp = time if header is None else header.stamp.sec * NANO + header.stamp.nanosec
            writer.add_message(channels[topic], time, serialize_message(message), stamp)
        writer.finish()  # type: ignore[no-untyped-call]
    return path


@dataclass
class Recording:
    """
    A training at 10 Hz: images without an encoder, then with one and with classifiers.

    :param steps: control steps.
    :param gathered: steps before there is an encoder.
    :param round_steps: steps between two classifiers.
    :param start: wall time of the first message [ns].
    :param seed: of images and models.
    """

    steps: int = 40
    gathered: int = 5
    round_steps: int = 10
    start: int = 1_790_000_000 * NANO
    seed: int = 0
    vae: Vae = field(init=False)
    models: list[RewardModel] = field(init=False, default_factory=list)
    images: NDArray[np.uint8] = field(init=False)

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        config = VaeConfig(latent_size=3, channels=(4, 4))
        self.vae = Vae(config, torch.Generator().manual_seed(self.seed)).eval()
        self.images = rng.integers(0, 256, (self.steps, 32, 32, 3)).astype(np.uint8)
        goals = rng.standard_normal((40, 3)).astype(np.float32)
        self._trainer = ViceTrainer(ViceConfig(hidden=(8,), batch=8), goals, self.seed)

    def write(self, path: Path) -> Path:
        """Write it as an MCAP file."""
        return write_bag(path, self._timed())

    def write_run(self, run: Path) -> Path:
        """Write it as the bag of a run folder."""
        folder = run / 'bags' / '2026-11-23_00-00-00'
        folder.mkdir(parents=True)
        self.write(folder / '2026-11-23_00-00-00_0.mcap')
        return run

    def _timed(self) -> Iterator[tuple[int, str, Any]]:
        for step in range(self.steps):
            for order, (topic, message) in enumerate(self._step(step)):
                yield self.start + step * NANO // 10 + order * NANO // 1000, topic, message

    def _step(self, step: int) -> Said:
        header = Header(frame_id='camera')
        header.stamp.sec, header.stamp.nanosec = divmod(step * NANO // 10, NANO)
        image = image_message(self.images[step], header)
        joints = float_field([0.1, step / 100.0], 'float64')
        yield '/joint_states', JointState(header=header, name=list(JOINTS), position=joints)
        yield '/camera/image_raw', image
        if step == self.gathered:
            yield (
                '/encoder/weights',
                weights_message('encoder', 1, step, pack(*to_weights(self.vae))),
            )
        latent = self._latent(header, step)
        yield '/latent', latent
        version = len(self.models)
        if step > self.gathered and step % self.round_steps == 0:
            yield from self._round(step)
        if version:
            yield '/reward', self._reward(header, latent, self.models[version - 1], version)
        yield from self._acting(header, step, image, latent)

    def _latent(self, header: Header, step: int) -> Latent:
        if step < self.gathered:
            return Latent(header=header)
        mean, log_variance = (part[0].numpy() for part in self.vae.encode(self.images[step][None]))
        return Latent(
            header=header,
            mean=float_field(mean),
            log_variance=float_field(log_variance),
            model_version=1,
        )

    def _round(self, step: int) -> Said:
        negatives = np.random.default_rng(step).standard_normal((20, 8, 3)).astype(np.float32)
        self._trainer.round(negatives)
        tensors, metadata = self._trainer.weights()
        self.models.append(RewardModel.from_weights(tensors, metadata))
        data = pack(tensors, metadata)
        yield '/reward/weights', weights_message('reward', len(self.models), step, data)

    def _reward(self, header: Header, latent: Latent, model: RewardModel, version: int) -> Reward:
        logit = model.logits(np.array(latent.mean, np.float32)[None])
        return Reward(
            header=header,
            logit=float(logit[0]),
            probability=float(np.exp(log_sigmoid(logit))[0]),
            reward=float(model.reward(logit)[0]),
            model_version=version,
        )

    def _acting(self, header: Header, step: int, image: Any, latent: Latent) -> Said:
        task = step >= 2 * self.round_steps
        yield (
            '/joint_command',
            JointTrajectory(
                header=header,
                joint_names=list(JOINTS),
                points=[JointTrajectoryPoint(positions=[0.1, 0.2])],
            ),
        )
        yield (
            '/transition',
            Transition(
                header=header,
                sequence=step,
                policy=Transition.TASK if task else Transition.RANDOM,
                first=step == 0,
                joint_position=float_field([0.1, step / 100.0]),
                previous_action=float_field([0.0, 0.0]),
                action=float_field([0.5, -0.5]),
                latent_mean=latent.mean,
                encoder_version=latent.model_version,
                image=image,
            ),
        )
        yield (
            '/agent/status',
            AgentStatus(
                header=header,
                phase=AgentStatus.TASK if task else AgentStatus.WARM_UP,
                episode=1,
                step=step,
                env_steps=step + 1,
            ),
        )
        yield '/driver/safety', SafetyState(header=header, state=SafetyState.RUN)
