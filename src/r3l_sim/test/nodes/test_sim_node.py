# SPDX-License-Identifier: Apache-2.0
"""The simulator node, seen through its topics."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
import math
from pathlib import Path

from builtin_interfaces.msg import Time
import numpy as np
import pytest
from r3l_msgs.msg import GroundTruth
from r3l_msgs.srv import SceneSet
from r3l_node.core.parameters import ParameterError
from r3l_node.nodes.images import image_array
from r3l_node.nodes.qos import COMMAND, GROUND_TRUTH, SENSOR
from r3l_node.testing import Graph, graph
from r3l_sim.core.hand import HOME, JOINT_NAMES
from r3l_sim.core.scene import StateError
from r3l_sim.nodes.sim_node import SimNode
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image, JointState
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

PERIOD = 200_000_000  # [ns]


def nanoseconds(stamp: Time) -> int:
    """Return a stamp as one number [ns]."""
    return int(stamp.sec) * 10**9 + int(stamp.nanosec)


class Probe:
    """Everything that the simulator says, and a way to command it."""

    def __init__(self, nodes: Graph) -> None:
        self._graph = nodes
        self.sim = nodes.add(SimNode())
        self.node = node = nodes.probe()
        self.images: list[Image] = []
        self.joints: list[JointState] = []
        self.truths: list[GroundTruth] = []
        self.infos: list[CameraInfo] = []
        self.clocks: list[Clock] = []
        node.create_subscription(Image, 'camera/image_raw', self.images.append, SENSOR)
        node.create_subscription(JointState, 'joint_states', self.joints.append, SENSOR)
        node.create_subscription(GroundTruth, 'ground_truth', self.truths.append, GROUND_TRUTH)
        node.create_subscription(CameraInfo, 'camera/camera_info', self.infos.append, SENSOR)
        node.create_subscription(Clock, '/clock', self.clocks.append, 10)
        self._command = node.create_publisher(JointTrajectory, 'joint_command', COMMAND)
        self.spin_until(lambda: self._command.get_subscription_count() == 1)
        # The first observation may have been before the subscriptions: it is repeated.
        self.spin_until(self.complete, 10.0)

    def spin_until(self, condition: object, timeout: float = 5.0) -> None:
        """Run callbacks until a condition holds."""
        self._graph.spin_until(condition, timeout)  # type: ignore[arg-type]

    def spin_for(self, duration: float) -> None:
        """Run callbacks for a while [s]."""
        self._graph.spin_for(duration)

    def complete(self) -> bool:
        """Say whether image, joints and truth of one observation are here."""
        if not (self.images and self.joints and self.truths):
            return False
        stamps = {nanoseconds(m[-1].header.stamp) for m in (self.images, self.joints, self.truths)}
        return len(stamps) == 1

    def stamp(self) -> int:
        """Return the stamp of the last image [ns]."""
        return nanoseconds(self.images[-1].header.stamp)

    def send(
        self, stamp: int, positions: list[float], names: tuple[str, ...] = JOINT_NAMES
    ) -> None:
        """Publish a joint command."""
        message = JointTrajectory(
            joint_names=list(names), points=[JointTrajectoryPoint(positions=positions)]
        )
        message.header.stamp = Time(sec=stamp // 10**9, nanosec=stamp % 10**9)
        self._command.publish(message)

    def step(self, positions: list[float]) -> None:
        """Answer the last observation and wait for the next."""
        before = self.stamp()
        self.send(before, positions)
        self.spin_until(lambda: self.stamp() > before and self.complete())

    def angle(self) -> float:
        """Return the true angle of the valve [rad]."""
        return float(self.truths[-1].values[0])


@contextmanager
def simulator(**parameters: object) -> Iterator[Probe]:
    """Start a simulator of its own with a probe beside it."""
    options: Mapping[str, object] = {'backend': 'rays', **parameters}
    with graph({'sim': options}) as nodes:
        yield Probe(nodes)


def test_an_observation_has_one_stamp_and_the_robot_by_name() -> None:
    with simulator(image_size=24) as probe:
        assert image_array(probe.images[-1]).shape == (24, 24, 3)
        assert list(probe.joints[-1].name) == list(JOINT_NAMES)
        np.testing.assert_allclose(probe.joints[-1].position, HOME, atol=1e-9)
        truth = probe.truths[-1]
        assert (truth.task, list(truth.names), list(truth.units)) == ('valve', ['angle'], ['rad'])
        probe.spin_until(lambda: probe.infos)
        info = probe.infos[-1]
        # 24 px over 45 degrees: f = 12 / tan(22.5 degrees).
        assert info.k[0] == info.k[4] == pytest.approx(12 / math.tan(math.pi / 8))
        assert info.header.frame_id == probe.images[-1].header.frame_id


def test_only_a_command_with_the_stamp_of_the_observation_advances() -> None:
    with simulator() as probe:
        start = probe.stamp()
        probe.send(start - PERIOD, list(HOME))
        probe.send(start + 1, list(HOME))
        probe.spin_for(0.3)
        assert probe.stamp() == start
        probe.step(list(HOME))
        assert probe.stamp() == start + PERIOD
        # The answer to an observation that was answered already changes nothing.
        probe.send(start, list(HOME))
        probe.spin_for(0.3)
        assert probe.stamp() == start + PERIOD


def test_an_observation_without_an_answer_is_repeated_with_its_stamp() -> None:
    with simulator() as probe:
        count, stamp = len(probe.images), probe.stamp()
        pixels = bytes(probe.images[-1].data)
        probe.spin_until(lambda: len(probe.images) > count, 3.0)
        assert probe.stamp() == stamp
        assert bytes(probe.images[-1].data) == pixels


def test_the_clock_follows_the_observations() -> None:
    with simulator() as probe:
        for _ in range(5):
            probe.step(list(HOME))
        probe.spin_until(lambda: nanoseconds(probe.clocks[-1].clock) == probe.stamp())
        times = [nanoseconds(message.clock) for message in probe.clocks]
        assert times == sorted(times)


@pytest.mark.parametrize(
    ('positions', 'names'),
    [
        ([0.0] * 8, JOINT_NAMES),
        ([math.nan, *HOME[1:]], JOINT_NAMES),
        ([2.0, *HOME[1:]], JOINT_NAMES),
        (list(HOME), ('thumb', *JOINT_NAMES[1:])),
    ],
)
def test_a_malformed_command_is_dropped_whole(
    positions: list[float], names: tuple[str, ...]
) -> None:
    with simulator() as probe:
        stamp = probe.stamp()
        probe.send(stamp, positions, names)
        probe.spin_until(lambda: probe.sim._dropped == 1)
        assert probe.stamp() == stamp
        probe.step(list(HOME))
        np.testing.assert_allclose(probe.joints[-1].position, HOME, atol=0.05)


def test_no_service_moves_the_object_while_training() -> None:
    with simulator() as probe:
        probe.spin_for(0.5)
        own = [name for name, _ in probe.node.get_service_names_and_types_by_node('sim', '/')]
        assert not [name for name in own if 'set_scene' in name]
        # What is left is what every node has, for parameters; and those are read-only.
        assert all('parameter' in name or 'type_description' in name for name in own)


def test_in_an_evaluation_the_object_can_be_set() -> None:
    with simulator(evaluation=True) as probe:
        client = probe.node.create_client(SceneSet, 'set_scene')
        assert client.wait_for_service(5.0)

        def call(names: list[str], values: list[float]) -> SceneSet.Response:
            future = client.call_async(SceneSet.Request(names=names, values=values))
            probe.spin_until(future.done)
            response: SceneSet.Response = future.result()
            return response

        before = probe.stamp()
        assert call(['angle'], [2.0]).success
        probe.spin_until(lambda: probe.stamp() > before and probe.complete())
        assert probe.angle() == 2.0
        probe.step(list(HOME))
        for names, values in ((['angel'], [1.0]), (['angle'], [math.nan]), (['angle'], [])):
            response = call(names, values)
            assert not response.success
            assert response.message
        probe.step(list(HOME))
        assert probe.angle() == pytest.approx(2.0, abs=1e-6)


def test_two_runs_with_one_seed_are_equal() -> None:
    rng = np.random.default_rng(0)
    commands = [(np.array(HOME) + rng.uniform(-0.4, 0.4, 9) * 0.5).clip(-1, 1) for _ in range(5)]
    commands = [np.clip(c, [-0.48, -1.04, -1.5] * 3, [0.48, 1.04, 1.5] * 3) for c in commands]
    records = []
    for _ in range(2):
        with simulator(seed=5) as probe:
            for command in commands:
                probe.step(command.tolist())
            records.append((probe.stamp(), bytes(probe.images[-1].data), probe.angle()))
    assert records[0] == records[1]


def test_the_object_starts_where_the_seed_says() -> None:
    angles = []
    for seed in (0, 1):
        with simulator(seed=seed) as probe:
            angles.append(probe.angle())
    assert angles[0] != angles[1]


def test_a_restarted_simulator_goes_on_where_it_was(tmp_path: Path) -> None:
    with simulator(run=str(tmp_path), seed=3) as probe:
        for offset in (0.2, 0.4, 0.6):
            probe.step([0.0, -1.0 + offset, 1.0] * 3)
        position, angle, stamp = probe.joints[-1].position, probe.angle(), probe.stamp()
    assert (tmp_path / 'sim_state.npz').exists()
    with simulator(run=str(tmp_path), seed=4) as probe:
        np.testing.assert_array_equal(probe.joints[-1].position, position)
        assert probe.angle() == angle
        assert probe.stamp() >= stamp + 10**9


def test_a_foreign_state_file_stops_the_node(tmp_path: Path) -> None:
    (tmp_path / 'sim_state.npz').write_bytes(b'nonsense')
    with graph({'sim': {'run': str(tmp_path)}}), pytest.raises(StateError, match='sim_state'):
        SimNode()


@pytest.mark.parametrize(
    ('parameters', 'sentence'),
    [
        ({'task': 'cups'}, "there is no task 'cups'"),
        ({'control_rate': 0.0}, 'sim.control_rate is 0'),
        ({'imagesize': 32}, "sim has no parameter 'imagesize': did you mean 'image_size'"),
    ],
)
def test_a_wrong_parameter_stops_the_node(parameters: dict[str, object], sentence: str) -> None:
    with graph({'sim': parameters}), pytest.raises(ParameterError, match=sentence):
        SimNode()


def test_in_real_time_the_simulation_runs_by_itself_and_holds_the_last_command() -> None:
    with simulator(pace='realtime', control_rate=50.0) as probe:
        target = [0.1, -0.8, 0.9] * 3
        probe.send(probe.stamp(), target)
        probe.spin_until(
            lambda: np.allclose(probe.joints[-1].position, target, atol=0.03), timeout=5.0
        )
        count = len(probe.images)
        probe.spin_until(lambda: len(probe.images) >= count + 25)
        np.testing.assert_allclose(probe.joints[-1].position, target, atol=0.03)
        stamps = np.array([nanoseconds(image.header.stamp) for image in probe.images[-25:]])
        assert 0.01e9 < np.median(np.diff(stamps)) < 0.04e9
        assert not probe.clocks


def test_in_real_time_an_old_command_is_dropped() -> None:
    with simulator(pace='realtime', control_rate=50.0) as probe:
        probe.send(probe.stamp() - 2 * 10**9, [0.1, -0.8, 0.9] * 3)
        probe.spin_until(lambda: probe.sim._late == 1)
        probe.spin_for(0.3)
        np.testing.assert_allclose(probe.joints[-1].position, HOME, atol=0.03)
