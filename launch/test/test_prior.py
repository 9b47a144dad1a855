# SPDX-License-Identifier: Apache-2.0
"""``--prior``: recorded experience of the same robot goes into a run, of another one does not."""

from __future__ import annotations

import json
from pathlib import Path
import shutil
from typing import Any

import numpy as np
import pytest
from r3l_agent.core.replay.buffer import RANDOM, Replay, TASK
from r3l_agent.core.training import PRIOR
from r3l_bringup import config
from r3l_bringup.config import Request
from r3l_bringup.experiment.description import check, read
from r3l_bringup.experiment.jobs import job
from r3l_bringup.in_process import train_in_process
from r3l_bringup.prepare import prepare
from r3l_bringup.prior import sources
from r3l_bringup.resume import resumed
from r3l_node.core.errors import ConfigError
from r3l_node.core.records import read_lines
from r3l_node.core.ring import stored_capacity

SMALL = ('monitor.goal_count=20', 'learner.capacity=1000')
EPISODES, LENGTH = 6, 10  # LENGTH observations each


def recorded(folder: Path, task: str = 'valve', **changes: Any) -> Path:
    """Write a run folder with parameters and a replay, as a finished run has them."""
    values = config.resolve(Request(task=task))
    for name, value in changes.items():
        for own in values.values():
            if name in own:
                own[name] = value
    folder.mkdir()
    (folder / 'config.yaml').write_text(config.dump(values), encoding='utf-8')
    count, joints = EPISODES * LENGTH, len(values['agent']['joint_low'])
    rng = np.random.default_rng(0)
    size = values['learner']['image_size']
    replay = Replay(folder / 'replay' / 'learner', 100, size, 16, joints)
    number = np.arange(count)
    replay.ring.extend(
        sequence=number, policy=np.where(number // LENGTH % 2, TASK, RANDOM),
        first=number % LENGTH == 0, last=number % LENGTH == LENGTH - 1,
        image=rng.integers(0, 256, (count, size, size, 3), dtype=np.uint8),
        joint_position=rng.uniform(-1, 1, (count, joints)),
        previous_action=rng.uniform(-1, 1, (count, joints)),
        action=rng.uniform(-1, 1, (count, joints)), latent=np.zeros((count, 16)),
    )  # fmt: skip
    replay.ring.flush()
    return folder


@pytest.fixture(scope='module')
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recorded(tmp_path_factory.mktemp('earlier') / 'first')


def test_recorded_rows_are_kept_in_the_run(source: Path, tmp_path: Path) -> None:
    other = recorded(tmp_path / 'of_beads', task='beads')
    request = Request(sets=SMALL, prior=(str(source), str(other)))
    made = prepare(request, tmp_path / 'run', tmp_path)
    found = [(entry['task'], entry['rows'], entry['transitions'])
             for entry in sources(made.folder)]  # fmt: skip
    assert found == [('valve', 60, 54), ('beads', 60, 54)]
    assert made.given == (
        'prior: 108 transitions of first (valve), of_beads (beads); 50% of each batch',
    )
    kept = Replay(made.folder / PRIOR, stored_capacity(made.folder / PRIOR), 32, 16, 9)
    assert (len(kept), kept.transitions(), kept.transitions((TASK,))) == (120, 108, 54)
    before = Replay(source / 'replay' / 'learner', 100, 32, 16, 9)
    for name in ('image', 'policy', 'first', 'last', 'action', 'previous_action'):
        assert np.array_equal(kept.arrays[name][:60], before.arrays[name][:60]), name
    # By way of rad and back.
    theirs, ours = (one.arrays['joint_position'][:60] for one in (before, kept))
    assert np.allclose(theirs, ours, atol=1e-5)


def test_a_gap_and_another_recording_are_no_transition(source: Path, tmp_path: Path) -> None:
    cut = tmp_path / 'cut'
    shutil.copytree(source, cut)
    replay = Replay(cut / 'replay' / 'learner', 100, 32, 16, 9)
    replay.arrays['sequence'][25:] += 7
    replay.arrays['last'][59] = False
    replay.ring.flush()
    made = prepare(Request(sets=SMALL, prior=(str(cut), str(cut))), tmp_path / 'run', tmp_path)
    kept = Replay(made.folder / PRIOR, stored_capacity(made.folder / PRIOR), 32, 16, 9)
    assert kept.transitions() == 2 * 53
    assert kept.arrays['first'][[25, 60, 85]].all()
    assert (np.diff(kept.arrays['sequence'].astype(np.int64)) > 0).all()


def limits(sign: float, first: float) -> list[float]:
    return [sign * value for value in (first, 1.047197551, 1.570796327) * 3]


@pytest.mark.parametrize(
    ('changes', 'sentence'),
    [
        ({'control_rate': 10.0}, r'with control rate 10\.0 Hz: expected 5\.0 Hz'),
        ({'image_size': 64}, r'with image size 64 pixels: expected 32 pixels'),
        ({'joint_names': [f'joint{k}' for k in range(9)]}, r"with joints \['joint0'.*: expected"),
        (
            {'joint_high': limits(1.0, 0.4)},
            r'with upper joint limits \[0\.4,.* rad: expected \[0\.48,',
        ),
        ({'joint_low': limits(-1.0, 0.4)}, r'with lower joint limits \[-0\.4,.* \[-0\.48,'),
    ],
    ids=['rate', 'image', 'names', 'high', 'low'],
)
def test_another_robot_is_refused_before_there_is_a_folder(
    tmp_path: Path, changes: dict[str, Any], sentence: str
) -> None:
    other = recorded(tmp_path / 'other', **changes)
    with pytest.raises(ConfigError, match=sentence) as refused:
        prepare(Request(sets=SMALL, prior=(str(other),)), tmp_path / 'run', tmp_path)
    assert '\n' not in str(refused.value)
    assert [path.name for path in tmp_path.iterdir()] == ['other']


def test_what_is_no_recording_or_has_no_use_is_refused(source: Path, tmp_path: Path) -> None:
    (tmp_path / 'empty').mkdir()
    with pytest.raises(ConfigError, match='empty'):
        prepare(Request(prior=(str(tmp_path / 'empty'),)), tmp_path / 'run', tmp_path)
    oracle = Request(prior=(str(source),), sets=('learner.reward_source=environment',))
    with pytest.raises(ConfigError, match=r"expected 'classifier' with --prior"):
        prepare(oracle, tmp_path / 'run', tmp_path)
    assert not (tmp_path / 'run').exists()


def test_a_continuation_needs_no_source_but_takes_no_other(source: Path, tmp_path: Path) -> None:
    gone = tmp_path / 'gone'
    shutil.copytree(source, gone)
    request = Request(sets=SMALL, prior=(str(gone),))
    made = prepare(request, tmp_path / 'run', tmp_path)
    shutil.rmtree(gone)
    assert prepare(request, made.folder, tmp_path).resumed
    assert prepare(Request(), made.folder, tmp_path, given=False).resumed
    with pytest.raises(ConfigError, match=r'was begun with prior .*gone, not with .*first'):
        prepare(Request(sets=SMALL, prior=(str(source),)), made.folder, tmp_path)
    plain = prepare(Request(sets=SMALL), tmp_path / 'plain', tmp_path)
    assert plain.given == ()
    with pytest.raises(ConfigError, match='was begun without prior experience, not with'):
        prepare(Request(sets=SMALL, prior=(str(source),)), plain.folder, tmp_path)


def test_an_experiment_gives_it_to_its_runs(source: Path, tmp_path: Path) -> None:
    file = tmp_path / 'evidence.yaml'
    shared = {'steps': 1000, 'seeds': [1], 'sets': list(SMALL)}
    document = shared | {'runs': [{'label': 'prior', 'prior': [str(source)]}]}
    file.write_text(json.dumps(document), encoding='utf-8')
    planned = read(file)
    check(planned)
    with_prior = [run for run in planned.runs if run.label == 'prior']
    assert [run.prior for run in planned.runs if run not in with_prior] == [()]
    command = job(with_prior[0], tmp_path).command
    assert command[command.index('--prior') + 1] == str(source)
    document['runs'][0]['prior'] = [str(tmp_path / 'nothing')]
    file.write_text(json.dumps(document), encoding='utf-8')
    with pytest.raises(ConfigError, match=r'valve-modern-none-prior-s1: .*nothing'):
        check(read(file))


def test_a_training_learns_from_both(source: Path, tmp_path: Path) -> None:
    sets = (
        *SMALL, 'encoder.vae_steps=5', 'encoder.gather_images=40', 'all.warmup_steps=40',
        'all.round_steps=20', 'reward.initial_negatives=20', 'reward.initial_updates=3',
        'reward.updates_per_round=1', 'evaluator.starts=1', 'evaluator.every=100000',
        'evaluator.baselines=false', 'learner.metrics_steps=20', 'learner.batch=8',
    )  # fmt: skip
    run = tmp_path / 'run'
    assert train_in_process(Request(steps=80, sets=sets, prior=(str(source),)), run) == 0
    lines = [line for line in read_lines(run / 'metrics.jsonl') if line['source'] == 'learner']
    assert np.isfinite(lines[-1]['train/prior_reward_mean'])
    size = stored_capacity(run / PRIOR)
    kept = Replay(run / PRIOR, size, 32, 16, 9)
    assert np.ptp(kept.arrays['latent'], axis=0).all()  # encoded by the run's own VAE
    assert resumed(run, None, no_ros=False) == (run, True)


def test_resume_takes_a_run_and_nothing_else(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r'is no run: expected a folder with config\.yaml'):
        resumed(tmp_path, None, no_ros=False)
    made = prepare(Request(sets=SMALL), tmp_path / 'run', tmp_path)
    assert resumed(made.folder, None, no_ros=False) == (made.folder, False)
    assert resumed(made.folder, None, no_ros=True) == (made.folder, True)
    (made.folder / 'replay' / 'learner').mkdir(parents=True)
    assert resumed(made.folder, None, no_ros=False) == (made.folder, True)
    (made.folder / 'logs').mkdir()
    assert resumed(made.folder, None, no_ros=False) == (made.folder, False)
    with pytest.raises(ConfigError, match=r'--resume .* and --run .* are given: expected one'):
        resumed(made.folder, made.folder, no_ros=False)
