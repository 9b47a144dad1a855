# SPDX-License-Identifier: Apache-2.0
"""Counting, restarts and faults of the learner, without ROS."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
import threading
from time import monotonic

import numpy as np
import pytest
from r3l_agent.core.policy import Policy
from r3l_agent.core.training import Training
from r3l_agent.core.training_config import LearnerConfig
from r3l_agent.core.worker import Listener, Worker
from r3l_node.core.errors import ConfigError
from r3l_node.core.weights import load, unpack

SMALL = LearnerConfig(
    warmup_steps=8, latent_size=4, hidden=(8,), batch=4, capacity=200, rnd_hidden=8,
    rnd_output=4, round_steps=10, classifier_wait=0.05, metrics_steps=8,
)  # fmt: skip


class Recorder:
    """Everything that a worker tells."""

    def __init__(self) -> None:
        self.policies: list[tuple[int, int, bytes]] = []
        self.metrics: list[dict[str, float]] = []
        self.problems: list[str] = []
        self.changed = threading.Condition()

    def listener(self) -> Listener:
        return Listener(
            lambda *policy: self._add(self.policies, policy),
            lambda steps, values: self._add(self.metrics, dict(values)),
            lambda sentence: self._add(self.problems, sentence),
        )

    def _add(self, entries: list, entry: object) -> None:
        with self.changed:
            entries.append(entry)
            self.changed.notify_all()

    def reached(self, env_steps: int) -> Callable[[], bool]:
        return lambda: bool(self.policies) and self.policies[-1][1] == env_steps

    def wait(self, condition: Callable[[], object], timeout: float = 5.0) -> None:
        end = monotonic() + timeout
        with self.changed:
            while not condition():
                assert monotonic() < end, 'condition does not hold in time'
                self.changed.wait(0.05)


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def worker(recorder: Recorder) -> Iterator[Worker]:
    worker = Worker(Training(SMALL), recorder.listener())
    worker.start()
    yield worker
    assert worker.stop(5.0)
    assert worker.error is None


def filled(training: Training, encoder: object, classifier: object, rows: list) -> Training:
    training.set_encoder(encoder)
    training.add_classifier(classifier)
    training.use_classifier()
    for row in rows:
        training.add(row, 1)
    return training


def test_updates_are_owed_after_the_warm_up_only(
    encoder_model: Callable, classifier_model: Callable, make_row: Callable
) -> None:
    rows = [make_row(k) for k in range(14)]
    training = filled(Training(SMALL), encoder_model(), classifier_model(), rows)
    assert training.env_steps == 12
    assert training.episode_end == 8
    assert training.owed == 4
    assert training.done_steps == 8
    training.update()
    assert training.owed == 3
    assert training.done_steps == 9


def test_a_restart_counts_what_came_after_the_checkpoint(
    encoder_model: Callable, classifier_model: Callable, make_row: Callable, tmp_path: Path
) -> None:
    config = replace(SMALL, run=str(tmp_path))
    rows = [make_row(k) for k in range(14)]
    training = filled(Training(config), encoder_model(), classifier_model(), rows)
    training.update()
    training.policy(8)
    training.save()
    for k in range(14, 22):
        training.add(make_row(k), 1)
    again = Training(config)
    assert again.restored
    assert again.env_steps == training.env_steps == 18
    assert again.episode_end == training.episode_end == 16
    assert again.learner.updates == 1
    assert again.learner.replay.last_sequence == 21
    # Two episodes ended since, so two versions may have been published: none is used twice.
    assert again.policy_version == 1 + 2
    assert again.policy_steps == 8


def test_a_restart_continues_exactly_and_keeps_its_latents(
    encoder_model: Callable, classifier_model: Callable, make_row: Callable, tmp_path: Path
) -> None:
    config = replace(SMALL, run=str(tmp_path))
    rows = [make_row(k) for k in range(14)]
    training = filled(Training(config), encoder_model(), classifier_model(), rows)
    training.update()
    training.save()
    again = Training(config)
    before = again.learner.replay.arrays['latent'].copy()
    again.set_encoder(encoder_model())
    assert np.array_equal(again.learner.replay.arrays['latent'], before)
    again.add_classifier(classifier_model())
    again.use_classifier()
    training.update()
    again.update()
    mine, theirs = training.learner.policy_weights()[0], again.learner.policy_weights()[0]
    for name, value in mine.items():
        assert np.array_equal(value, theirs[name]), name
    changed = Training(config)
    changed.set_encoder(encoder_model(2, seed=5))
    assert not np.array_equal(changed.learner.replay.arrays['latent'], before)


def test_the_policy_on_disk_is_one_that_can_act(
    encoder_model: Callable, classifier_model: Callable, make_row: Callable, tmp_path: Path
) -> None:
    config = replace(SMALL, run=str(tmp_path))
    training = filled(Training(config), encoder_model(), classifier_model(), [make_row(0)])
    training.policy(0)
    training.save()
    tensors, metadata = load(tmp_path / 'checkpoints' / 'policy.safetensors')
    policy = Policy.from_weights(tensors, metadata)
    assert policy.act(np.zeros(policy.spec.size, np.float32), None).shape == (9,)
    assert metadata['version'] == '1'


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'task': 'beads'}, "belongs to task 'valve': expected 'beads'"),
        ({'latent_size': 5}, 'expected'),
        ({'hidden': (9,)}, 'expected'),
        ({'capacity': 300}, 'capacity'),
    ],
)
def test_the_folder_of_another_run_is_refused_in_one_sentence(
    change: dict[str, object], message: str, tmp_path: Path
) -> None:
    config = replace(SMALL, run=str(tmp_path))
    Training(config).save()
    with pytest.raises(ConfigError, match=message) as caught:
        Training(replace(config, **change))
    assert '\n' not in str(caught.value)


def test_a_torn_checkpoint_is_refused(tmp_path: Path) -> None:
    config = replace(SMALL, run=str(tmp_path))
    Training(config).save()
    path = tmp_path / 'checkpoints' / 'learner.safetensors'
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ConfigError, match=r'learner\.safetensors'):
        Training(config)


def test_losses_that_stay_unusable_bring_the_last_good_state_back(
    encoder_model: Callable, classifier_model: Callable, make_row: Callable
) -> None:
    rows = [make_row(k) for k in range(30)]
    training = filled(Training(SMALL), encoder_model(), classifier_model(), rows)
    training.update()
    training.save()
    training.learner.task.critic_flat.data.fill_(np.nan)
    for _ in range(3):
        training.update()
    assert training.bad_updates == 3
    assert training.rollbacks == 1
    assert training.learner.updates == 4
    training.update()
    assert training.bad_updates == 3


def test_a_classifier_of_another_size_is_refused(classifier_model: Callable) -> None:
    with pytest.raises(ValueError, match='latent of size 7: expected 4'):
        Training(SMALL).add_classifier(classifier_model(latent_size=7))


def test_the_worker_makes_exactly_the_updates_that_are_due_and_publishes_each_episode(
    worker: Worker, recorder: Recorder, encoder_model: Callable, classifier_model: Callable,
    make_row: Callable,
) -> None:  # fmt: skip
    for k in range(10):
        worker.put_row(make_row(k, encoded=False), 0)
    recorder.wait(lambda: worker.training.env_steps == 8)
    worker.put_encoder(encoder_model())
    recorder.wait(lambda: len(recorder.policies) == 2)
    assert [policy[:2] for policy in recorder.policies] == [(1, 0), (2, 8)]
    for k in range(10, 30):
        worker.put_row(make_row(k, 2 + (k // 5) % 2), 1)
    worker.put_classifier(classifier_model())
    recorder.wait(lambda: len(recorder.policies) == 6)
    assert [policy[1] for policy in recorder.policies[2:]] == [12, 16, 20, 24]
    assert worker.training.learner.updates == 16
    assert worker.received == 24
    assert {'time/fps', 'train/update_ratio', 'replay/size'} <= recorder.metrics[-1].keys()
    assert not recorder.problems


def test_a_classifier_that_stays_away_is_waited_for_once(
    worker: Worker, recorder: Recorder, encoder_model: Callable, classifier_model: Callable,
    make_row: Callable,
) -> None:  # fmt: skip
    worker.put_encoder(encoder_model())
    worker.put_classifier(classifier_model())
    for k in range(50):
        worker.put_row(make_row(k), 1)
    recorder.wait(lambda: recorder.policies and recorder.policies[-1][1] == 40)
    assert recorder.problems == ['the classifier is more than 0.05 s late: going on without']
    assert worker.training.learner.updates == 32


def test_learning_does_not_depend_on_when_the_data_arrives(
    encoder_model: Callable, classifier_model: Callable, make_row: Callable
) -> None:
    results = []
    for slow in (False, True):
        recorder = Recorder()
        config = replace(SMALL, classifier_wait=5.0)
        worker = Worker(Training(config), recorder.listener())
        worker.start()
        worker.put_encoder(encoder_model())
        for steps in (0, 10):
            worker.put_classifier(classifier_model(steps, 1 + steps))
        for k in range(25):
            worker.put_row(make_row(k), 1)
            if slow and k % 5 == 4:
                steps = (k + 1) * 4 // 5
                recorder.wait(recorder.reached(steps))
        recorder.wait(recorder.reached(20))
        assert worker.stop(5.0)
        results.append(unpack(recorder.policies[-1][2])[0])
    for name, value in results[0].items():
        assert np.array_equal(value, results[1][name]), name


def test_an_encoder_that_does_not_fit_is_told_and_ignored(
    worker: Worker, recorder: Recorder, encoder_model: Callable
) -> None:
    worker.put_encoder(encoder_model(latent_size=9))
    recorder.wait(lambda: recorder.problems)
    assert 'latents of 9: expected 4' in recorder.problems[0]
    assert not recorder.policies


def test_stopping_saves(tmp_path: Path, recorder: Recorder, make_row: Callable) -> None:
    config = replace(SMALL, run=str(tmp_path))
    worker = Worker(Training(config), recorder.listener())
    worker.start()
    worker.put_row(make_row(0), 1)
    recorder.wait(lambda: worker.training.env_steps == 1)
    assert worker.stop(3.0)
    assert Training(config).env_steps == 1
