# SPDX-License-Identifier: Apache-2.0
"""The store of negatives: order, warm-up, wrap-around and restart."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
import pytest
from r3l_reward.core.negatives import Negatives


def store(folder: Path | None, kind: str = 'latent', capacity: int = 100) -> Negatives:
    return Negatives(
        folder, kind=kind, image_size=32, latent_size=2, capacity=capacity, warmup_capacity=6
    )


def image(number: int) -> NDArray[np.uint8]:
    return np.full((32, 32, 3), number, np.uint8)


def encode(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    return images[:, 0, 0, :2].astype(np.float32)


def values(negatives: Negatives, end: int, include_random: bool = True) -> list[float]:
    rows = negatives.rows(negatives.candidates(end, include_random))
    return rows.reshape(len(rows), -1)[:, 0].tolist()


def test_warm_up_images_become_latents_in_order() -> None:
    negatives = store(None)
    for number in range(4):
        negatives.add(image(number), policy=1, sequence=10 + number)
    assert not negatives.ready
    assert (negatives.count, negatives.last_sequence) == (4, 13)
    negatives.set_encoder(encode)
    negatives.add(np.array([9.0, 9.0], np.float32), policy=2, sequence=14)
    assert (negatives.count, negatives.last_sequence) == (5, 14)
    assert values(negatives, 100) == [0.0, 1.0, 2.0, 3.0, 9.0]


def test_steps_that_fell_out_of_the_warm_up_keep_the_numbering() -> None:
    negatives = store(None)
    for number in range(8):
        negatives.add(image(number), policy=1, sequence=number)
    negatives.set_encoder(encode)
    assert negatives.count == 8
    assert values(negatives, 8) == [2.0, 2.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]


def test_candidates_end_before_the_given_step_and_may_leave_out_random_motion() -> None:
    negatives = store(None, 'pixels')
    for number, policy in enumerate([1, 1, 2, 3, 2]):
        negatives.add(image(number), policy=policy, sequence=number)
    assert negatives.ready
    assert values(negatives, 4) == [0.0, 1.0, 2.0, 3.0]
    assert values(negatives, 4, include_random=False) == [2.0, 3.0]
    assert values(negatives, 2, include_random=False) == [0.0, 1.0]


def test_the_oldest_steps_are_overwritten() -> None:
    negatives = store(None, 'pixels', capacity=3)
    for number in range(5):
        negatives.add(image(number), policy=2, sequence=number)
    assert values(negatives, 5) == [2.0, 3.0, 4.0]
    assert values(negatives, 4) == [2.0, 3.0]


@pytest.mark.parametrize('encoded', [False, True])
def test_a_restarted_store_continues(tmp_path: Path, encoded: bool) -> None:
    negatives = store(tmp_path)
    for number in range(3):
        negatives.add(image(number), policy=1, sequence=number)
    if encoded:
        negatives.set_encoder(encode)
        negatives.add(np.array([3.0, 3.0], np.float32), policy=2, sequence=3)
    again = store(tmp_path)
    assert (again.count, again.last_sequence) == (3 + encoded, 2 + encoded)
    assert again.ready == encoded
    if encoded:
        again.add(np.array([4.0, 4.0], np.float32), policy=2, sequence=4)
    again.set_encoder(encode)
    assert values(again, 10) == [0.0, 1.0, 2.0, 3.0, 4.0][: 3 + 2 * encoded]


def test_steps_before_the_encoder_are_counted(tmp_path: Path) -> None:
    negatives = store(tmp_path)
    for number in range(5):
        negatives.add(image(number), policy=1, sequence=number, encoder_version=number // 3)
    assert negatives.before_encoder == 3
    assert store(tmp_path).before_encoder == 3
    assert store(None, 'pixels').before_encoder == 0
