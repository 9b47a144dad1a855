# SPDX-License-Identifier: Apache-2.0
"""Test the ring of rows."""

import json
import multiprocessing
import os
from pathlib import Path
import signal

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from r3l_node.core.ring import MappedRing, RingError, stored_capacity

FIELDS = {'image': ((2, 2), np.uint8), 'reward': ((), np.float32)}


def row(value: int) -> dict[str, object]:
    return {'image': np.full((2, 2), value % 256, np.uint8), 'reward': float(value)}


@settings(max_examples=30, deadline=None)
@given(capacity=st.integers(1, 6), appended=st.integers(0, 20))
def test_the_ring_holds_the_last_rows(capacity: int, appended: int) -> None:
    ring = MappedRing(None, capacity, FIELDS)
    for value in range(appended):
        assert ring.append(**row(value)) == value
    assert ring.count == appended
    assert len(ring) == min(capacity, appended)
    for value in range(appended - len(ring), appended):
        assert ring.arrays['reward'][ring.slot(value)] == value
        assert (ring.arrays['image'][ring.slot(value)] == value).all()
    for value in (appended, appended - capacity - 1):
        with pytest.raises(IndexError):
            ring.slot(value)


def columns(first: int, count: int) -> dict[str, np.ndarray]:
    rows = [row(value) for value in range(first, first + count)]
    return {name: np.array([one[name] for one in rows], FIELDS[name][1]) for name in FIELDS}


def test_many_rows_at_once_are_those_appended_one_by_one(tmp_path: Path) -> None:
    one_by_one, at_once = (MappedRing(tmp_path / name, 5, FIELDS) for name in ('one', 'all'))
    for value in range(5):
        one_by_one.append(**row(value))
    at_once.extend(**columns(0, 2))
    at_once.extend(**columns(2, 3))
    assert stored_capacity(tmp_path / 'all') == len(at_once) == 5
    for name in FIELDS:
        assert np.array_equal(at_once.arrays[name], one_by_one.arrays[name]), name


def test_rows_that_do_not_fit_are_refused_whole(tmp_path: Path) -> None:
    ring = MappedRing(None, 3, FIELDS)
    ring.extend(**columns(0, 1))
    with pytest.raises(ValueError, match='3 more rows: expected 2 at most'):
        ring.extend(**columns(0, 3))
    with pytest.raises(ValueError, match=r"'reward' has shape \(2, 1\): expected \(2,\)"):
        ring.extend(**columns(0, 2) | {'reward': np.zeros((2, 1))})
    with pytest.raises(ValueError, match=r"columns of \['image'\]: expected"):
        ring.extend(image=columns(0, 2)['image'])
    assert ring.count == 1
    with pytest.raises(RingError, match=r'holds no ring: header\.json cannot be read'):
        stored_capacity(tmp_path)


def test_rows_are_there_after_opening_again(tmp_path: Path) -> None:
    first = MappedRing(tmp_path / 'replay', 3, FIELDS)
    for value in range(5):
        first.append(**row(value))
    second = MappedRing(tmp_path / 'replay', 3, FIELDS)
    assert second.count == 5
    assert second.arrays['reward'].tolist() == [3.0, 4.0, 2.0]
    assert second.append(**row(5)) == 5


def _fill_and_die(path: Path) -> None:
    ring = MappedRing(path, 10, FIELDS)
    for value in range(7):
        ring.append(**row(value))
    os.kill(os.getpid(), signal.SIGKILL)


def test_rows_survive_a_kill(tmp_path: Path) -> None:
    process = multiprocessing.get_context('fork').Process(
        target=_fill_and_die, args=(tmp_path / 'ring',)
    )
    process.start()
    process.join(10)
    assert process.exitcode == -signal.SIGKILL
    ring = MappedRing(tmp_path / 'ring', 10, FIELDS)
    assert ring.count == 7
    assert ring.arrays['reward'][:7].tolist() == list(range(7))


def test_a_new_ring_takes_no_disk_space_before_it_is_used(tmp_path: Path) -> None:
    MappedRing(tmp_path / 'ring', 1_000_000, {'image': ((32, 32, 3), np.uint8)})
    used = sum(file.stat().st_blocks * 512 for file in (tmp_path / 'ring').iterdir())
    assert used < 1e6


@pytest.mark.parametrize(
    'bad',
    [
        {'reward': 1.0},
        {'image': np.zeros((2, 2)), 'reward': 1.0, 'other': 1},
        {'image': np.zeros((2, 3)), 'reward': 1.0},
        {'image': np.zeros((2, 2)), 'reward': [1.0]},
    ],
)
def test_a_row_of_another_form_is_refused_and_leaves_no_trace(bad: dict[str, object]) -> None:
    ring = MappedRing(None, 3, FIELDS)
    with pytest.raises(ValueError, match='expected'):
        ring.append(**bad)
    assert ring.count == 0


def test_another_ring_in_the_folder_is_named(tmp_path: Path) -> None:
    MappedRing(tmp_path / 'ring', 3, FIELDS)
    with pytest.raises(RingError, match='another ring: its capacity is 3, expected 4'):
        MappedRing(tmp_path / 'ring', 4, FIELDS)
    with pytest.raises(RingError, match='another ring: its fields'):
        MappedRing(tmp_path / 'ring', 3, {'reward': ((), np.float32)})


@pytest.mark.parametrize(
    ('file', 'content', 'sentence'),
    [
        ('header.json', b'{', 'header.json cannot be read'),
        ('header.json', b'[]', 'its header is no mapping'),
        ('image.npy', b'', 'image.npy is broken'),
        ('image.npy', b'\x93NUMPY', 'image.npy is broken'),
        ('count.npy', None, 'count.npy is broken'),
    ],
)
def test_a_broken_folder_is_named(
    tmp_path: Path, file: str, content: bytes | None, sentence: str
) -> None:
    MappedRing(tmp_path / 'ring', 3, FIELDS)
    target = tmp_path / 'ring' / file
    if content is None:
        target.unlink()
    else:
        target.write_bytes(content)
    with pytest.raises(RingError, match=sentence):
        MappedRing(tmp_path / 'ring', 3, FIELDS)


def test_an_array_of_another_type_is_named(tmp_path: Path) -> None:
    MappedRing(tmp_path / 'ring', 3, FIELDS)
    np.save(tmp_path / 'ring' / 'reward.npy', np.zeros(3))
    with pytest.raises(RingError, match='is float64'):
        MappedRing(tmp_path / 'ring', 3, FIELDS)


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / 'photos').mkdir()
    (tmp_path / 'photos' / 'one.png').write_bytes(b'x')
    with pytest.raises(RingError, match='holds no ring'):
        MappedRing(tmp_path / 'photos', 3, FIELDS)
    assert [file.name for file in (tmp_path / 'photos').iterdir()] == ['one.png']


def test_an_interrupted_creation_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(json, 'dumps', stop)
    with pytest.raises(KeyboardInterrupt):
        MappedRing(tmp_path / 'ring', 3, FIELDS)
    monkeypatch.undo()
    assert list(tmp_path.iterdir()) == []
    assert len(MappedRing(tmp_path / 'ring', 3, FIELDS)) == 0


def test_a_ring_without_a_row_is_refused() -> None:
    with pytest.raises(RingError, match='capacity is 0'):
        MappedRing(None, 0, FIELDS)
