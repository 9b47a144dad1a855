# SPDX-License-Identifier: Apache-2.0
"""A world that is put back into a saved state senses the same from its first picture on."""

import numpy as np
import pytest
from r3l_node.core.weights import pack, unpack
from r3l_sim.core.config import SimConfig
from r3l_sim.core.world import SceneWorld


@pytest.mark.parametrize('task', ['valve', 'beads', 'object'])
@pytest.mark.parametrize('features', ['image', 'state'])
def test_a_restored_world_senses_what_it_would_have_sensed(task: str, features: str) -> None:
    config = SimConfig(task=task, backend='rays')
    world, other = (SceneWorld(config, features=features) for _ in range(2))
    rng = np.random.default_rng(0)
    world.reset(rng)
    for _ in range(6):
        world.step(rng.uniform(world.low, world.high))
    other.load_state(unpack(pack(world.save_state(), {}))[0])
    for _ in range(4):
        one, two = world.observe(), other.observe()
        if features == 'image':
            np.testing.assert_array_equal(one.image, two.image)
        np.testing.assert_array_equal(one.features, two.features)
        np.testing.assert_array_equal(one.joint_position, two.joint_position)
        target = rng.uniform(world.low, world.high)
        assert world.step(target) == other.step(target)
