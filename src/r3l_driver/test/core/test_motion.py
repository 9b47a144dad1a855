# SPDX-License-Identifier: Apache-2.0
"""Goals stay inside the limits, whatever is commanded and whatever the joints do."""

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from r3l_driver.core.config import DriverConfig
from r3l_driver.core.motion import Motion

CONFIG = DriverConfig()
LOW, HIGH = np.array(CONFIG.position_low), np.array(CONFIG.position_high)
STEP = CONFIG.velocity_limit * CONFIG.cycle
EVERY = np.ones(9, np.bool_)

angles = st.lists(st.floats(-4.0, 4.0) | st.just(float('nan')), min_size=9, max_size=9).map(
    np.array
)
actions = st.lists(
    st.tuples(st.sampled_from(['follow', 'hold', 'seed']), angles, angles), max_size=40
)


@settings(max_examples=40, deadline=None)
@given(actions)
def test_goals_stay_inside_position_and_velocity_limits(steps):
    motion = Motion(CONFIG)
    for kind, target, measured in steps:
        before = motion.goal
        if kind == 'follow':
            motion.follow(np.clip(np.nan_to_num(target), LOW, HIGH), measured)
        elif kind == 'hold':
            motion.hold(measured)
        else:
            motion.seed(np.nan_to_num(measured), EVERY)
        assert np.isfinite(motion.goal).all()
        assert (motion.goal >= LOW).all()
        assert (motion.goal <= HIGH).all()
        if kind != 'seed':
            assert (np.abs(motion.goal - before) <= STEP + 1e-12).all()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-0.48, 0.48), min_size=1, max_size=6), st.integers(1, 12))
def test_goals_obey_the_acceleration_limit_and_arrive(targets, cycles):
    motion = Motion(CONFIG)
    motion.seed(np.zeros(9), EVERY)
    change = CONFIG.acceleration_limit * CONFIG.cycle
    velocity = np.zeros(9)
    for target in targets:
        for _ in range(cycles):
            before = motion.goal
            motion.follow(np.full(9, target), before)
            now = (motion.goal - before) / CONFIG.cycle
            inside = (motion.goal > LOW) & (motion.goal < HIGH)
            assert (np.abs(now - velocity)[inside] <= change + 1e-6).all()
            velocity = now
    for _ in range(40):
        motion.follow(np.full(9, targets[-1]), motion.goal)
    assert motion.goal == pytest.approx(targets[-1], abs=1e-9)


def test_a_blocked_joint_is_led_by_no_more_than_the_leash():
    motion = Motion(CONFIG)
    stuck = np.zeros(9)
    motion.seed(stuck, EVERY)
    for _ in range(100):
        motion.follow(HIGH, stuck)
    assert (np.abs(motion.goal) <= CONFIG.leash + 1e-12).all()
    assert motion.goal[2] == pytest.approx(CONFIG.leash)


def test_hold_stays_where_the_joints_were_at_its_beginning():
    motion = Motion(CONFIG)
    motion.seed(np.zeros(9), EVERY)
    for _ in range(10):
        motion.follow(HIGH, motion.goal)
    measured = motion.goal - 0.05
    for k in range(20):
        motion.hold(measured - 0.001 * k)  # what sags is not followed
    assert motion.goal == pytest.approx(np.clip(measured, LOW, HIGH))


def test_a_joint_outside_is_led_back_to_its_limit():
    motion = Motion(CONFIG)
    motion.seed(np.full(9, 3.0), EVERY)
    assert np.array_equal(motion.goal, HIGH)


def test_one_joint_is_seeded_while_the_others_hold():
    motion = Motion(CONFIG)
    motion.seed(np.zeros(9), EVERY)
    motion.hold(np.zeros(9))
    motion.seed(np.full(9, 0.3), np.arange(9) == 4)
    motion.hold(np.zeros(9))
    assert motion.goal[4] == pytest.approx(0.3)
    assert np.count_nonzero(motion.goal) == 1


def test_a_short_way_is_spread_evenly_over_the_time_that_is_left():
    motion = Motion(CONFIG)
    start = motion.goal.copy()
    target = start + 0.2
    steps = []
    for cycle in range(10):
        before = motion.goal.copy()
        motion.follow(target, motion.goal, 0.2 - 0.02 * cycle)
        steps.append((motion.goal - before)[0])
    assert motion.goal[0] == pytest.approx(start[0] + 0.2, abs=0.02)
    assert max(steps) < 0.03  # 0.02 rad per cycle are even; at full speed they were 0.08
