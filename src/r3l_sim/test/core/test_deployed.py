# SPDX-License-Identifier: Apache-2.0
"""The deployed policy answers as the agent does."""

import numpy as np
from numpy.typing import NDArray
import pytest
from r3l_agent.core.observation import JointRange, ObservationSpec
from r3l_agent.core.policy import describe
from r3l_node.core.weights import WeightsError
from r3l_sim.core.deployed import DeployedPolicy
from r3l_sim.core.hand import HOME, JOINT_HIGH, JOINT_LOW

LATENT = 2
SPEC = ObservationSpec(latent_size=LATENT, joints=9, history=2)


class FakeEncoder:
    """The latent of an image is the value of its first pixels."""

    def encode(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], None]:
        """Return two numbers per image."""
        return images[:, 0, 0, :LATENT].astype(np.float32) / 100, None


def weights(rows: dict[int, int]) -> dict[str, NDArray[np.float32]]:
    """Return a linear policy: action[j] is tanh of the observation's entry rows[j]."""
    matrix = np.zeros((SPEC.size, 18), np.float32)
    for action, row in rows.items():
        matrix[row, action] = 1.0
    return {'deployed.weight0': matrix, 'deployed.bias0': np.zeros(18, np.float32)}


def policy(rows: dict[int, int]) -> DeployedPolicy:
    """Return a deployed policy with hand-made weights."""
    metadata = describe(SPEC, JointRange(JOINT_LOW, JOINT_HIGH))
    return DeployedPolicy(FakeEncoder(), weights(rows), metadata)


def image(*values: int) -> NDArray[np.uint8]:
    """Return one image with these first pixels."""
    picture = np.zeros((1, 4, 4, 3), np.uint8)
    picture[0, 0, 0, : len(values)] = values
    return picture


def test_latent_change_joints_and_last_action_are_those_of_the_loop() -> None:
    # Actions 0..3 show: latent 0, change of latent 0, joint 1, last action 0.
    act = policy({0: 0, 1: LATENT, 3: 2 * LATENT + 1, 6: 2 * LATENT + 9})
    high = np.array(JOINT_HIGH)

    def shown(target: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.arctanh(np.clip((target / high)[0, [0, 1, 3, 6]], -0.999999, 0.999999))

    first = shown(act(image(50), np.array([HOME]), True))
    np.testing.assert_allclose(first, [0.5, 0.0, -1.0, 0.0], atol=1e-5)
    second = shown(act(image(80), np.array([HOME]), False))
    np.testing.assert_allclose(second, [0.8, 0.3, -1.0, np.tanh(0.5)], atol=1e-5)
    again = shown(act(image(20), np.array([HOME]), True))
    np.testing.assert_allclose(again, [0.2, 0.0, -1.0, 0.0], atol=1e-5)


def test_weights_of_another_model_are_refused() -> None:
    with pytest.raises(WeightsError, match="weights are of model 'r3l_vae'"):
        DeployedPolicy(FakeEncoder(), weights({}), {'model': 'r3l_vae'})


def test_an_encoder_of_another_size_is_refused() -> None:
    act = policy({})

    class Larger(FakeEncoder):
        def encode(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], None]:
            return np.zeros((len(images), 5), np.float32), None

    act._encoder = Larger()
    with pytest.raises(WeightsError, match='expects 2 latents and 9 joints: the encoder gives 5'):
        act(image(), np.array([HOME]), True)
