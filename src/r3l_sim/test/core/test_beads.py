# SPDX-License-Identifier: Apache-2.0
"""Four beads on a rail."""

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest
from r3l_sim.core.hand import JOINT_HIGH, JOINT_LOW
from r3l_sim.core.scene import Scene
from r3l_sim.core.scenes.beads import BEADS as NAMES
from r3l_sim.core.scenes.beads import MIDDLE, STOP, TARGETS
from r3l_sim.core.tasks import State, TASKS
from r3l_sim.core.tasks.beads import arrangement, beads_near_goal, beads_random, DIAMETER

BEADS = TASKS['beads']
SLACK = 0.006  # that contacts and stops give under full torque [m]


def places(state: State) -> list[float]:
    """Return where the beads are, in the order of their names [m]."""
    return [state[name] for name in NAMES]


def at(*millimetres: float) -> dict[str, float]:
    """Return an object state [mm]."""
    return {name: 1e-3 * place for name, place in zip(NAMES, millimetres, strict=True)}


@pytest.mark.parametrize(
    ('state', 'distance', 'lenient', 'strict'),
    [
        (at(-100, -65, 65, 100), 0.0, True, True),
        (at(-110, -75, 75, 110), 0.010, True, False),
        (at(-100, -65, 65, 71), 0.00725, True, True),
        (at(-100, -65, 65, 39), 0.01525, False, False),
        (at(-52.5, -17.5, 17.5, 52.5), 0.0475, False, False),  # R3L's displacement
    ],
)
def test_the_measure_is_the_mean_distance_to_the_targets(
    state: State, distance: float, lenient: bool, strict: bool
) -> None:
    assert BEADS.distance(state) == pytest.approx(distance)
    assert BEADS.errors(state) == {'position': BEADS.distance(state)}
    assert BEADS.is_success(state) is lenient
    assert BEADS.is_success(state, strict=True) is strict


@given(st.lists(st.floats(0.0, 1.0), min_size=6, max_size=6))
def test_every_arrangement_fits_on_the_rail(shares: list[float]) -> None:
    found = np.array(places(arrangement(shares)))
    assert np.abs(found).max() <= STOP + 1e-9
    assert np.diff(found).min() >= DIAMETER - 1e-9


def test_arrangements_are_heaps_and_loose_beads_from_stop_to_stop() -> None:
    rng = np.random.default_rng(0)
    found = np.array([places(beads_random(rng)) for _ in range(500)])
    at_stop = (np.abs(found) > STOP - 1e-6).mean(axis=0)
    touching = np.diff(found, axis=1) < DIAMETER + 1e-6
    assert 0.2 < at_stop[0] < 0.5
    assert 0.2 < at_stop[3] < 0.5
    assert 0.05 < touching.mean() < 0.5
    left = (found < 0).sum(axis=1).tolist()
    assert min(left.count(beads) for beads in (1, 2, 3)) > 100


@pytest.mark.parametrize('starts', [BEADS.starts(64, 0), BEADS.starts(64, 3),
                                    BEADS.published_starts])  # fmt: skip
def test_starts_fit_on_the_rail_and_are_no_success(starts: list[State]) -> None:
    for state in starts:
        assert np.diff(places(state)).min() >= DIAMETER - 1e-9
        assert np.abs(places(state)).max() <= STOP + 1e-9
        assert not BEADS.is_success(state)


def test_starts_have_several_numbers_of_beads_on_a_side() -> None:
    left = [sum(place < 0 for place in places(state)) for state in BEADS.starts(64, 0)]
    assert min(left.count(beads) for beads in (1, 2, 3)) > 12
    left = [sum(place < 0 for place in places(state)) for state in BEADS.published_starts]
    assert sorted(left) == [0, 1, 2, 2, 2, 2, 3, 4]
    assert BEADS.starts(64, 0) == BEADS.starts(64, 0) != BEADS.starts(64, 1)


def test_goals_begin_all_over_the_success_set() -> None:
    rng = np.random.default_rng(0)
    states = [beads_near_goal(rng) for _ in range(300)]
    found = np.array([places(state) for state in states])
    distance = np.array([BEADS.distance(state) for state in states])
    assert np.diff(found).min() >= DIAMETER
    share, _ = np.histogram(distance, 4, (0.0, 0.016))
    assert share.min() > 20
    # Also where the beads are when they are pushed as far out as they go.
    assert found[:, 0].min() < -0.108
    assert found[:, 3].max() > 0.108


def test_the_scene_begins_in_the_layout_of_r3l_and_takes_positions_on_the_rail() -> None:
    scene = Scene('beads', backend='rays')
    assert places(scene.object_state()) == pytest.approx(MIDDLE)
    scene.reset(bead4=0.1)
    assert places(scene.object_state()) == pytest.approx((*MIDDLE[:3], 0.1))
    body = scene._data.body('bead4').xpos
    assert body[1] == pytest.approx(0.1)


def test_random_motion_moves_every_bead_within_the_stops_and_in_order() -> None:
    scene = Scene('beads', backend='rays')
    rng = np.random.default_rng(0)
    found = []
    for step in range(600):
        if step % 2 == 0:
            target = rng.uniform(JOINT_LOW, JOINT_HIGH)
        scene.step(target)
        found.append(places(scene.object_state()))
    track = np.array(found)
    assert np.abs(track).max() < STOP + SLACK
    assert np.diff(track, axis=1).min() > DIAMETER - 2 * SLACK
    assert (np.ptp(track, axis=0) > 0.05).all()


def test_all_beads_are_seen_past_the_hand_at_home() -> None:
    scene = Scene('beads', image_size=64, backend='rays')
    scene.reset(**dict(zip(NAMES, TARGETS, strict=True)))
    image = scene.image().astype(int)
    r, g, b = (image[..., k] for k in range(3))
    masks = (
        (r > 140) & (g < 70) & (b < 70),
        (b > 120) & (r < 70),
        (r > 140) & (g > 110) & (b < 60),
        (g > 90) & (r < 70) & (b < 80),
    )
    columns = [np.nonzero(mask)[1].mean() for mask in masks]
    assert all(mask.sum() >= 12 for mask in masks)
    assert columns == sorted(columns)  # bead 1 on the left
