# SPDX-License-Identifier: Apache-2.0
"""The view and Foxglove's server on a real graph: what they show, and that they only look."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, suppress
import json
from pathlib import Path
import socket
import struct
from threading import Thread
from typing import Any

from builtin_interfaces.msg import Time
import numpy as np
import pytest
from r3l_bringup import config
from r3l_bringup.config import Request
from r3l_bringup.core.view_topics import VIEW_TOPICS
from r3l_bringup.nodes.foxglove_node import FoxgloveNode
from r3l_bringup.nodes.view_node import ViewNode
from r3l_bringup.viewer import check_viewer, HOST
from r3l_msgs.msg import AgentStatus, Latent, Metrics, Reward, SafetyState, Weights
from r3l_node.core.errors import ConfigError
from r3l_node.core.weights import pack
from r3l_node.nodes import qos
from r3l_node.nodes.images import image_array
from r3l_node.nodes.weights import weights_message
from r3l_node.testing import Graph, graph
from r3l_perception.core.vae import to_weights, Vae, VaeConfig
from r3l_reward.core.goals import save_goals
from r3l_sim.core.hand import JOINT_LOW, JOINT_NAMES
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Header, String
import torch
from visualization_msgs.msg import Marker, MarkerArray
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

GOALS = np.random.default_rng(3).integers(0, 255, (5, 32, 32, 3)).astype(np.uint8)
PROTOCOL = 'foxglove.sdk.v1'


@pytest.fixture
def goals(tmp_path: Path) -> Path:
    save_goals(tmp_path / 'goals', GOALS)
    return tmp_path / 'goals'


class Watcher:
    """Keeps what the view shows."""

    def __init__(self, nodes: Graph) -> None:
        self.probe = nodes.probe('watcher')
        self.arrays: list[MarkerArray] = []
        self.images: list[Image] = []
        self.descriptions: list[str] = []
        self.probe.create_subscription(MarkerArray, 'view/markers', self.arrays.append, 10)
        self.probe.create_subscription(Image, 'view/nearest_goal', self.images.append, qos.VIEW)
        self.probe.create_subscription(
            String, 'robot_description', lambda m: self.descriptions.append(m.data), qos.WEIGHTS
        )

    def texts(self) -> dict[str, str]:
        """Newest text by namespace."""
        markers = self.arrays[-1].markers if self.arrays else []
        return {m.ns: m.text for m in markers if m.type == Marker.TEXT_VIEW_FACING}

    def at_limits(self) -> list[int]:
        """Actions of the markers at joints close to their limits."""
        markers = self.arrays[-1].markers if self.arrays else []
        return [m.action for m in markers if m.ns == 'limits']


def test_the_view_shows_what_the_graph_says(goals: Path) -> None:
    vae = Vae(VaeConfig(latent_size=3, channels=(4, 4)), torch.Generator().manual_seed(0)).eval()
    with graph({'view': {'goals': str(goals), 'rate': 30.0}}) as nodes:
        nodes.add(ViewNode())
        watcher = Watcher(nodes)
        probe = watcher.probe
        nodes.spin_until(lambda: watcher.texts().get('phase') == 'no agent heard', 20.0)
        assert {m.header.frame_id for m in watcher.arrays[-1].markers} == {'base_link'}
        assert sum(m.ns == 'hand' for m in watcher.arrays[-1].markers) >= 20
        assert watcher.at_limits() == []
        send = {
            'agent/status': (AgentStatus, qos.STATUS),
            'driver/safety': (SafetyState, qos.SAFETY),
            'metrics': (Metrics, qos.METRICS),
            'reward': (Reward, qos.OBSERVATION),
            'latent': (Latent, qos.OBSERVATION),
            'joint_states': (JointState, qos.SENSOR),
            'encoder/weights': (Weights, qos.WEIGHTS),
        }
        out = {
            name: probe.create_publisher(kind, name, profile)
            for name, (kind, profile) in send.items()
        }
        nodes.spin_until(lambda: all(p.get_subscription_count() for p in out.values()), 20.0)
        out['encoder/weights'].publish(
            weights_message('encoder', 1, 0, pack(*to_weights(vae)), Time())
        )
        out['agent/status'].publish(AgentStatus(phase=AgentStatus.TASK, episode=7, env_steps=9))
        out['driver/safety'].publish(SafetyState(state=SafetyState.DEGRADED, reason='21 is warm'))
        out['metrics'].publish(Metrics(names=['rnd/reward_mean'], values=[0.5]))
        header = Header(stamp=Time(sec=5), frame_id='camera')
        mean = vae.encode(GOALS[2:3])[0][0].tolist()
        low = JointState(header=header, name=JOINT_NAMES, position=[JOINT_LOW[0]] + [0.0] * 8)

        def shown() -> bool:
            # Best effort: a message may be lost.
            out['latent'].publish(Latent(header=header, mean=mean, model_version=1))
            out['reward'].publish(Reward(header=header, probability=0.25))
            out['joint_states'].publish(low)
            texts = watcher.texts()
            return (
                bool(watcher.images)
                and {
                    'phase': 'task: episode 7, step 0, 9 env steps',
                    'success': 'success 0.250, nearest goal at 0.00',
                    'novelty': 'novelty 0.500, mean of a batch',
                    'safety': 'safety DEGRADED: 21 is warm',
                }.items()
                <= texts.items()
            )

        nodes.spin_until(shown, 20.0)
        np.testing.assert_array_equal(image_array(watcher.images[-1]), GOALS[2])
        assert watcher.images[-1].header == header
        nodes.spin_until(lambda: watcher.at_limits() == [Marker.ADD], 20.0)
        assert watcher.descriptions[0].startswith('<?xml')
        middle = JointState(header=header, name=JOINT_NAMES, position=[0.0] * 9)

        def gone() -> bool:
            out['joint_states'].publish(middle)
            return any(
                m.ns == 'limits' and m.action == Marker.DELETE
                for array in watcher.arrays
                for m in array.markers
            )

        nodes.spin_until(gone, 20.0)
        nodes.spin_until(lambda: watcher.at_limits() == [], 20.0)


def test_the_limits_are_those_of_the_run_and_goals_that_are_gone_stop_nothing(
    tmp_path: Path,
) -> None:
    values = config.resolve(Request())
    values['agent']['joint_low'] = [0.5 * low for low in JOINT_LOW]
    values['reward']['goals'] = str(tmp_path / 'gone')
    (tmp_path / 'config.yaml').write_text(config.dump(values), encoding='utf-8')
    with graph({'view': {'run': str(tmp_path), 'rate': 30.0}}) as nodes:
        nodes.add(ViewNode())
        watcher = Watcher(nodes)
        joints = watcher.probe.create_publisher(JointState, 'joint_states', qos.SENSOR)
        at = [0.5 * JOINT_LOW[0]] + [0.0] * (len(JOINT_NAMES) - 1)

        def marked() -> bool:
            joints.publish(JointState(name=JOINT_NAMES, position=at))
            return watcher.at_limits() == [Marker.ADD]

        nodes.spin_until(marked, 20.0)


class Viewer:
    """A client of the server, in a thread, as the Foxglove app is one."""

    def __init__(self, port: int, topics: set[str]) -> None:
        self.capabilities: list[str] | None = None
        self.channels: dict[int, dict[str, Any]] = {}
        self.received: dict[str, list[bytes]] = {}
        self.refused: list[str] = []
        self._topics = topics
        self._stack = ExitStack()
        address = f'ws://{HOST}:{port}'
        self._socket = self._stack.enter_context(connect(address, subprotocols=[PROTOCOL]))  # type: ignore[list-item]
        self._thread = Thread(target=self._listen, daemon=True)
        self._thread.start()

    def send(self, **message: Any) -> None:
        """Ask the server for something."""
        self._socket.send(json.dumps(message))

    def close(self) -> None:
        """Disconnect."""
        self._socket.close()
        self._thread.join(10.0)
        self._stack.close()

    def _listen(self) -> None:
        with suppress(ConnectionClosed):
            self._take()

    def _take(self) -> None:
        subscribed: dict[int, str] = {}
        for message in self._socket:
            if isinstance(message, bytes):
                if message[0] == 1:  # message data: opcode, subscription, log time, payload
                    (number,) = struct.unpack_from('<I', message, 1)
                    self.received.setdefault(subscribed[number], []).append(message[13:])
                continue
            content = json.loads(message)
            if content['op'] == 'serverInfo':
                self.capabilities = content['capabilities']
            elif content['op'] == 'status':
                self.refused.append(content['message'])
            for channel in content.get('channels', []):
                self.channels[channel['id']] = channel
                if channel['topic'] in self._topics:
                    subscribed[channel['id']] = channel['topic']
                    one = {'id': channel['id'], 'channelId': channel['id']}
                    self.send(op='subscribe', subscriptions=[one])


@pytest.fixture
def served() -> Iterator[tuple[Graph, FoxgloveNode]]:
    with graph({'foxglove': {'port': 0, 'poll_period': 0.02}}) as nodes:
        yield nodes, nodes.add(FoxgloveNode())


def test_a_viewer_gets_the_messages_that_it_asks_for_and_no_others(
    served: tuple[Graph, FoxgloveNode],
) -> None:
    nodes, server = served
    probe = nodes.probe()
    rewards = probe.create_publisher(Reward, 'reward', qos.OBSERVATION)
    status = probe.create_publisher(AgentStatus, 'agent/status', qos.STATUS)
    joints = probe.create_publisher(JointState, 'joint_states', qos.SENSOR)
    status.publish(AgentStatus(episode=4))
    assert rewards.get_subscription_count() == 0
    viewer = Viewer(server.port, {'/reward', '/agent/status'})
    try:
        nodes.spin_until(lambda: rewards.get_subscription_count(), 20.0)
        sent = Reward(header=Header(frame_id='camera'), logit=1.5, probability=0.75)

        def came() -> bool:
            rewards.publish(sent)
            return '/reward' in viewer.received and '/agent/status' in viewer.received

        nodes.spin_until(came, 20.0)
        assert deserialize_message(viewer.received['/reward'][0], Reward) == sent
        last = deserialize_message(viewer.received['/agent/status'][0], AgentStatus)
        assert last == AgentStatus(episode=4)
        assert joints.get_subscription_count() == 0
        # Whoever comes later sees the last status, too.
        late = Viewer(server.port, {'/agent/status'})
        nodes.spin_until(lambda: '/agent/status' in late.received, 20.0)
        late.close()
    finally:
        viewer.close()
    nodes.spin_until(lambda: rewards.get_subscription_count() == 0, 20.0)


def test_a_viewer_can_only_look(served: tuple[Graph, FoxgloveNode]) -> None:
    nodes, server = served
    viewer = Viewer(server.port, set())
    try:
        named = {topic.name.lstrip('/') for topic in VIEW_TOPICS}
        nodes.spin_until(lambda: len(viewer.channels) > len(named), 20.0)
        assert viewer.capabilities == []
        found = {channel['topic'] for channel in viewer.channels.values()}
        assert found == {f'/{name}' for name in named} | {'/view/frames'}
        for channel in viewer.channels.values():
            if channel['topic'] != '/view/frames':
                assert (channel['encoding'], channel['schemaEncoding']) == ('cdr', 'ros2msg')
        command = {'id': 1, 'topic': '/joint_command', 'encoding': 'cdr', 'schemaName': 'x'}
        viewer.send(op='advertise', channels=[command])
        nodes.spin_until(lambda: viewer.refused, 20.0)
        assert server.count_publishers('joint_command') == 0
    finally:
        viewer.close()


def test_the_server_is_on_loopback_only_and_a_taken_port_is_a_sentence(
    served: tuple[Graph, FoxgloveNode],
) -> None:
    _, server = served
    with socket.create_connection((HOST, server.port), timeout=5.0):
        pass
    # Every address of 127/8 is this machine; only the one is served.
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(('127.0.0.2', server.port), timeout=5.0)
    with pytest.raises(ConfigError, match=f'port {server.port} of 127.0.0.1 cannot be opened'):
        check_viewer(server.port)
