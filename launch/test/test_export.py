# SPDX-License-Identifier: Apache-2.0
"""An export has every frame of the recording, at its time, with its picture."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pyarrow import parquet
import pytest
from r3l_bag.core.experience import Experience, Robot
from r3l_bringup import export as command
from r3l_bringup.cli import app
from r3l_bringup.export_frames import episodes_of
from r3l_bringup.export_lerobot import CAMERA, write_dataset
from r3l_bringup.export_stats import image_stats, value_stats
from r3l_node.core.errors import ConfigError
from typer.testing import CliRunner

ROBOT = Robot(('a', 'b'), (-1.0, 0.0), (1.0, 3.0), 5.0, 8, 'valve')
LENGTHS = (4, 1, 3)


def experience_of(lengths: tuple[int, ...] = LENGTHS) -> Experience:
    """Return episodes of random rows whose stamps are not quite regular."""
    random = np.random.default_rng(0)
    n = sum(lengths)
    first, last = np.zeros(n, bool), np.zeros(n, bool)
    ends = np.cumsum(lengths)
    first[ends - lengths], last[ends - 1] = True, True
    action = random.uniform(-1, 1, (n, 2)).astype(np.float32)
    previous = np.roll(action, 1, axis=0)
    action[last], previous[first] = 0.0, 0.0
    episode = np.repeat(np.arange(len(lengths)), lengths)
    return Experience(
        image=random.integers(0, 256, (n, 8, 8, 3)).astype(np.uint8),
        joint_position=random.normal(size=(n, 2)).astype(np.float32),
        previous_action=previous, action=action,
        policy=(1 + episode % 3).astype(np.uint8), first=first, last=last,
        sequence=np.arange(10, 10 + n), episode=episode.astype(np.uint32),
        stamp=(np.arange(n) * 200_000_000 + random.integers(0, 5_000_000, n)).astype(np.int64),
        robot=ROBOT,
    )  # fmt: skip


def read(out: Path) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Return info, frames and episodes."""
    info = json.loads((out / 'meta' / 'info.json').read_text(encoding='utf-8'))
    frames = parquet.read_table(out / 'data').to_pydict()
    return info, frames, parquet.read_table(out / 'meta' / 'episodes').to_pydict()


def test_every_frame_is_there_at_its_time_with_its_picture(tmp_path: Path) -> None:
    recorded = experience_of()
    rewards = np.arange(8, dtype=np.float32)
    summary = write_dataset(recorded, rewards, tmp_path / 'set')
    assert summary == '8 frames of 3 episodes, 3 tasks'
    info, frames, episodes = read(tmp_path / 'set')
    assert (info['total_frames'], info['total_episodes'], info['fps']) == (8, 3, 5)
    assert frames['stamp'] == recorded.stamp.tolist()
    starts = np.repeat([0, 4, 5], LENGTHS)
    expected = (recorded.stamp - recorded.stamp[starts]) * 1e-9
    np.testing.assert_allclose(frames['timestamp'], expected, atol=1e-6)
    assert frames['frame_index'] == [0, 1, 2, 3, 0, 0, 1, 2]
    assert frames['next.done'] == [False, False, False, True, True, False, False, True]
    for picture, image in zip(frames[CAMERA], recorded.image, strict=True):
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(picture['bytes']))), image)
    np.testing.assert_array_equal(frames['observation.state'], recorded.joint_position)
    assert episodes['length'] == list(LENGTHS)
    assert episodes['dataset_to_index'] == [4, 5, 8]
    assert episodes['tasks'] == [['random motion'], ['valve'], ['perturb valve']]


def test_an_action_is_a_joint_target_and_the_last_one_still_holds(tmp_path: Path) -> None:
    recorded = experience_of()
    write_dataset(recorded, None, tmp_path / 'set')
    _, frames, _ = read(tmp_path / 'set')
    target = np.array(frames['action'])
    low, high = np.array(ROBOT.joint_low), np.array(ROBOT.joint_high)
    expected = low + (recorded.action[:3] + 1) / 2 * (high - low)
    np.testing.assert_allclose(target[:3], expected, atol=1e-6)
    np.testing.assert_array_equal(target[3], target[2])
    assert 'next.reward' not in frames


def test_a_reward_belongs_to_the_image_that_the_action_led_to(tmp_path: Path) -> None:
    rewards = np.array([0, 1, 2, np.nan, 4, 5, 6, 7], dtype=np.float32)
    write_dataset(experience_of(), rewards, tmp_path / 'set')
    _, frames, episodes = read(tmp_path / 'set')
    nan = float('nan')
    np.testing.assert_equal(frames['next.reward'], [1, 2, nan, nan, nan, 6, 7, nan])
    assert episodes['stats/next.reward/count'] == [[2], [0], [2]]
    stats = json.loads((tmp_path / 'set' / 'meta' / 'stats.json').read_text(encoding='utf-8'))
    assert stats['next.reward']['mean'] == [4.0]


def test_missing_rows_begin_another_episode() -> None:
    recorded = experience_of((6,))
    recorded.sequence[3:] += 5
    assert episodes_of(recorded) == [(0, 3), (3, 6)]


def test_statistics_are_those_of_numpy() -> None:
    recorded = experience_of((40,))
    found = value_stats(recorded.joint_position)
    np.testing.assert_allclose(found['std'], recorded.joint_position.std(axis=0), rtol=1e-5)
    np.testing.assert_allclose(found['q90'], np.quantile(recorded.joint_position, 0.9, axis=0))
    pixels = image_stats(recorded.image)
    scaled = recorded.image / 255.0
    for name in ('mean', 'std', 'min', 'max'):
        value = getattr(scaled, name)((0, 1, 2))
        np.testing.assert_allclose(np.ravel(pixels[name]), value, rtol=1e-9)
    median = np.quantile(scaled, 0.5, axis=(0, 1, 2), method='inverted_cdf')
    np.testing.assert_allclose(np.ravel(pixels['q50']), median)


def test_long_recordings_are_spread_over_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('r3l_bringup.export_lerobot._GROUP', 10)
    monkeypatch.setattr('r3l_bringup.export_lerobot._FILE_BYTES', 3000)
    recorded = experience_of((5,) * 12)
    write_dataset(recorded, None, tmp_path / 'set')
    _, frames, episodes = read(tmp_path / 'set')
    assert frames['index'] == list(range(60))
    assert max(episodes['data/file_index']) > 1
    for index, file in enumerate(episodes['data/file_index']):
        path = tmp_path / 'set' / 'data' / 'chunk-000' / f'file-{file:03d}.parquet'
        rows = parquet.read_table(path, columns=['index', 'episode_index']).to_pydict()
        mine = [r for r, e in zip(*rows.values(), strict=True) if e == index]
        first, behind = episodes['dataset_from_index'][index], episodes['dataset_to_index'][index]
        assert mine == list(range(first, behind))


def test_tasks_are_looked_up_by_their_position(tmp_path: Path) -> None:
    write_dataset(experience_of(), None, tmp_path / 'set')
    table = parquet.read_table(tmp_path / 'set' / 'meta' / 'tasks.parquet')
    assert table.to_pydict()['task_index'] == [0, 1, 2]
    described = json.loads(table.schema.metadata[b'pandas'])
    assert described['index_columns'] == ['task']


@pytest.mark.parametrize(
    ('arguments', 'sentence'),
    [
        (['--to', 'csv', '--out', 'new'], "--to is 'csv': expected one of lerobot"),
        (['--out', 'full'], 'full exists already: expected a new or an empty folder'),
        (['--out', 'new'], 'nowhere does not exist: expected a bag'),
    ],
)
def test_a_mistake_is_a_sentence(
    arguments: list[str], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'full').mkdir()
    (tmp_path / 'full' / 'mine').touch()
    result = CliRunner().invoke(app, ['export', 'nowhere', *arguments])
    assert isinstance(result.exception, ConfigError)
    assert str(result.exception).startswith(sentence)
    assert [path.name for path in tmp_path.iterdir()] == ['full']


def test_a_failed_export_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, 'read_experience', lambda path: experience_of())
    monkeypatch.setattr('r3l_bringup.export_lerobot._write_tasks', _fail)
    with pytest.raises(OSError, match='no space'):
        command.export(tmp_path / 'bag', tmp_path / 'set', 'lerobot')
    assert not list(tmp_path.iterdir())


def _fail(*_: object) -> None:
    raise OSError('no space')
