# SPDX-License-Identifier: Apache-2.0
"""Test what nodes share on a live graph: parameters, metrics, diagnostics, large images."""

from dataclasses import dataclass
import math

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
import numpy as np
import pytest
from r3l_msgs.msg import Metrics, Weights
from r3l_node.core.parameters import parameter, ParameterError
from r3l_node.core.weights import pack
from r3l_node.nodes import qos
from r3l_node.nodes.diagnostics import Diagnostics, Level
from r3l_node.nodes.images import image_array, image_message
from r3l_node.nodes.metrics import MetricsPublisher
from r3l_node.nodes.parameters import declare
from r3l_node.nodes.weights import read_weights, weights_message
from r3l_node.testing import graph
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image
from std_msgs.msg import Header


@dataclass(frozen=True, slots=True)
class Config:
    """Parameters of the node under test."""

    steps: int = parameter(25, 'steps [-]', range=(1, 100))
    dt: float = parameter(0.2, 'period [s]', range=(0.0, math.inf))
    pace: str = parameter('lockstep', 'pace', choices=('lockstep', 'realtime'))
    names: tuple[str, ...] = parameter((), 'joint names')
    limits: tuple[float, ...] = parameter((0.5,), 'limits [rad]', range=(-4, 4))


class Demo(Node):
    """A node with parameters."""

    def __init__(self) -> None:
        super().__init__('demo')
        self.config = declare(self, Config)


def test_parameters_of_a_file_become_the_configuration() -> None:
    values = {'steps': 7, 'dt': 1, 'names': ['a', 'b'], 'limits': [1, 2], 'use_sim_time': True}
    with graph({'demo': values}) as ros:
        node = ros.add(Demo())
        assert node.config == Config(7, 1.0, 'lockstep', ('a', 'b'), (1.0, 2.0))
        assert node.get_parameter('names').value == ['a', 'b']
        assert node.get_parameter('dt').value == 1.0


def test_parameters_are_described_and_cannot_be_changed() -> None:
    with graph() as ros:
        node = ros.add(Demo())
        descriptor = node.describe_parameter('steps')
        assert descriptor.read_only
        assert descriptor.description == 'steps [-]'
        assert descriptor.integer_range[0].to_value == 100
        assert node.describe_parameter('pace').description == 'pace; one of lockstep, realtime'
        assert not node.set_parameters([Parameter('steps', value=3)])[0].successful
        assert node.get_parameter('steps').value == 25
        assert list(node.get_parameter('names').value) == []


@pytest.mark.parametrize(
    ('values', 'sentence'),
    [
        ({'steps': 0}, 'demo.steps is 0: expected an integer from 1 to 100'),
        ({'steps': 'x'}, "demo.steps is 'x': expected an integer"),
        ({'limits': [9.0]}, r'demo.limits\[0\] is 9: expected a number from -4 to 4'),
        ({'stepz': 1}, "demo has no parameter 'stepz': did you mean 'steps'?"),
    ],
)
def test_a_wrong_parameter_stops_the_node(values: dict[str, object], sentence: str) -> None:
    with graph({'demo': values}), pytest.raises(ParameterError, match=sentence):
        Demo()


def test_metrics_arrive_with_names_and_values() -> None:
    received: list[Metrics] = []
    with graph() as ros:
        probe = ros.probe()
        probe.create_subscription(Metrics, 'metrics', received.append, qos.METRICS)
        metrics = MetricsPublisher(ros.add(Node('learner')), 'learner')
        ros.spin_until(lambda: probe.count_publishers('metrics'))
        ros.spin_until(lambda: received or metrics.publish(5, {'train/q': 1.5, 'fps': 2}))
    assert received[0].source == 'learner'
    assert received[0].env_steps == 5
    assert dict(zip(received[0].names, received[0].values, strict=True)) == {
        'train/q': 1.5,
        'fps': 2.0,
    }


def test_diagnostics_name_every_part() -> None:
    received: list[DiagnosticArray] = []
    with graph() as ros:
        ros.probe().create_subscription(
            DiagnosticArray, '/diagnostics', received.append, qos.DIAGNOSTICS
        )
        diagnostics = Diagnostics(ros.add(Node('learner')), 'cpu')
        diagnostics.add('replay', lambda: (Level.WARN, 'nearly full', {'rows': 9}))
        ros.spin_until(lambda: received)
    (status,) = received[0].status
    assert status.name == 'learner: replay'
    assert status.level == DiagnosticStatus.WARN
    assert (status.message, status.hardware_id) == ('nearly full', 'cpu')
    assert [(pair.key, pair.value) for pair in status.values] == [('rows', '9')]


def test_a_late_subscriber_gets_the_newest_weights() -> None:
    received: list[Weights] = []
    with graph() as ros:
        trainer = ros.add(Node('trainer'))
        publisher = trainer.create_publisher(Weights, 'encoder/weights', qos.WEIGHTS)
        for version in (1, 2):
            data = pack({'w': np.full(1000, version, np.float32)}, {})
            publisher.publish(weights_message('encoder', version, 0, data))
        ros.probe().create_subscription(Weights, 'encoder/weights', received.append, qos.WEIGHTS)
        ros.spin_until(lambda: received)
    assert [message.version for message in received] == [2]
    assert read_weights(received[0], 'encoder')[0]['w'][0] == 2.0


def test_large_images_all_arrive_in_lockstep() -> None:
    received: list[Image] = []
    pixels = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    with graph() as ros:
        camera = ros.add(Node('camera'))
        publisher = camera.create_publisher(Image, 'camera/image_raw', qos.SENSOR)
        ros.probe().create_subscription(
            Image, 'camera/image_raw', received.append, qos.sensor(lockstep=True)
        )
        ros.spin_until(publisher.get_subscription_count)
        for count in range(1, 6):
            publisher.publish(image_message(pixels, Header()))
            ros.spin_until(lambda count=count: len(received) == count)
        np.testing.assert_array_equal(image_array(received[-1]), pixels)


def test_a_removed_node_is_gone_and_the_rest_goes_on() -> None:
    received: list[Metrics] = []
    with graph() as ros:
        ros.probe().create_subscription(Metrics, 'metrics', received.append, qos.METRICS)
        first = ros.add(Node('first'))
        first.create_subscription(Metrics, 'metrics', lambda _: None, qos.METRICS)
        ros.remove(first)
        metrics = MetricsPublisher(ros.add(Node('second')), 'second')
        ros.spin_until(lambda: received or metrics.publish(1, {}))


def test_waiting_ends_with_an_error() -> None:
    with graph() as ros, pytest.raises(TimeoutError, match='does not hold'):
        ros.spin_until(lambda: False, timeout=0.05)
