# SPDX-License-Identifier: Apache-2.0
"""The training graph with the driver on an emulated bus, to the end with tiny settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from importlib import import_module
import json
import os
import re
import signal
import socket
from typing import Any

import numpy as np
import pytest
from r3l_bringup.evaluate import evaluate_run
from r3l_bringup.graph import graph
from r3l_bringup.viewing import file_of, LAYOUT, RVIZ
from r3l_driver.core.config import DriverConfig, IDS
from r3l_driver.core.control_table import table_of_model
from r3l_driver.emulator.record import read_record
from r3l_msgs.msg import SafetyState
from r3l_node.core.records import read_lines
from r3l_node.core.status import read_status
from r3l_node.nodes.qos import SAFETY
import yaml

STEPS = 220
SETTINGS = (
    'monitor.goal_count=20', 'encoder.vae_steps=20', 'encoder.gather_images=60',
    'all.warmup_steps=60', 'all.round_steps=30', 'reward.initial_negatives=30',
    'reward.initial_updates=5', 'reward.updates_per_round=2', 'evaluator.starts=2',
    'evaluator.every=1000', 'evaluator.baselines=false', 'learner.update_ratio=0.1',
    'learner.capacity=1000', 'learner.metrics_steps=50',
)  # fmt: skip
KILLED = 'driver'
NODES = graph('fake')
Training = Any  # of conftest.py
TrainingStarter = Callable[..., AbstractContextManager[Training]]

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope='module')
def training(
    tmp_path_factory: pytest.TempPathFactory, start_training: TrainingStarter
) -> Iterator[Training]:
    run = tmp_path_factory.mktemp('fake') / 'run'
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]
    looking = ('--viewer', '--viewer-port', str(port))
    with start_training(run, STEPS, SETTINGS, '--hardware', 'fake', *looking) as training:
        yield training


def test_the_hand_obeys_the_driver_and_the_driver_the_agent(training: Training) -> None:
    states: list[SafetyState] = []
    training.observer.create_subscription(SafetyState, 'driver/safety', states.append, SAFETY)
    training.wait(lambda: training.env_steps() > 0, 120.0, 'the first steps')
    training.wait(lambda: states and states[-1].state == SafetyState.RUN, 30.0, 'state RUN')
    expected = {spec.name for spec in NODES} | {'observer', 'view', 'foxglove'}
    # No training waits for its viewers, so they may come later than its first steps.
    training.wait(lambda: nodes_seen(training) >= expected, 60.0, f'all of {sorted(expected)}')
    assert nodes_seen(training) == expected
    for topic, publisher, subscribers in (
        ('joint_states', 'driver', {'agent'}),
        ('camera/image_raw', 'hand', {'encoder', 'agent'}),
        ('ground_truth', 'hand', {'evaluator'}),
        ('joint_command', 'agent', {'driver'}),
    ):
        found = training.observer.get_publishers_info_by_topic(topic)
        assert {info.node_name for info in found} == {publisher}, topic
        found = training.observer.get_subscriptions_info_by_topic(topic)
        assert {info.node_name for info in found} >= subscribers, topic


def nodes_seen(training: Training) -> set[str]:
    return set(training.observer.get_node_names())


def test_the_viewers_name_only_topics_that_exist_and_types_that_match(training: Training) -> None:
    shown = shown_by_rviz() + shown_by_foxglove()
    assert len(shown) >= 12
    publishers = training.observer.get_publishers_info_by_topic
    for topic, kind, field in shown:
        training.wait(partial(publishers, topic), 60.0, f'somebody who publishes {topic}')
        found = publishers(topic)
        assert {info.topic_type for info in found} == {kind or found[0].topic_type}, topic
        if field:
            package, _, name = found[0].topic_type.split('/')
            message = getattr(import_module(f'{package}.msg'), name)
            types = message.get_fields_and_field_types()
            assert re.match(r'(sequence<)?(u?int|float|double)', types[field]), (topic, field)


def shown_by_rviz() -> list[tuple[str, str, str]]:
    """Return the topics of the rviz configuration with the types of their displays."""
    view = yaml.safe_load(file_of(*RVIZ).read_text(encoding='utf-8'))['Visualization Manager']
    kinds = {
        'Image': 'sensor_msgs/msg/Image',
        'MarkerArray': 'visualization_msgs/msg/MarkerArray',
        'RobotModel': 'std_msgs/msg/String',
    }
    shown = []
    for display in view['Displays']:
        for key in ('Topic', 'Description Topic'):
            if key in display:
                shown.append((display[key]['Value'], kinds[display['Class'].split('/')[1]], ''))
    return shown


def shown_by_foxglove() -> list[tuple[str, str, str]]:
    """Return the topics of the layout with the types, or the fields, that their panels want."""
    shown = []
    layout = json.loads(file_of(*LAYOUT).read_text(encoding='utf-8'))
    for panel, config in layout['configById'].items():
        image = config.get('imageMode', {}).get('imageTopic')
        if image:
            shown.append((image, 'sensor_msgs/msg/Image', ''))
        for topic in config.get('topics', {}):
            shown.append((topic, 'visualization_msgs/msg/MarkerArray', ''))
        if 'topicToRender' in config:
            shown.append((config['topicToRender'], 'diagnostic_msgs/msg/DiagnosticArray', ''))
        for path in config.get('paths', []):
            topic, _, field = path['value'].partition('.')
            shown.append((topic, '', field.partition('[')[0]))
        assert panel in json.dumps(layout['layout'])
    return shown


def test_a_killed_driver_comes_back_and_the_training_goes_on(training: Training) -> None:
    training.wait(lambda: training.env_steps() >= 80, 120.0, 'learning')
    before = training.pid(KILLED)
    assert before is not None
    os.kill(before, signal.SIGKILL)
    training.wait(
        lambda: training.pid(KILLED) not in (None, before), 20.0, 'a new process of the node'
    )
    steps = training.env_steps()
    training.wait(lambda: training.env_steps() > steps + 30, 90.0, 'training going on')


def test_the_training_ends_with_its_records_and_a_report(training: Training) -> None:
    assert training.process.wait(timeout=200) == 0
    run = training.run
    assert read_lines(run / 'evaluation.jsonl')[-1]['env_steps'] >= STEPS
    faults = read_lines(run / 'faults.jsonl')
    assert [(fault['node'], fault['exit_code']) for fault in faults] == [(KILLED, -9)]
    status = read_status(run / 'status.json')
    assert status is not None
    assert status.updates == int(0.1 * (status.env_steps - 60))
    report = (run / 'report.md').read_text(encoding='utf-8')
    assert f'finished after {STEPS} of {STEPS} env steps' in report
    assert '| monitor.hardware | fake | sim |' in report
    assert [training.pid(spec.name) for spec in NODES] == [None] * len(NODES)
    assert evaluate_run(run, 'deployed', 2, 0)['starts'] == 2


def test_the_emulators_own_record_shows_goals_within_the_limits_and_torque_off_at_the_end(
    training: Training,
) -> None:
    events = read_record(training.run / 'hand_record.jsonl')
    goals = [event['goals'] for event in events if event['event'] == 'goal']
    assert len(goals) >= 4 * STEPS  # bus cycles in a control period
    config = DriverConfig()
    table = table_of_model(config.model)
    ticks = np.array([[goal[str(ident)] for ident in IDS] for goal in goals if len(goal) == 9])
    angles = (ticks - table.center) * 2.0 * np.pi / table.ticks_per_turn
    assert (angles >= np.array(config.position_low) - 2e-3).all()
    assert (angles <= np.array(config.position_high) + 2e-3).all()
    torque = {event['id']: event['on'] for event in events if event['event'] == 'torque'}
    assert torque == dict.fromkeys(IDS, False)


def test_no_transition_was_made_where_the_driver_was_away(training: Training) -> None:
    arrays = {
        name: np.load(training.run / 'replay' / 'learner' / f'{name}.npy', mmap_mode='r')
        for name in ('sequence', 'first', 'last')
    }
    count = int(np.load(training.run / 'replay' / 'learner' / 'count.npy')[0])
    first, last = arrays['first'][:count], arrays['last'][:count]
    # An episode that begins without an end of the one before was interrupted.
    cut = np.flatnonzero(first[1:] & ~last[:-1])
    assert cut.size >= 1
