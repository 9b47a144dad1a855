# SPDX-License-Identifier: Apache-2.0
"""Pictures of evaluations and goals."""

import io
from pathlib import Path

import numpy as np
from PIL import Image
import pytest
from r3l_sim.core.evaluation import evaluate, FILM_COLUMNS, hold_still
from r3l_sim.core.goals import generate_goals, generate_starts, write_goals
from r3l_sim.core.pictures import BAD, errors_text, film_strip, GOOD, HEADER, png
from r3l_sim.core.records import film_name, last_film, write_film
from r3l_sim.core.scene import Scene
from r3l_sim.core.tasks import State, TASKS


def test_a_film_strip_has_a_row_per_start_and_marks_success() -> None:
    scene = Scene(backend='rays')
    result = evaluate(scene, hold_still, [{'angle': 0.05}, {'angle': 2.0}], steps=10)
    strip = film_strip(result, scene.task)
    assert result.frames is not None
    assert result.frames.shape == (2, FILM_COLUMNS, 64, 64, 3)
    half = HEADER + (len(strip) - HEADER) // 2
    for rows, colour, other in ((strip[:half], GOOD, BAD), (strip[half:], BAD, GOOD)):
        assert (rows == colour).all(axis=2).sum() > 100
        assert (rows == other).all(axis=2).sum() == 0


def test_a_film_strip_without_frames_is_refused() -> None:
    scene = Scene(backend='rays')
    result = evaluate(scene, hold_still, [{'angle': 1.0}], steps=5, film=False)
    with pytest.raises(ValueError, match='kept no frames'):
        film_strip(result, scene.task)


def test_film_strips_are_found_again_by_env_steps(tmp_path: Path) -> None:
    scene = Scene(backend='rays')
    result = evaluate(scene, hold_still, [{'angle': 1.0}], steps=5)
    assert last_film(tmp_path) is None
    for steps in (25, 100_000, 9_000):
        write_film(tmp_path, film_name(steps), result, scene.task)
    assert last_film(tmp_path) == 100_000


def test_a_png_file_holds_the_pixels() -> None:
    image = np.random.default_rng(0).integers(0, 256, (7, 5, 3), dtype=np.uint8)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(png(image)))), image)


def test_goal_pictures_show_success_with_the_hand_in_many_poses(tmp_path: Path) -> None:
    scene = Scene(backend='rays')
    goals = generate_goals(scene, 12, seed=1)
    assert goals.shape == (12, 32, 32, 3)
    assert goals.dtype == np.uint8
    # Angle 0 is the red prong towards the camera: below the middle of every picture.
    red = (goals[..., 0] > 140) & (goals[..., 1] < 90) & (goals[..., 2] < 90)
    assert (red[:, 16:, 10:22].sum(axis=(1, 2)) >= 5).all()
    assert goals.astype(float).std(axis=0).mean() > 8.0
    assert write_goals(tmp_path, goals)[-1].name == 'goal_011.png'
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / 'goal_003.png')), goals[3])


@pytest.mark.parametrize('task', ['valve', 'beads', 'object'])
def test_every_goal_picture_is_taken_of_a_goal(task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(task, image_size=16, backend='rays')
    shown: list[State] = []
    monkeypatch.setattr(
        Scene, 'image', lambda self: shown.append(self.object_state()) or np.zeros((16, 16, 3))
    )
    generate_goals(scene, 30, seed=2)
    assert all(scene.task.is_goal(state) for state in shown)
    errors = [abs(list(scene.task.errors(state).values())[-1]) for state in shown]
    # They fill the goal set, not only its middle.
    assert np.ptp(errors) > 0.6 * list(scene.task.goal.values())[-1]


def test_errors_are_shown_in_degrees_and_millimetres() -> None:
    texts = {
        'valve': ({'angle': -0.5}, '-29°'),
        'beads': ({'position': 0.0123}, '12 mm'),
        'object': ({'position': 0.05, 'orientation': 1.5}, '50 mm +86°'),
    }
    for task, (errors, text) in texts.items():
        assert errors_text(errors, TASKS[task]) == text


@pytest.mark.parametrize('task', ['valve', 'beads', 'object'])
def test_pictures_of_starts_show_states_far_from_the_goal(
    task: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene, shown = Scene(task, image_size=16, backend='rays'), []
    picture = Scene.image

    def image(self: Scene) -> np.ndarray:
        shown.append(scene.task.distance(self.object_state()))
        return picture(self)

    monkeypatch.setattr(Scene, 'image', image)
    starts = generate_starts(scene, 6, seed=1)
    assert starts.shape == (6, 16, 16, 3)
    middle = np.median([scene.task.distance(state) for state in scene.task.starts(50, 0)])
    assert min(shown) > 0.8 * middle
    assert len({round(distance, 6) for distance in shown}) >= 3
    np.testing.assert_array_equal(generate_starts(scene, 6, seed=1), starts)


def test_goal_pictures_depend_on_the_seed_alone() -> None:
    scene = Scene(backend='rays', image_size=16)
    one, same, other = (generate_goals(scene, 3, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_no_goal_pictures_is_an_error() -> None:
    with pytest.raises(ValueError, match='count is 0'):
        generate_goals(Scene(backend='rays'), 0)
