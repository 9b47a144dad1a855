# SPDX-License-Identifier: Apache-2.0
"""Video of an evaluation."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
import pytest
from r3l_sim.core.evaluation import evaluate, EvaluationStoppedError, hold_still
from r3l_sim.core.scene import Scene
from r3l_sim.core.video import AFTERMATH, check_video, Video, VideoError

# The first is a success while nothing moves, the second is none.
STARTS = ({'angle': 0.05}, {'angle': 2.0})
STEPS = 5  # a second


def _film(path: Path) -> None:
    scene = Scene(backend='rays')
    video = Video(path, scene.task, scene.period, 'valve, hold policy')
    result = evaluate(scene, hold_still, STARTS, steps=STEPS, film=False, watch=video.watch)
    assert not path.exists()
    video.finish(result)
    video.discard()


def _frames(path: Path) -> list[NDArray[np.uint8]]:
    if path.suffix == '.gif':
        with Image.open(path) as picture:
            frames = []
            for index in range(getattr(picture, 'n_frames', 1)):
                picture.seek(index)
                frames.append(np.asarray(picture.convert('RGB')))
            return frames
    capture = cv2.VideoCapture(str(path))
    frames = []
    while (found := capture.read())[0]:
        frames.append(np.asarray(found[1], np.uint8)[..., ::-1])
    capture.release()
    return frames


@pytest.mark.parametrize('name', ['film.mp4', 'film.gif'])
def test_a_video_shows_every_start_from_beginning_to_end(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    _film(path)
    frames = _frames(path)
    # A GIF says how long a frame that does not change stays, instead of repeating it.
    end = 1 if name.endswith('.gif') else round(AFTERMATH * 5)
    assert len(frames) == STEPS + 1 + end
    left, right = np.split(frames[0].astype(int), 2, axis=1)
    bars = [half[148:158, 100:124].mean(axis=(0, 1)) for half in (left, right)]
    assert bars[0][1] > bars[0][0] + 40, 'the bar of a success is green'
    assert bars[1][0] > bars[1][1] + 40, 'that of a failure is red'
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_an_evaluation_that_stopped_leaves_no_file(tmp_path: Path) -> None:
    scene = Scene(backend='rays')
    video = Video(tmp_path / 'film.mp4', scene.task, scene.period, 'title')
    with pytest.raises(EvaluationStoppedError):
        evaluate(scene, hold_still, STARTS, steps=5, stop=lambda: True, watch=video.watch)
    video.discard()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ('name', 'expected'),
    [('film.avi', r'\.mp4 or \.gif'), ('none/film.gif', 'a file in a folder that exists')],
)
def test_a_file_that_cannot_be_is_refused(tmp_path: Path, name: str, expected: str) -> None:
    with pytest.raises(VideoError, match=expected):
        check_video(tmp_path / name)
