# SPDX-License-Identifier: Apache-2.0
"""The camera back ends."""

import subprocess
import sys
import threading

import numpy as np
from numpy.typing import NDArray
import pytest
from r3l_sim.core import mjcf
from r3l_sim.core.backends import BackendError, candidates
from r3l_sim.core.scene import Scene

SIZE = 64


def image(backend: str, angle: float) -> NDArray[np.uint8]:
    """Draw the scene with one back end."""
    scene = Scene(image_size=SIZE, backend=backend)
    scene.reset(angle=angle)
    picture = scene.image()
    scene.close()
    return picture


@pytest.mark.parametrize('angle', [0.0, 1.0, -2.5])
def test_all_back_ends_of_this_machine_draw_the_same_picture(angle: float) -> None:
    reference = image('rays', angle).astype(float)
    assert reference.std() > 20  # it shows something
    for backend in candidates():
        difference = np.abs(image(backend, angle) - reference)
        # Edges fall on one pixel or its neighbour.
        assert difference.mean() < 6.0
        assert (difference.max(axis=2) > 60).mean() < 0.04


def test_rays_are_always_there() -> None:
    assert candidates()[-1] == 'rays'
    assert Scene(backend='rays').backend == 'rays'


def test_auto_takes_the_first_that_works() -> None:
    scene = Scene()
    assert scene.backend in candidates()
    assert scene.image().shape == (32, 32, 3)
    scene.close()


def test_an_unknown_back_end_is_named() -> None:
    with pytest.raises(BackendError, match="camera back end is 'vulkan': expected auto, egl"):
        Scene(backend='vulkan').image()


def test_cameras_that_take_turns_do_not_mix_their_pictures() -> None:
    # Each has an OpenGL context of its own, and only one of them is current at a time.
    one, two = Scene(image_size=32), Scene(image_size=48)
    one.reset(angle=0.0)
    two.reset(angle=2.0)
    expected = one.image(), two.image(), one.picture((40, 40), mjcf.WIDE_CAMERA)
    for _ in range(2):
        found = one.image(), two.image(), one.picture((40, 40), mjcf.WIDE_CAMERA)
        for a, b in zip(expected, found, strict=True):
            np.testing.assert_array_equal(a, b)
    one.close()
    np.testing.assert_array_equal(two.image(), expected[1])
    two.close()


def test_an_image_is_not_overwritten_by_the_next_one() -> None:
    scene = Scene()
    scene.reset(angle=0.0)
    first = scene.image()
    copy = first.copy()
    scene.set_object(angle=2.0)
    assert not np.array_equal(scene.image(), copy)
    np.testing.assert_array_equal(first, copy)


def test_a_camera_can_be_made_and_used_in_a_thread_of_its_own() -> None:
    main = Scene()
    expected = main.image()
    found = []

    def draw() -> None:
        scene = Scene()
        found.append(scene.image())
        scene.close()

    thread = threading.Thread(target=draw)
    thread.start()
    thread.join(30.0)
    np.testing.assert_array_equal(found[0], expected)
    np.testing.assert_array_equal(main.image(), expected)


def test_mujoco_imports_although_its_variable_names_a_missing_library() -> None:
    program = "import os; os.environ['MUJOCO_GL'] = 'glfw'; import r3l_sim.core.scene"
    subprocess.run([sys.executable, '-c', program], check=True, timeout=60)
