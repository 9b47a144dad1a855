# SPDX-License-Identifier: Apache-2.0
"""Observations are joined by stamp; what stays incomplete is counted."""

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st
import pytest
from r3l_agent.core.join import Joined, ObservationJoiner

PARTS = ('joints', 'image', 'latent')


def add(joiner: ObservationJoiner[str, str, str], part: str, stamp: int) -> Joined | None:
    return getattr(joiner, f'add_{part}')(stamp, f'{part}{stamp}')


@pytest.mark.parametrize('tolerance', [None, 0])
@pytest.mark.parametrize('order', list(permutations(PARTS)))
def test_an_observation_is_complete_in_any_order(
    order: tuple[str, ...], tolerance: int | None
) -> None:
    joiner = ObservationJoiner(tolerance)
    results = [add(joiner, part, 5) for part in order]
    assert results[:2] == [None, None]
    assert results[2] == Joined(5, 'joints5', 'image5', 'latent5')


def test_parts_of_different_stamps_are_not_joined() -> None:
    joiner = ObservationJoiner(None)
    assert add(joiner, 'joints', 1) is None
    assert add(joiner, 'image', 2) is None
    assert add(joiner, 'latent', 2) is None


def test_the_nearest_joint_state_within_the_tolerance_is_taken() -> None:
    joiner = ObservationJoiner(10)
    for stamp in (80, 95, 130):
        add(joiner, 'joints', stamp)
    add(joiner, 'image', 100)
    assert add(joiner, 'latent', 100).joints == 'joints95'
    add(joiner, 'image', 115)
    assert add(joiner, 'latent', 115) is None
    assert add(joiner, 'joints', 120).joints == 'joints120'


def test_what_never_becomes_complete_is_counted() -> None:
    joiner = ObservationJoiner(None)
    for stamp in range(20):
        add(joiner, 'image', stamp)
    assert joiner.incomplete == 12


def test_the_rest_of_a_repetition_is_not_counted() -> None:
    joiner = ObservationJoiner(None)
    for stamp in range(50):
        for part in ('joints', 'image', 'image', 'latent', 'image'):
            add(joiner, part, stamp)
    assert joiner.incomplete == 0


@given(st.lists(st.tuples(st.sampled_from(PARTS), st.integers(0, 30)), max_size=300))
def test_every_joined_observation_has_one_stamp_and_memory_is_bounded(
    events: list[tuple[str, int]],
) -> None:
    joiner = ObservationJoiner(None)
    for part, stamp in events:
        joined = add(joiner, part, stamp)
        if joined is not None:
            assert joined == Joined(stamp, f'joints{stamp}', f'image{stamp}', f'latent{stamp}')
    assert max(len(p) for p in (joiner._images, joiner._latents, joiner._exact)) <= 9
