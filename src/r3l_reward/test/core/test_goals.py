# SPDX-License-Identifier: Apache-2.0
"""Goal images: reading, converting, writing, and what is said about bad ones."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
import pytest
from r3l_reward.core.goals import from_folder, GoalError, load_goals, resize, save_goals


def photos(count: int, height: int, width: int) -> NDArray[np.uint8]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 255, (count, height, width, 3)).astype(np.uint8)


def test_saved_goals_are_loaded_unchanged_and_in_order(tmp_path: Path) -> None:
    images = photos(12, 32, 32)
    assert len(save_goals(tmp_path / 'goals', images)) == 12
    np.testing.assert_array_equal(load_goals(tmp_path / 'goals', 32), images)
    assert not list(tmp_path.glob('.*'))


def test_a_folder_in_use_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / 'note.txt').write_text('keep')
    with pytest.raises(GoalError, match='exists already: expected a new or an empty folder'):
        save_goals(tmp_path, photos(1, 32, 32))
    assert [p.name for p in tmp_path.iterdir()] == ['note.txt']


def test_resize_takes_the_area_mean_of_the_centre() -> None:
    image = np.zeros((64, 96, 3), np.uint8)
    image[:, 16:80] = np.tile(np.array([[0, 100], [100, 200]], np.uint8), (32, 32))[..., None]
    np.testing.assert_array_equal(resize(image, 32), np.full((32, 32, 3), 100, np.uint8))


def test_photos_of_a_folder_become_goal_images(tmp_path: Path) -> None:
    save_goals(tmp_path / 'photos', photos(9, 40, 60))
    assert from_folder(tmp_path / 'photos', tmp_path / 'goals', 32, count=5) == 5
    assert load_goals(tmp_path / 'goals', 32).shape == (5, 32, 32, 3)


def test_a_photo_that_is_too_small_is_named(tmp_path: Path) -> None:
    save_goals(tmp_path / 'photos', photos(1, 20, 60))
    with pytest.raises(GoalError, match=r'goal_000\.png is 60x20 pixels: expected at least 32x32'):
        from_folder(tmp_path / 'photos', tmp_path / 'goals', 32)
    assert not (tmp_path / 'goals').exists()


def test_a_missing_an_empty_and_a_short_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(GoalError, match='nowhere is no folder: expected a folder of goal images'):
        load_goals(tmp_path / 'nowhere', 32)
    with pytest.raises(GoalError, match='holds no images: expected'):
        load_goals(tmp_path, 32)
    save_goals(tmp_path / 'goals', photos(3, 32, 32))
    with pytest.raises(GoalError, match='holds 3 goal images: expected at least 10'):
        load_goals(tmp_path / 'goals', 32, 10)


def test_a_goal_of_the_wrong_size_is_named(tmp_path: Path) -> None:
    save_goals(tmp_path / 'goals', photos(2, 40, 48))
    with pytest.raises(GoalError, match=r'goal_000\.png is 48x40 pixels: expected 32x32'):
        load_goals(tmp_path / 'goals', 32)


@pytest.mark.parametrize('content', [b'', b'no image', b'\x89PNG\r\n\x1a\n0000IHDR'])
def test_an_unreadable_goal_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / 'bad.png').write_bytes(content)
    with pytest.raises(GoalError, match=r'bad\.png is no readable image'):
        load_goals(tmp_path, 32)


def test_other_image_modes_are_read_as_rgb(tmp_path: Path) -> None:
    Image.fromarray(photos(1, 32, 32)[0]).convert('L').save(tmp_path / 'a.png')
    Image.fromarray(photos(1, 32, 32)[0]).convert('RGBA').save(tmp_path / 'b.png')
    goals = load_goals(tmp_path, 32)
    np.testing.assert_array_equal(goals[1], photos(1, 32, 32)[0])
