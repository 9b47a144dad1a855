# SPDX-License-Identifier: Apache-2.0
"""The real graph, trained to the end with tiny settings while the test looks at it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
import json
import os
import signal
from typing import Any

import numpy as np
import pytest
from r3l_bag.core.check import check
from r3l_bag.core.experience import read_experience
from r3l_bag.core.reader import Bag
from r3l_bringup.evaluate import evaluate_run
from r3l_bringup.graph import TRAIN
from r3l_node.core.records import EVALUATION_KEYS, read_lines
from r3l_node.core.status import read_status

STEPS = 450
SETTINGS = (
    'monitor.goal_count=20', 'encoder.vae_steps=40', 'encoder.gather_images=100',
    'all.warmup_steps=100', 'all.round_steps=50', 'reward.initial_negatives=50',
    'reward.initial_updates=10', 'reward.updates_per_round=2', 'evaluator.starts=2',
    'evaluator.every=1000', 'evaluator.baselines=false', 'learner.update_ratio=0.2',
    'learner.capacity=2000',
    'learner.metrics_steps=50',
)  # fmt: skip
# Services that every ROS node has; they cannot move anything, all parameters being read-only.
OF_ROS = ('rcl_interfaces/srv/', 'type_description_interfaces/srv/')
KILLED = 'learner'
Training = Any  # of conftest.py
TrainingStarter = Callable[..., AbstractContextManager[Training]]

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope='module')
def training(
    tmp_path_factory: pytest.TempPathFactory, start_training: TrainingStarter
) -> Iterator[Training]:
    run = tmp_path_factory.mktemp('training') / 'run'
    with start_training(run, STEPS, SETTINGS) as training:
        yield training


def test_the_graph_has_the_nodes_of_the_design(training: Training) -> None:
    expected = {spec.name for spec in TRAIN}
    training.wait(lambda: training.env_steps() > 0, 90.0, 'the first steps')
    training.wait(lambda: expected <= set(training.observer.get_node_names()), 10.0, 'all nodes')
    assert set(training.observer.get_node_names()) == expected | {'observer'}


def test_only_the_evaluator_subscribes_to_the_ground_truth(training: Training) -> None:
    found = training.observer.get_subscriptions_info_by_topic('ground_truth')
    assert {info.node_name for info in found} == {'evaluator'}
    published = training.observer.get_publishers_info_by_topic('ground_truth')
    assert {info.node_name for info in published} == {'sim'}


def test_no_service_can_move_the_object(training: Training) -> None:
    for spec in TRAIN:
        services = training.observer.get_service_names_and_types_by_node(spec.name, '/')
        for name, types in services:
            assert all(kind.startswith(OF_ROS) for kind in types), f'{spec.name} offers {name}'


def test_a_killed_node_comes_back_within_ten_seconds(training: Training) -> None:
    training.wait(lambda: training.env_steps() >= 150, 90.0, 'learning')
    before = training.pid(KILLED)
    assert before is not None
    os.kill(before, signal.SIGKILL)
    training.wait(
        lambda: training.pid(KILLED) not in (None, before), 10.0, 'a new process of the node'
    )
    steps = training.env_steps()
    training.wait(lambda: training.env_steps() > steps + 50, 60.0, 'training going on')


def test_the_training_ends_with_its_records_and_a_report(training: Training) -> None:
    assert training.process.wait(timeout=200) == 0
    run = training.run
    lines = read_lines(run / 'evaluation.jsonl')
    assert lines
    assert all(tuple(line) == EVALUATION_KEYS for line in lines)
    assert lines[-1]['env_steps'] >= STEPS
    assert lines[-1]['starts'] == 2
    faults = read_lines(run / 'faults.jsonl')
    assert [(fault['node'], fault['exit_code']) for fault in faults] == [(KILLED, -9)]
    names = {name for line in read_lines(run / 'metrics.jsonl') for name in line}
    for prefix in ('train/', 'vice/', 'rnd/', 'vae/', 'rollout/'):
        assert any(name.startswith(prefix) for name in names), prefix
    assert list(run.glob('events.out.tfevents.*'))
    report = (run / 'report.md').read_text(encoding='utf-8')
    assert f'finished after {STEPS} of {STEPS} env steps' in report
    assert f'| {KILLED} | -9 | 1 |' in report
    for picture in ('learning_curve.png', 'coverage.png', 'reconstructions.png'):
        assert (run / picture).exists(), picture


def test_the_bag_holds_what_the_learner_was_given(training: Training) -> None:
    assert check(training.run / 'bags').findings == []
    bag, ring = read_experience(training.run), training.run / 'replay' / 'learner'
    rows = int(np.load(ring / 'count.npy')[0])
    assert rows == len(bag)
    for name in ('sequence', 'image', 'action', 'previous_action', 'first', 'last', 'policy'):
        stored = np.load(ring / f'{name}.npy')[:rows]
        np.testing.assert_array_equal(getattr(bag, name), stored, name)
    recorded = Bag(training.run)
    assert recorded.find('ground_truth') is None
    kept = {topic.lstrip('/') for topic in recorded.topics}
    assert {'camera/image_raw', 'latent', 'reward', 'transition', 'reward/weights'} <= kept
    assert recorded.config == (training.run / 'config.yaml').read_text(encoding='utf-8')


def test_no_process_is_left(training: Training) -> None:
    assert [training.pid(spec.name) for spec in TRAIN] == [None] * len(TRAIN)


def test_the_update_ratio_was_held_exactly(training: Training) -> None:
    status = read_status(training.run / 'status.json')
    assert status is not None
    assert status.updates == int(0.2 * (status.env_steps - 100))


def test_the_policy_on_disk_can_be_evaluated(
    training: Training, capsys: pytest.CaptureFixture[str]
) -> None:
    found = evaluate_run(training.run, 'deployed', 2, 0)
    assert found['starts'] == 2
    assert 'deployed: success' in capsys.readouterr().out
    evaluate_run(training.run, 'untrained', 2, 0)
    baselines = json.loads((training.run / 'baselines.json').read_text(encoding='utf-8'))
    assert 'untrained' in baselines
