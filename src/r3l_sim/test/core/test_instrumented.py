# SPDX-License-Identifier: Apache-2.0
"""The instrumented oracle sees the object's state."""

from collections.abc import Sequence
import math

import numpy as np
from numpy.typing import NDArray
import pytest
from r3l_agent.core.learner import Learner
from r3l_agent.core.learner_config import LearningConfig
from r3l_agent.core.observation import JointRange
from r3l_perception.core.standardiser import Standardiser
from r3l_sim.core.config import EvaluatorConfig
from r3l_sim.core.evaluator import Evaluator
from r3l_sim.core.hand import JOINT_HIGH, JOINT_LOW
from r3l_sim.core.instrumented import Looking, state_features
from r3l_sim.core.scene import Scene


@pytest.mark.parametrize(
    ('task', 'state', 'expected'),
    [
        ('valve', {'angle': 0.5 + 4 * math.pi}, [math.cos(0.5), math.sin(0.5)]),
        ('object', {'x': 0.01, 'y': -0.02, 'yaw': 1.0}, [0.01, -0.02, math.cos(1), math.sin(1)]),
    ],
)
def test_angles_are_seen_without_a_jump(
    task: str, state: dict[str, float], expected: list[float]
) -> None:
    scene = Scene(task, backend='rays')
    scene.reset(**state)
    np.testing.assert_allclose(state_features(scene), expected, atol=1e-6)


def test_its_policy_is_evaluated_as_any_other() -> None:
    looks: list[NDArray[np.float32]] = []

    def watch(scenes: Sequence[Scene]) -> None:
        looks.append(np.stack([state_features(scene) for scene in scenes]))

    encoder = Standardiser.fit(np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32))
    joints = JointRange(JOINT_LOW, JOINT_HIGH)
    learner = Learner(LearningConfig(capacity=100), joints, 2)
    evaluator = Evaluator(EvaluatorConfig(starts=2, backend='rays'))
    found = evaluator.evaluate(
        encoder.to_weights(), learner.policy_weights(), film=False, watch=watch
    )
    assert found.distances.shape == (2, 50)
    assert len(looks) == 51
    np.testing.assert_array_equal(
        looks[0], [state_features(_at(start['angle'])) for start in found.starts]
    )


def _at(angle: float) -> Scene:
    scene = Scene(backend='rays')
    scene.reset(angle=angle)
    return scene


def test_a_policy_gets_the_state_in_place_of_images() -> None:
    seen: list[NDArray[np.float32]] = []

    def policy(
        features: NDArray[np.float32], joint_position: NDArray[np.float64], first: bool
    ) -> NDArray[np.float64]:
        seen.append(features)
        return joint_position

    looking = Looking(policy)  # type: ignore[arg-type]
    scenes = [_at(0.3), _at(2.0)]
    looking.watch(scenes)
    looking(np.zeros((2, 32, 32, 3), np.uint8), np.zeros((2, 9)), True)
    np.testing.assert_array_equal(seen[0], [state_features(scene) for scene in scenes])
