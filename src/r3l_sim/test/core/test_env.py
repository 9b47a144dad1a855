# SPDX-License-Identifier: Apache-2.0
"""The Gymnasium environment."""

import math

import gymnasium
from gymnasium.utils.env_checker import check_env
import numpy as np
import pytest
from r3l_sim.core.env import DClawEnv


@pytest.mark.parametrize('task', ['Valve', 'Beads', 'Object'])
def test_the_environments_pass_the_check_of_gymnasium(
    task: str, recwarn: pytest.WarningsRecorder
) -> None:
    env = gymnasium.make(f'r3l/DClaw{task}-v0', render_mode='rgb_array')
    check_env(env.unwrapped)
    env.close()
    messages = [str(warning.message) for warning in recwarn if warning.category is UserWarning]
    assert messages == []


def test_the_info_tells_distance_success_and_state() -> None:
    env = DClawEnv(task='object', backend='rays')
    _, info = env.reset(seed=0, options={'x': 0.03, 'y': 0.0, 'yaw': 0.0})
    assert info == {
        'distance': pytest.approx(0.03 / 0.035),
        'is_success': True,
        'x': 0.03,
        'y': 0.0,
        'yaw': 0.0,
    }


def test_the_reward_is_that_of_the_task() -> None:
    env = DClawEnv(backend='rays')
    _, info = env.reset(seed=0, options={'angle': 2 * math.pi - 0.1})
    assert info['distance'] == pytest.approx(0.1)
    assert info['is_success']
    home = np.zeros(9, np.float32)
    home[[1, 4, 7]] = -1.0
    home[[2, 5, 8]] = 2 / 3
    _, reward, terminated, truncated, info = env.step(home)
    assert reward == pytest.approx(math.exp(-((0.1 / 0.26 / 1.5) ** 2)), abs=1e-6)
    assert not terminated
    assert not truncated


def test_an_episode_is_truncated_after_ten_seconds() -> None:
    env = gymnasium.make('r3l/DClawValve-v0', backend='rays')
    env.reset(seed=0)
    ends = [env.step(np.zeros(9, np.float32))[3] for _ in range(50)]
    assert ends == [False] * 49 + [True]
