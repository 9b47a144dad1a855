# SPDX-License-Identifier: Apache-2.0
"""The driver's node on an emulated bus behind a pseudo-terminal, seen through its topics."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
import json
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
import numpy as np
import pytest
from r3l_driver.core.bus_errors import PortBusy
from r3l_driver.core.memory import FILE
from r3l_driver.emulator.main import make_bus
from r3l_driver.emulator.pty import PtyBus
from r3l_driver.nodes.conversions import nanoseconds, to_stamp
from r3l_driver.nodes.dynamixel_node import DynamixelNode
from r3l_msgs.msg import ActuatorStates, SafetyState
from r3l_msgs.srv import RebootDxl
from r3l_node.core.parameters import ParameterError
from r3l_node.nodes.qos import COMMAND, DIAGNOSTICS, DRIVER_STATE, SAFETY, SENSOR
from r3l_node.testing import Graph, graph
from sensor_msgs.msg import JointState
from std_msgs.msg import Header
from std_srvs.srv import SetBool, Trigger
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

IDS = [11, 12, 13]
NAMES = [f'finger1_joint{k}' for k in (1, 2, 3)]
TARGET = [0.2, -0.4, 0.5]
LONG = 30.0  # on a machine with much else to do [s]


def parameters(link: Path, **changes: object) -> dict[str, object]:
    """Return the parameters of a driver of one finger."""
    return {
        'run': str(link.parent),
        'port': str(link),
        'ids': IDS,
        'joint_names': NAMES,
        'directions': [1, 1, 1],
        'offsets': [0.0, 0.0, 0.0],
        'position_low': [-0.48, -1.0, -1.5],
        'position_high': [0.48, 1.0, 1.5],
        # Tests run beside much else: what a loaded machine does is no fault of the hand.
        'command_timeout': 2.0,
        'watchdog': 2.0,
        **changes,
    }


@pytest.fixture
def pty(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[PtyBus]:
    lockstep = getattr(request, 'param', '') == 'lockstep'
    settings = {'return_delay_time': 0, 'operating_mode': 5}
    bus = make_bus(IDS, settings=settings, timing=not lockstep)
    with PtyBus(bus, tmp_path / 'hand.tty', lockstep=lockstep, period=0.02) as running:
        yield running


def torque(pty: PtyBus) -> list[bool]:
    """Return which servos hold torque, from the emulator."""
    return [bool(servo.torque_on) for servo in pty.bus.servos]


class Probe:
    """A driver, what it publishes, and a way to command it."""

    def __init__(self, nodes: Graph) -> None:
        self.graph = nodes
        self.driver = nodes.add(DynamixelNode())
        self.node = node = nodes.probe()
        self.joints: list[JointState] = []
        self.states: list[ActuatorStates] = []
        self.safety: list[SafetyState] = []
        self.health: list[DiagnosticArray] = []
        node.create_subscription(JointState, 'joint_states', self.joints.append, SENSOR)
        node.create_subscription(ActuatorStates, 'driver/state', self.states.append, DRIVER_STATE)
        node.create_subscription(SafetyState, 'driver/safety', self.safety.append, SAFETY)
        node.create_subscription(DiagnosticArray, '/diagnostics', self.health.append, DIAGNOSTICS)
        self._command = node.create_publisher(JointTrajectory, 'joint_command', COMMAND)
        self.observe = node.create_publisher(Header, 'hand/observation', COMMAND)
        self._commanding = False
        node.create_timer(0.1, self._on_timer)
        self.until(lambda: self._command.get_subscription_count() == 1)

    def until(self, condition: Callable[[], object]) -> None:
        """Run callbacks until a condition holds."""
        self.graph.spin_until(condition, LONG)

    def command(self, positions: list[float] = TARGET, stamp: int | None = None) -> None:
        """Publish a command."""
        message = JointTrajectory(
            joint_names=NAMES, points=[JointTrajectoryPoint(positions=positions)]
        )
        now = self.node.get_clock().now().nanoseconds if stamp is None else stamp
        message.header.stamp = to_stamp(now)
        self._command.publish(message)

    def keep_commanding(self, on: bool = True) -> None:
        """Publish the same command ten times per second from now on, or not any more."""
        self._commanding = on

    def state(self) -> int:
        """Return the state of the hand."""
        return self.safety[-1].state if self.safety else 0

    def call(self, kind: type, name: str, request: object) -> object:
        """Call a service and return its answer."""
        client = self.node.create_client(kind, name)
        self.until(client.service_is_ready)
        future = client.call_async(request)
        self.until(future.done)
        self.node.destroy_client(client)
        return future.result()

    def _on_timer(self) -> None:
        if self._commanding:
            self.command()


@contextmanager
def probe(link: Path, **changes: object) -> Iterator[Probe]:
    """Provide a driver of the emulated servos at a link."""
    with graph({'driver': parameters(link, **changes)}) as nodes:
        yield Probe(nodes)


def test_it_executes_commands_and_says_what_it_does(pty):
    with probe(pty.link) as p:
        p.until(lambda: p.state() == SafetyState.HOLD)
        assert p.safety[-1].code == 'command_stale'
        p.keep_commanding()
        p.until(lambda: p.state() == SafetyState.RUN)
        p.until(lambda: np.allclose(p.joints[-1].position, TARGET, atol=0.02))
        assert p.joints[-1].name == NAMES
        assert len(p.joints[-1].velocity) == len(p.joints[-1].effort) == 3
        assert nanoseconds(p.joints[-1].header.stamp) > nanoseconds(p.joints[0].header.stamp)
        p.until(lambda: p.states and all(p.states[-1].torque_enabled))
        assert p.states[-1].voltage[0] == pytest.approx(12.0, abs=1.0)
        p.until(lambda: any(s.name == 'driver: bus' for m in p.health for s in m.status))
        assert all(torque(pty))
    assert not any(torque(pty))


def test_wrong_commands_are_told_and_not_executed(pty):
    with probe(pty.link) as p:
        p.keep_commanding()
        p.until(lambda: p.state() == SafetyState.RUN)
        p.keep_commanding(False)
        p.command([0.1, 0.2])
        p.until(lambda: p.safety[-1].code == 'command_invalid')
        assert p.state() == SafetyState.DEGRADED
        assert '2 positions: expected 3' in p.safety[-1].reason


def test_an_emergency_stop_survives_a_restart_until_it_is_cleared(pty):
    with probe(pty.link) as p:
        p.keep_commanding()
        p.until(lambda: p.state() == SafetyState.RUN)
        answer = p.call(Trigger, 'driver/emergency_stop', Trigger.Request())
        assert (answer.success, answer.message) == (True, 'torque is off')
        assert not any(torque(pty))
        p.until(lambda: p.state() == SafetyState.STOP)
    kept = json.loads((pty.link.parent / FILE).read_text(encoding='utf-8'))
    assert kept['emergency_stop']
    with probe(pty.link) as p:
        p.keep_commanding()
        p.until(lambda: p.state() == SafetyState.STOP)
        assert p.safety[-1].code == 'emergency_stop'
        assert not any(torque(pty))
        assert p.call(Trigger, 'driver/clear_fault', Trigger.Request()).success
        p.until(lambda: p.state() == SafetyState.RUN)
        assert p.safety[-1].code == ''


def test_torque_and_reboot_by_request(pty):
    with probe(pty.link, arm='manual') as p:
        p.keep_commanding()
        p.until(lambda: p.state() == SafetyState.LIMP)
        p.until(lambda: 'arm is manual' in p.safety[-1].reason)
        assert p.call(SetBool, 'driver/set_dxl_torque', SetBool.Request(data=True)).success
        p.until(lambda: p.state() == SafetyState.RUN)
        refused = p.call(RebootDxl, 'driver/reboot_dxl', RebootDxl.Request(id=12))
        assert not refused.result
        assert 'commands are executed' in refused.message
        off = p.call(SetBool, 'driver/set_dxl_torque', SetBool.Request(data=False))
        assert (off.success, off.message) == (True, 'torque is off')
        assert not any(torque(pty))
        assert p.call(RebootDxl, 'driver/reboot_dxl', RebootDxl.Request(id=12)).result


def test_without_autostart_the_lifecycle_decides(pty):
    def change(transition: int) -> bool:
        request = ChangeState.Request(transition=Transition(id=transition))
        return p.call(ChangeState, 'driver/change_state', request).success

    with probe(pty.link, autostart=False) as p:
        assert not pty.connected
        assert change(Transition.TRANSITION_CONFIGURE)
        p.until(lambda: p.joints)
        assert not any(torque(pty))
        assert change(Transition.TRANSITION_ACTIVATE)
        p.until(lambda: all(torque(pty)))
        assert change(Transition.TRANSITION_DEACTIVATE)
        assert not any(torque(pty))
        assert change(Transition.TRANSITION_CLEANUP)
        p.until(lambda: not pty.connected)
        assert change(Transition.TRANSITION_CONFIGURE)


def test_configuring_fails_where_there_is_no_port(tmp_path):
    with probe(tmp_path / 'nothing', autostart=False) as p:
        request = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_CONFIGURE))
        assert not p.call(ChangeState, 'driver/change_state', request).success


def test_with_autostart_it_waits_for_the_port_and_comes_back_to_it(pty):
    link = pty.link
    hidden = link.with_name('unplugged')
    link.rename(hidden)
    with probe(link) as p:
        p.until(lambda: p.safety and p.safety[-1].code == 'port_lost')
        hidden.rename(link)
        p.keep_commanding()
        p.until(lambda: p.state() == SafetyState.RUN)


def test_a_second_driver_is_refused(pty):
    with probe(pty.link), pytest.raises(PortBusy, match='another process'):
        DynamixelNode()


def test_a_parameter_out_of_range_stops_the_node(pty):
    with (
        graph({'driver': parameters(pty.link, velocity_limit=99.0)}),
        pytest.raises(ParameterError, match='velocity_limit is 99'),
    ):
        DynamixelNode()


@pytest.mark.parametrize('pty', ['lockstep'], indirect=True)
def test_in_lockstep_a_command_is_one_control_period_of_goal_packets(pty):
    packets = []
    step = pty.bus.on_goals

    def count() -> None:
        packets.append(pty.bus.time)
        step()

    pty.bus.on_goals = count
    with probe(pty.link, pace='lockstep') as p:
        p.until(lambda: p.observe.get_subscription_count() == 1)
        p.until(lambda: p.safety)
        assert not packets  # nothing passes before the first observation
        second = 10**9
        p.observe.publish(Header(stamp=to_stamp(second)))
        p.until(lambda: p.joints)
        assert nanoseconds(p.joints[-1].header.stamp) == second
        for k in range(1, 6):
            p.command(stamp=(k + 10) * second)  # answers nothing
            p.command(stamp=k * second)
            p.until(lambda k=k: len(packets) >= 10 * k)
            p.observe.publish(Header(stamp=to_stamp((k + 1) * second)))
            p.until(lambda k=k: nanoseconds(p.joints[-1].header.stamp) == (k + 1) * second)
            assert len(packets) == 10 * k
        assert p.state() == SafetyState.RUN
        assert p.joints[-1].position.tolist() == pytest.approx(TARGET, abs=0.02)
        heard = len(p.joints)
        p.observe.publish(Header(stamp=to_stamp(6 * second)))
        p.until(lambda: len(p.joints) > heard)
        assert p.joints[-1] == p.joints[heard - 1]
        assert pty.bus.time == pytest.approx(1.0)
