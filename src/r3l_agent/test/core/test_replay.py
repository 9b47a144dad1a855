# SPDX-License-Identifier: Apache-2.0
"""Replay: pairs never span episodes, gaps or the wrap of the ring."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
from r3l_agent.core.replay.buffer import PERTURBATION, RANDOM, Replay, Row, TASK


def row(sequence: int, *, policy: int = TASK, first: bool = False, last: bool = False) -> Row:
    vector = np.full(2, sequence, np.float32)
    image = np.full((8, 8, 3), sequence % 256, np.uint8)
    latent = np.full(3, sequence, np.float32)
    return Row(sequence, policy, first, last, image, vector, vector - 1, vector, latent)


def filled(lengths: list[int], capacity: int = 1000, path: Path | None = None) -> Replay:
    replay = Replay(path, capacity, 8, 3, 2)
    sequence = 0
    for episode, length in enumerate(lengths):
        policy = (RANDOM, TASK, PERTURBATION)[episode % 3]
        for step in range(length + 1):
            first, last = step == 0, step == length
            replay.append(row(sequence, policy=policy, first=first, last=last))
            sequence += 1
    return replay


def sampled(replay: Replay, size: int = 500) -> tuple[np.ndarray, np.ndarray]:
    slots = replay.sample(np.random.default_rng(0), size)
    sequence = replay.arrays['sequence'].astype(np.int64)
    return sequence[slots], sequence[replay.following(slots)]


def test_every_transition_can_be_drawn_and_nothing_else() -> None:
    before, after = sampled(filled([2, 3]))
    assert set(zip(before, after, strict=True)) == {(0, 1), (1, 2), (3, 4), (4, 5), (5, 6)}


@given(lengths=st.lists(st.integers(1, 7), min_size=1, max_size=12), capacity=st.integers(6, 40))
@settings(deadline=None, max_examples=60)
def test_no_sample_crosses_an_episode_or_the_wrap(lengths: list[int], capacity: int) -> None:
    replay = filled(lengths, capacity)
    if not replay.transitions():
        return
    slots = replay.sample(np.random.default_rng(0), 64)
    following, preceding = replay.following(slots), replay.preceding(slots)
    sequence = replay.arrays['sequence'].astype(np.int64)
    assert (sequence[following] == sequence[slots] + 1).all()
    assert not replay.arrays['last'][slots].any()
    assert not replay.arrays['first'][following].any()
    history = sequence[slots] - sequence[preceding]
    assert ((history == 1) | replay.arrays['first'][slots]).all()


def test_a_gap_in_the_sequence_breaks_the_chain() -> None:
    replay = Replay(None, 10, 8, 3, 2)
    for sequence in (0, 1, 3, 4):
        replay.append(row(sequence, first=sequence == 0))
    before, after = sampled(replay)
    assert set(zip(before, after, strict=True)) == {(0, 1), (3, 4)}


@given(st.data())
@settings(deadline=None, max_examples=60)
def test_a_transition_that_straddles_a_fault_is_never_sampled(data: st.DataObject) -> None:
    capacity = data.draw(st.integers(6, 40))
    replay = Replay(None, capacity, 8, 3, 2)
    cut: set[int] = set()
    lengths = data.draw(st.lists(st.integers(1, 7), min_size=1, max_size=8))
    sequence = 0
    for length in lengths:
        for step in range(length + 1):
            known = step > 0 and data.draw(st.booleans())
            replay.append(row(sequence, first=step == 0 or known, last=step == length))
            if known:
                cut.add(sequence)
            # A late notice, of a row that may have been overwritten or may be no second one.
            late = sequence - data.draw(st.integers(0, 10))
            if data.draw(st.booleans()) and late >= 0:
                replay.interrupt(late)
                cut.add(late)
            sequence += 1
    starts = set(np.cumsum([0, *(length + 1 for length in lengths)]).tolist())
    ends = {start - 1 for start in starts}
    oldest = max(0, sequence - capacity + (sequence > capacity))
    expected = {
        (s, s + 1) for s in range(oldest, sequence - 1) if s not in ends and s + 1 not in cut
    }
    assert replay.transitions() == len(expected)
    if expected:
        before, after = sampled(replay)
        assert set(zip(before, after, strict=True)) <= expected


def test_a_cut_survives_in_the_files_and_an_unknown_row_cuts_nothing(tmp_path: Path) -> None:
    written = filled([3, 4], path=tmp_path / 'replay')
    written.interrupt(6)
    written.interrupt(99)
    assert written.transitions() == 6
    found = Replay(tmp_path / 'replay', 1000, 8, 3, 2)
    before, after = sampled(found)
    pairs = {(0, 1), (1, 2), (2, 3), (4, 5), (6, 7), (7, 8)}
    assert set(zip(before, after, strict=True)) == pairs


def test_policies_can_be_sampled_apart() -> None:
    replay = filled([2, 2, 2])
    slots = replay.sample(np.random.default_rng(0), 100, (RANDOM, PERTURBATION))
    assert set(replay.arrays['policy'][slots]) == {RANDOM, PERTURBATION}
    assert replay.transitions((TASK,)) == 2


def test_rows_survive_in_their_files(tmp_path: Path) -> None:
    written = filled([3, 4], path=tmp_path / 'replay')
    found = Replay(tmp_path / 'replay', 1000, 8, 3, 2)
    assert len(found) == len(written)
    assert found.last_sequence == 8
    assert found.transitions() == 7
    assert np.array_equal(sampled(found)[0], sampled(written)[0])


def test_a_logit_is_computed_once_per_version() -> None:
    replay = filled([6])
    asked: list[int] = []

    def score(slots: np.ndarray) -> np.ndarray:
        asked.extend(slots)
        return slots.astype(np.float32) * 10

    slots = np.array([1, 2, 2, 3])
    assert replay.logits(slots, 1, score).tolist() == [10, 20, 20, 30]
    assert replay.logits(np.array([3, 4]), 1, score).tolist() == [30, 40]
    assert asked == [1, 2, 3, 4]
    replay.logits(np.array([3]), 2, score)
    assert asked[-1] == 3


def test_overwritten_rows_are_scored_again() -> None:
    replay = filled([4], capacity=5)
    score = lambda slots: replay.arrays['sequence'][slots].astype(np.float32)  # noqa: E731
    assert replay.logits(np.array([0]), 1, score).tolist() == [0]
    replay.append(row(5, first=True))
    assert replay.logits(np.array([0]), 1, score).tolist() == [5]


def test_latents_are_filled_in_later() -> None:
    replay = Replay(None, 10, 8, 3, 2)
    for sequence in range(4):
        replay.append(row(sequence, first=sequence == 0)._replace(latent=np.zeros(0, np.float32)))
    replay.encode(lambda images: images[:, 0, 0].astype(np.float32), chunk=3)
    assert replay.arrays['latent'][:4, 0].tolist() == [0, 1, 2, 3]
