# SPDX-License-Identifier: Apache-2.0
"""The speed figures."""

import pytest
from r3l_sim.core.portrait import portrait
from r3l_sim.core.speed import measure


def test_the_figures_name_back_ends_and_sizes() -> None:
    figures = measure(sizes=(16,), backends=('rays',), repeats=3)
    assert figures['physics_ms'] > 0  # type: ignore[operator]
    assert figures['render_ms'].keys() == {'rays'}  # type: ignore[attr-defined]
    assert figures['steps_per_second']['rays']['16'] > 0  # type: ignore[index]


@pytest.mark.parametrize('task', ['valve', 'beads', 'object'])
def test_the_picture_for_the_documentation_shows_hand_and_inset(task: str) -> None:
    picture = portrait(task)
    assert picture.shape == (480, 640, 3)
    assert (picture[8:172, 8] == 255).all()
    assert picture[200:, :].std() > 20
