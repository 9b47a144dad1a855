# SPDX-License-Identifier: Apache-2.0
"""The classifier on a real graph: rounds, rewards, restart, bad input."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
import re
import subprocess
import sys

import numpy as np
from numpy.typing import NDArray
import pytest
from r3l_msgs.msg import Latent, Metrics, Reward, Transition, Weights
from r3l_node.core.errors import ConfigError
from r3l_node.core.weights import pack
from r3l_node.nodes import qos
from r3l_node.nodes.fields import float_field
from r3l_node.nodes.images import image_message
from r3l_node.nodes.weights import read_weights, weights_message
from r3l_node.testing import Graph, graph
from r3l_perception.core.vae import to_weights, Vae, VaeConfig
from r3l_reward.core.goals import save_goals
from r3l_reward.core.vice import RewardModel, ViceConfig, ViceTrainer
from r3l_reward.nodes.reward_node import RewardNode
from sensor_msgs.msg import Image
from std_msgs.msg import Header
import torch

TINY = {
    'latent_size': 3,
    'hidden': [8],
    'batch': 4,
    'initial_negatives': 10,
    'initial_updates': 3,
    'round_steps': 10,
    'updates_per_round': 2,
    'minimum_goals': 5,
}
PIXELS = {'input': 'pixels', 'channels': [4, 4], 'form': 'probability'}


@pytest.fixture
def goals(tmp_path: Path) -> Path:
    """Write a folder of goal images."""
    save_goals(tmp_path / 'goals', pictures(10, 180))
    return tmp_path / 'goals'


@pytest.fixture(scope='module')
def vae() -> Vae:
    """Return an untrained encoder."""
    config = VaeConfig(latent_size=3, channels=(4, 4))
    return Vae(config, torch.Generator().manual_seed(0)).eval()


def pictures(count: int, level: int) -> NDArray[np.uint8]:
    rng = np.random.default_rng(level)
    return rng.integers(level, level + 50, (count, 32, 32, 3)).astype(np.uint8)


class Robot:
    """Publishes what agent and encoder do and keeps what the reward node answers."""

    def __init__(self, nodes: Graph) -> None:
        self._nodes = nodes
        probe = nodes.probe('robot')
        self._sequence = 0
        self.transitions = probe.create_publisher(Transition, 'transition', qos.TRANSITION)
        self._encoder = probe.create_publisher(Weights, 'encoder/weights', qos.WEIGHTS)
        self.latents = probe.create_publisher(Latent, 'latent', qos.OBSERVATION)
        self.images = probe.create_publisher(Image, 'camera/image_raw', qos.SENSOR)
        self.rewards: list[Reward] = []
        self.weights: list[Weights] = []
        self.metrics: list[Metrics] = []
        probe.create_subscription(Reward, 'reward', self.rewards.append, qos.OBSERVATION)
        # Deeper than the real ones, to see every version.
        history = qos.POLICY_WEIGHTS
        probe.create_subscription(Weights, 'reward/weights', self.weights.append, history)
        probe.create_subscription(Metrics, 'metrics', self.metrics.append, qos.METRICS)
        nodes.spin_until(
            lambda: self.transitions.get_subscription_count() and probe.count_publishers('reward')
        )

    def send_encoder(self, vae: Vae) -> None:
        self._encoder.publish(weights_message('encoder', 1, 10, pack(*to_weights(vae))))

    def act(self, steps: int, vae: Vae | None = None, start: int | None = None) -> None:
        """Publish transitions, with latents if there is an encoder."""
        self._sequence = self._sequence if start is None else start
        for image in pictures(steps, 20):
            self._sequence += 1
            msg = Transition(sequence=self._sequence, policy=Transition.TASK)
            msg.image = image_message(image, Header())
            if vae is not None:
                msg.encoder_version = 1
                msg.latent_mean = float_field(vae.encode(image[None])[0])
            self.transitions.publish(msg)

    def wait_for(self, env_steps: list[int]) -> None:
        """Spin until weights of exactly these rounds have come."""
        self._nodes.spin_until(lambda: len(self.weights) >= len(env_steps), 10.0)
        assert [msg.env_steps for msg in self.weights] == env_steps


@contextmanager
def running(goals: Path, **parameters: object) -> Iterator[tuple[Graph, Robot]]:
    values: Mapping[str, object] = {**TINY, 'goals': str(goals), **parameters}
    with graph({'reward': values}) as nodes:
        nodes.add(RewardNode())
        yield nodes, Robot(nodes)


def test_it_trains_by_env_steps_and_scores_latents(goals: Path, vae: Vae) -> None:
    with running(goals) as (nodes, robot):
        robot.act(16)
        robot.send_encoder(vae)
        robot.wait_for([10])
        robot.act(15, vae)
        robot.wait_for([10, 20, 30])
        assert [msg.version for msg in robot.weights] == [1, 2, 3]
        latent = np.array([0.1, -0.2, 0.3], np.float32)
        msg = Latent(mean=float_field(latent), model_version=1)
        msg.header.stamp.sec = 7
        robot.latents.publish(msg)
        nodes.spin_until(lambda: robot.rewards)
        model = RewardModel.from_weights(*read_weights(robot.weights[-1], 'reward'))
        logit = model.logits(latent[None])
        assert robot.rewards[0].header.stamp.sec == 7
        assert robot.rewards[0].model_version == 3
        assert robot.rewards[0].logit == pytest.approx(float(logit[0]), abs=1e-6)
        assert robot.rewards[0].reward == pytest.approx(float(model.reward(logit)[0]), abs=1e-6)
        assert 'vice/held_out_probability' in robot.metrics[-1].names


def test_images_are_scored_without_an_encoder(goals: Path) -> None:
    with running(goals, **PIXELS) as (nodes, robot):
        robot.act(11)
        robot.wait_for([10])
        robot.images.publish(image_message(pictures(1, 20)[0], Header(frame_id='eye')))
        nodes.spin_until(lambda: robot.rewards)
        assert robot.rewards[0].header.frame_id == 'eye'
        assert robot.rewards[0].reward == pytest.approx(robot.rewards[0].probability)


def test_the_order_of_encoder_and_transitions_does_not_change_the_weights(
    goals: Path, vae: Vae
) -> None:
    digests = []
    for late in (False, True):
        with running(goals) as (nodes, robot):
            robot.act(19)
            if late:
                robot.act(3, vae)
                nodes.spin_for(0.2)
                robot.send_encoder(vae)
            else:
                nodes.spin_for(0.2)
                robot.send_encoder(vae)
                robot.wait_for([10])
                robot.act(3, vae)
            robot.wait_for([10, 20])
            digests.append(robot.weights[0].sha256)
    assert digests[0] == digests[1]


def test_a_restart_publishes_its_weights_and_goes_on(
    goals: Path, vae: Vae, tmp_path: Path
) -> None:
    run = tmp_path / 'run'
    with running(goals, run=str(run)) as (_, robot):
        robot.act(12)
        robot.send_encoder(vae)
        robot.wait_for([10])
        robot.act(4, vae)
        first = robot.weights[0].sha256
        robot._nodes.spin_for(0.3)
    with running(goals, run=str(run)) as (nodes, robot):
        robot.wait_for([10])
        assert robot.weights[0].sha256 == first
        # Messages of the time before come again and are not counted twice.
        robot.act(10, vae, start=10)
        nodes.spin_for(0.2)
        robot.send_encoder(vae)
        robot.wait_for([10, 20])
        assert robot.weights[1].version == 2


def test_a_second_classifier_travels_with_the_first_and_survives_a_restart(
    goals: Path, vae: Vae, tmp_path: Path
) -> None:
    save_goals(tmp_path / 'starts', pictures(10, 100))
    two = {'reset_goals': str(tmp_path / 'starts'), 'run': str(tmp_path / 'run')}
    versions = []
    for start in (0, 12):
        with running(goals, **two) as (nodes, robot):
            if start:
                robot.wait_for([10])
            robot.act(12, vae if start else None, start=start)
            robot.send_encoder(vae)
            robot.wait_for([10, 20] if start else [10])
            versions.append(read_weights(robot.weights[-1], 'reward'))
            nodes.spin_until(lambda: robot.metrics)
            assert 'reset/held_out_probability' in robot.metrics[-1].names
    latent = vae.encode(pictures(1, 100))[0].numpy()
    found = [
        float(RewardModel.from_weights(*version, reset=reset).logits(latent)[0])
        for version in versions
        for reset in (False, True)
    ]
    assert len(set(found)) == 4


def test_bad_messages_are_dropped_and_counted(goals: Path, vae: Vae) -> None:
    with graph({'reward': {**TINY, 'goals': str(goals)}}) as nodes:
        node = nodes.add(RewardNode())
        robot = Robot(nodes)
        robot.send_encoder(vae)
        robot.act(10, vae)
        robot.wait_for([10])
        nan = float_field([0.0, np.nan, 0.0])
        robot.transitions.publish(Transition(sequence=50, latent_mean=nan, encoder_version=1))
        robot.transitions.publish(Transition(sequence=51))
        robot.latents.publish(Latent(mean=nan, model_version=1))
        robot.latents.publish(Latent(mean=float_field([0.0]), model_version=1))
        other = Vae(VaeConfig(latent_size=4), torch.Generator().manual_seed(0))
        robot.send_encoder(other)
        nodes.spin_until(lambda: node._dropped == 5)
        figures = node._learning.figures()
        assert (figures['transitions missed'], figures['negatives']) == (39, 10)


@pytest.mark.parametrize('kind', ['latent', 'pixels'])
def test_a_replay_scores_with_the_weights_that_are_published(kind: str) -> None:
    config = ViceConfig(input=kind, hidden=(8,), channels=(4, 4))
    examples = pictures(8, 20) if kind == 'pixels' else np.eye(8, 3, dtype=np.float32)
    trainer = ViceTrainer(config, examples)
    with graph({'reward': {'replay': True, 'input': kind}}) as nodes:
        node = nodes.add(RewardNode())
        player = nodes.probe('player')
        weights = player.create_publisher(Weights, 'reward/weights', qos.WEIGHTS)
        latents = player.create_publisher(Latent, 'latent', qos.OBSERVATION)
        images = player.create_publisher(Image, 'camera/image_raw', qos.SENSOR)
        rewards: list[Reward] = []
        player.create_subscription(Reward, 'reward', rewards.append, qos.OBSERVATION)
        asked = images if kind == 'pixels' else latents
        nodes.spin_until(lambda: asked.get_subscription_count() and node._rewards)
        nodes.spin_until(node._rewards.get_subscription_count)
        for version in (1, 2):
            trainer.round(examples[None])
            message = weights_message('reward', version, 10, pack(*trainer.weights()))
            weights.publish(message)
            nodes.spin_until(lambda v=version: node._trained and node._trained.version == v)
            if kind == 'pixels':
                images.publish(image_message(examples[version], Header()))
            else:
                mean = float_field(examples[version])
                latents.publish(Latent(mean=mean, model_version=1))
            nodes.spin_until(lambda v=version: len(rewards) == v)
            model = RewardModel.from_weights(*read_weights(message, 'reward'))
            assert rewards[-1].logit == model.logits(examples[version : version + 1])[0]
            assert rewards[-1].model_version == version
        weights.publish(weights_message('reward', 3, 10, pack({}, {'model': 'another'})))
        nodes.spin_until(lambda: node._dropped == 1)
        assert node._trained.version == 2
        assert player.count_publishers('reward/weights') == 1
        assert player.count_subscribers('transition') == 0


@pytest.mark.parametrize('content', ['missing', 'empty', 'unreadable', 'few', 'size'])
def test_unusable_goals_are_refused_in_one_sentence(tmp_path: Path, content: str) -> None:
    folder = tmp_path / 'folder'
    if content in ('few', 'size'):
        save_goals(folder, np.zeros((30 if content == 'size' else 3, 40, 40, 3), np.uint8))
    elif content != 'missing':
        folder.mkdir()
    if content == 'unreadable':
        for index in range(30):
            (folder / f'{index}.png').write_bytes(b'no image')
    expected = {
        'missing': f'{folder} is no folder: expected a folder of goal images',
        'empty': f'{folder} holds no images: expected .png',
        'unreadable': f'{folder}/0.png is no readable image',
        'few': f'{folder} holds 3 goal images: expected at least 5',
        'size': f'{folder}/goal_000.png is 40x40 pixels: expected 32x32',
    }
    with pytest.raises(ConfigError, match=re.escape(expected[content])), running(folder):
        pass


def test_an_empty_goal_folder_ends_the_process_with_code_2(tmp_path: Path) -> None:
    command = [sys.executable, '-m', 'r3l_reward.nodes.reward_node', '--ros-args']
    result = subprocess.run(
        [*command, '-p', f'goals:={tmp_path}'],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 2
    assert result.stderr.splitlines()[-1].startswith(f'{tmp_path} holds no images: expected')
    assert 'Traceback' not in result.stderr
