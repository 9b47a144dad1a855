# SPDX-License-Identifier: Apache-2.0
"""The emulated hand, driven through its serial device by the servos' own protocol."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from r3l_driver.core.chain import ServoChain
from r3l_driver.core.chain_config import ChainConfig
from r3l_driver.emulator.record import read_record
from r3l_msgs.msg import GroundTruth
from r3l_node.core.errors import ConfigError
from r3l_node.nodes.qos import COMMAND, GROUND_TRUTH, SENSOR
from r3l_node.testing import Graph, graph
from r3l_sim.core.hand import HOME
from r3l_sim.core.tasks import TASKS
from r3l_sim.nodes.hand_node import HandNode
from sensor_msgs.msg import Image
from std_msgs.msg import Header

CYCLES = 10  # in a control period
PERIOD = 200_000_000  # [ns]


class Probe:
    """What the hand says, and a driver of its servos."""

    def __init__(self, nodes: Graph, run: Path) -> None:
        self.nodes = nodes
        self.hand = nodes.add(HandNode())
        node = nodes.probe()
        self.images: list[Image] = []
        self.truths: list[GroundTruth] = []
        self.stamps: list[int] = []
        node.create_subscription(Image, 'camera/image_raw', self.images.append, SENSOR)
        node.create_subscription(GroundTruth, 'ground_truth', self.truths.append, GROUND_TRUTH)
        node.create_subscription(Header, 'hand/observation', self._on_stamp, COMMAND)
        self.chain = ServoChain(ChainConfig(str(run / 'hand.tty'), reply_timeout=2.0))
        self.chain.open()

    def _on_stamp(self, message: Header) -> None:
        self.stamps.append(message.stamp.sec * 10**9 + message.stamp.nanosec)

    def arm(self) -> np.ndarray:
        """Switch torque on where the hand is; return its position."""
        self.chain.configure()
        position = self.chain.read().position
        for servo in self.hand._bus.bus.servos:
            with self.hand._bus.lock:
                servo.registers.put('goal_position', servo.ticks(servo.angle))
        assert self.chain.set_torque(True).all()
        return np.asarray(position)


@contextmanager
def probe(run: Path, **parameters: object) -> Iterator[Probe]:
    settings: Mapping[str, object] = {'run': str(run), 'backend': 'rays', **parameters}
    with graph({'hand': settings}) as nodes:
        found = Probe(nodes, run)
        yield found
        found.chain.close()


def test_in_lockstep_a_control_period_of_goals_makes_an_observation(tmp_path: Path) -> None:
    with probe(tmp_path) as found:
        found.nodes.spin_until(lambda: found.stamps, 10.0)
        begin = found.arm()
        assert begin == pytest.approx(np.array(HOME), abs=0.05)
        target = np.clip(begin + 0.3, found.chain.config.lower, found.chain.config.upper)
        for count in range(1, 4):
            for cycle in range(CYCLES):
                found.chain.write_goals(target)
                if cycle < CYCLES - 1:
                    found.chain.read()
            expected = 10**9 + count * PERIOD
            found.nodes.spin_until(lambda: expected in found.stamps)  # noqa: B023
            assert max(found.stamps) == expected
        stamps = {image.header.stamp.sec * 10**9 + image.header.stamp.nanosec
                  for image in found.images}  # fmt: skip
        assert set(found.stamps) <= stamps
        assert found.chain.read().position == pytest.approx(target, abs=0.05)
    events = read_record(tmp_path / 'hand_record.jsonl')
    assert sum(event['event'] == 'goal' for event in events) == 3 * CYCLES
    assert events[-1]['t'] == pytest.approx(0.6, abs=0.05)


def test_an_observation_without_an_answer_is_repeated(tmp_path: Path) -> None:
    with probe(tmp_path) as found:
        found.nodes.spin_until(lambda: len(found.stamps) >= 2, 10.0)
        assert set(found.stamps) == {10**9}
        assert {image.header.stamp.sec for image in found.images} == {1}
        # Goals of a control period that was given up do not count for the next one.
        found.arm()
        for _ in range(CYCLES - 1):
            found.chain.write_goals(np.array(HOME))
        count = len(found.stamps)
        found.nodes.spin_until(lambda: len(found.stamps) > count, 10.0)
        found.chain.write_goals(np.array(HOME))
        found.chain.read()
        found.nodes.spin_for(0.1)
        assert set(found.stamps) == {10**9}


def test_a_restarted_hand_goes_on_where_it_was_with_later_stamps(tmp_path: Path) -> None:
    with probe(tmp_path) as found:
        found.nodes.spin_until(lambda: found.truths, 10.0)
        before = found.truths[-1].values
    with probe(tmp_path) as found:
        found.nodes.spin_until(lambda: found.stamps and found.truths, 10.0)
        assert found.truths[-1].values == pytest.approx(before)
        assert found.stamps[0] > 10 * 10**9
        assert not found.chain.torque_enabled().any()


@pytest.mark.parametrize('task', ['beads', 'object'])
def test_the_hand_stands_over_every_task(tmp_path: Path, task: str) -> None:
    with probe(tmp_path, task=task) as found:
        found.nodes.spin_until(lambda: found.truths, 10.0)
        begin = found.arm()
        for _ in range(CYCLES):
            found.chain.write_goals(begin)
        found.nodes.spin_until(lambda: len(found.truths) >= 2 and len(found.images) >= 2)
        units = TASKS[task].scene.units
        assert all(truth.names == list(units) for truth in found.truths)
        assert all(truth.units == list(units.values()) for truth in found.truths)


def test_in_real_time_pictures_come_at_the_control_rate_and_faults_as_scheduled(
    tmp_path: Path,
) -> None:
    faults = tmp_path / 'faults.txt'
    faults.write_text('at 0.1 mute id 21\n', encoding='utf-8')
    settings = {'pace': 'realtime', 'control_rate': 10.0, 'faults': str(faults)}
    with probe(tmp_path, **settings) as found:
        found.nodes.spin_until(lambda: len(found.images) >= 4, 20.0)
        stamps = [image.header.stamp.sec for image in found.images]
        assert stamps[0] > 10**9  # the wall clock, not the simulation's
        assert not found.stamps
        ids = found.chain.config.ids
        missing = [ident for index, ident in enumerate(ids) if not found.chain.answers(index)]
        assert missing == [21]
    assert any(event['event'] == 'fault' for event in read_record(tmp_path / 'hand_record.jsonl'))


@pytest.mark.parametrize(
    ('parameters', 'sentence'),
    [
        ({'run': ''}, "hand.link is '': expected a path"),
        ({'faults': '/nowhere'}, 'hand.faults is /nowhere'),
        ({'ids': [1, 2]}, r'hand\.ids has 2 values: expected 9'),
        ({'control_rate': 7.0}, 'expected a multiple of control_rate, 7 Hz'),
    ],
)
def test_a_wrong_setting_is_refused(
    parameters: dict[str, object], sentence: str, tmp_path: Path
) -> None:
    settings = {'run': str(tmp_path), 'backend': 'rays', **parameters}
    with graph({'hand': settings}), pytest.raises(ConfigError, match=sentence):
        HandNode()
