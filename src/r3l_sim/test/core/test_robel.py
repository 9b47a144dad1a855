# SPDX-License-Identifier: Apache-2.0
"""The D'Claw's meshes as a skin; small meshes of our own stand for those of the package."""

from pathlib import Path
import struct
from zipfile import ZipFile

import numpy as np
import pytest
from r3l_sim.core.config import SimConfig
from r3l_sim.core.hand import JOINT_HIGH, JOINT_LOW
from r3l_sim.core.robel import FOLDER, load_meshes, MESHES, RobelError, VARIABLE
from r3l_sim.core.scene import Scene

FILES = [(file, scale) for file, scale, _ in MESHES.values()]


def _tetrahedron(side: float) -> bytes:
    """Return a binary STL file."""
    corners = side * np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
    faces = b''.join(
        struct.pack('<3f', 0, 0, 0) + corners[list(face)].tobytes() + b'\0\0'
        for face in ((0, 2, 1), (0, 1, 3), (0, 3, 2), (1, 2, 3))
    )
    return bytes(80) + struct.pack('<I', 4) + faces


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a wheel with meshes of 2 cm, which the variable names."""
    path = tmp_path / 'robel-0.1.2-py3-none-any.whl'
    with ZipFile(path, 'w') as archive:
        for file, scale in FILES:
            archive.writestr(f'{FOLDER}/{file}', _tetrahedron(0.02 / scale))
    monkeypatch.setenv(VARIABLE, str(path))
    return path


@pytest.mark.parametrize('task', ['valve', 'object'])
def test_a_hand_in_its_skin_moves_exactly_as_before(wheel: Path, task: str) -> None:
    scenes = [Scene(task, backend='rays'), Scene(task, backend='rays', hand_model='robel')]
    rng = np.random.default_rng(0)
    for _ in range(20):
        target = rng.uniform(JOINT_LOW, JOINT_HIGH)
        for scene in scenes:
            scene.step(target)
    plain, skinned = (scene.save_state() for scene in scenes)
    assert all(np.array_equal(plain[name], skinned[name]) for name in plain)
    assert not np.array_equal(scenes[0].image(), scenes[1].image())


def test_parameters_choose_the_skin(wheel: Path) -> None:
    skinned = Scene.from_config(SimConfig(hand_model='robel', backend='rays'))
    plain = Scene.from_config(SimConfig(backend='rays'))
    assert not np.array_equal(skinned.image(), plain.image())


def test_meshes_come_from_a_wheel_or_from_a_folder(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = load_meshes()
    assert set(found) == {file for file, _ in FILES}
    with ZipFile(wheel) as archive:
        archive.extractall(tmp_path / 'unpacked')
    for folder in (tmp_path / 'unpacked', tmp_path / 'unpacked' / FOLDER):
        monkeypatch.setenv(VARIABLE, str(folder))
        assert load_meshes() == found


def test_without_the_package_a_sentence_says_where_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for given in ('nowhere.whl', str(tmp_path)):
        monkeypatch.setenv(VARIABLE, given)
        with pytest.raises(RobelError, match=r"hand_model is 'robel' .* requirements/robel\.txt"):
            load_meshes()


def test_without_a_variable_the_installed_package_is_asked(
    wheel: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    expected = load_meshes()
    monkeypatch.delenv(VARIABLE)
    site = tmp_path / 'site'
    with ZipFile(wheel) as archive:
        archive.extractall(site)
    (site / 'robel-0.1.2.dist-info').mkdir()
    (site / 'robel-0.1.2.dist-info' / 'METADATA').write_text('Name: robel\nVersion: 0.1.2\n')
    monkeypatch.syspath_prepend(site)
    assert load_meshes() == expected
