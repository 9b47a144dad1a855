# SPDX-License-Identifier: Apache-2.0
"""The relay, with a controller that does at once what it is told."""

from collections.abc import Iterator

import numpy as np
import pytest
from r3l_driver.nodes.conversions import to_stamp
from r3l_driver.nodes.external_node import ExternalNode
from r3l_msgs.msg import SafetyState
from r3l_node.nodes.qos import COMMAND, SAFETY, SENSOR
from r3l_node.testing import Graph, graph
from rclpy.node import Node
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

NAMES = ['a', 'b']
PARAMETERS = {
    'driver': {
        'joint_names': NAMES,
        'position_low': [-1.0, -1.0],
        'position_high': [1.0, 1.0],
        'velocity_limit': 2.0,
        'command_timeout': 2.0,
        'state_timeout': 2.0,
    }
}
LONG = 30.0


class Controller(Node):
    """A controller of a larger robot, of which the hand's joints are two."""

    def __init__(self) -> None:
        super().__init__('controller')
        self.names = ['b', 'wrist', 'a']
        self.position = dict.fromkeys(self.names, 0.0)
        self.goals: list[JointTrajectory] = []
        topic = 'joint_trajectory_controller/joint_trajectory'
        self.create_subscription(JointTrajectory, topic, self.on_goal, COMMAND)
        self.states = self.create_publisher(
            JointState, 'joint_state_broadcaster/joint_states', SENSOR
        )
        self.create_timer(0.02, self.on_timer)

    def on_goal(self, msg: JointTrajectory) -> None:
        self.goals.append(msg)
        self.position.update(zip(msg.joint_names, msg.points[0].positions, strict=True))

    def on_timer(self) -> None:
        message = JointState(name=self.names)
        message.header.stamp = self.get_clock().now().to_msg()
        message.position = [self.position[name] for name in self.names]
        message.velocity = [0.0, 0.0, 0.0]
        self.states.publish(message)


class Agent:
    """What commands the relay and listens to it."""

    def __init__(self, nodes: Graph) -> None:
        self.nodes = nodes
        self.relay = nodes.add(ExternalNode())
        self.node = nodes.probe()
        self.joints: list[JointState] = []
        self.safety: list[SafetyState] = []
        self.node.create_subscription(JointState, 'joint_states', self.joints.append, SENSOR)
        self.node.create_subscription(SafetyState, 'driver/safety', self.safety.append, SAFETY)
        self.out = self.node.create_publisher(JointTrajectory, 'joint_command', COMMAND)
        self.until(lambda: self.out.get_subscription_count() == 1)

    def until(self, condition: object) -> None:
        self.nodes.spin_until(condition, LONG)  # type: ignore[arg-type]

    def send(self, positions: list[float]) -> None:
        message = JointTrajectory(
            joint_names=NAMES, points=[JointTrajectoryPoint(positions=positions)]
        )
        message.header.stamp = to_stamp(self.node.get_clock().now().nanoseconds)
        self.out.publish(message)


@pytest.fixture
def nodes() -> Iterator[Graph]:
    with graph(PARAMETERS) as running:
        yield running


def test_commands_go_out_and_joint_states_come_back_by_name(nodes):
    controller, agent = nodes.add(Controller()), Agent(nodes)
    agent.until(lambda: agent.joints)
    assert agent.joints[-1].name == NAMES
    agent.send([0.5, -0.9])
    agent.until(lambda: controller.goals)
    goal = controller.goals[-1]
    assert goal.joint_names == NAMES
    assert goal.points[0].positions.tolist() == [0.5, -0.9]
    # 0.9 rad at 2 rad/s take longer than the control period of 0.2 s.
    duration = goal.points[0].time_from_start
    assert duration.sec + duration.nanosec * 1e-9 == pytest.approx(0.45)
    agent.until(lambda: np.allclose(agent.joints[-1].position, [0.5, -0.9]))
    assert len(agent.joints[-1].velocity) == 2
    assert len(agent.joints[-1].effort) == 0
    agent.until(lambda: agent.safety[-1].state == SafetyState.RUN)


def test_a_wrong_command_is_not_handed_on(nodes):
    controller, agent = nodes.add(Controller()), Agent(nodes)
    agent.until(lambda: agent.joints)
    agent.send([0.5, float('nan')])
    agent.until(lambda: any('command rejected' in s.reason for s in agent.safety) or agent.safety)
    agent.send([0.5, 7.0])
    agent.send([0.1, 0.1])
    agent.until(lambda: controller.goals)
    assert controller.goals[0].points[0].positions.tolist() == [0.1, 0.1]


def test_without_a_controller_commands_are_dropped(nodes):
    agent = Agent(nodes)
    agent.until(lambda: any(s.code == 'bus_timeout' for s in agent.safety))
    assert agent.safety[-1].state == SafetyState.HOLD
    assert 'no joint states' in agent.safety[-1].reason
