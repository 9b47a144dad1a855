# SPDX-License-Identifier: Apache-2.0
"""Observation layout, joint range and the numpy policy that robots run."""

import numpy as np
import pytest
from r3l_agent.core.learner import Learner
from r3l_agent.core.learner_config import LearningConfig
from r3l_agent.core.observation import JointRange, ObservationSpec
from r3l_agent.core.policy import Policy
import torch

JOINTS = JointRange((-1.0, -2.0), (1.0, 4.0))


def learner(**settings: object) -> Learner:
    config = LearningConfig(**{'capacity': 100, 'image_size': 16, 'hidden': (8, 8), **settings})
    return Learner(config, JOINTS, latent_size=3)


def test_joint_range_maps_limits_to_minus_one_and_one() -> None:
    assert JOINTS.normalise([[-1.0, -2.0], [1.0, 4.0]]).tolist() == [[-1, -1], [1, 1]]
    assert JOINTS.target([0.0, 0.5]).tolist() == [0.0, 2.5]
    assert JOINTS.target([7.0, -7.0]).tolist() == [1.0, -2.0]


def test_an_empty_joint_range_is_refused() -> None:
    with pytest.raises(ValueError, match=r'joint 1: limits 2\.0 to 2\.0 rad'):
        JointRange((0.0, 2.0), (1.0, 2.0))


def test_an_observation_with_history_carries_the_change_of_the_latent() -> None:
    spec = ObservationSpec(latent_size=2, joints=1, history=2)
    arrays = [np.array(x, np.float32) for x in ([3.0, 5.0], [1.0, 6.0], [0.1], [0.2])]
    assert spec.assemble(*arrays).tolist() == pytest.approx([3, 5, 2, -1, 0.1, 0.2])
    assert spec.size == 6
    assert ObservationSpec(2, 1, 1).assemble(*arrays).tolist() == pytest.approx([3, 5, 0.1, 0.2])


def test_the_numpy_policy_equals_the_network_it_came_from() -> None:
    ours = learner()
    policy = Policy.from_weights(*ours.policy_weights(), 'task')
    observation = np.random.default_rng(0).normal(size=(5, 10)).astype(np.float32)
    output = ours.task.actor.forward(
        ours.task.actor.layers(ours.task.actor_flat), torch.from_numpy(observation)
    )[0]
    assert np.allclose(policy.act(observation), output[:, :2].tanh().numpy(), atol=1e-6)
    assert np.allclose(policy.act(observation[0]), policy.act(observation)[0], atol=1e-6)


def test_action_noise_has_the_deviation_of_the_network() -> None:
    policy = Policy.from_weights(*learner().policy_weights(), 'task')
    observation = np.zeros((20_000, 10), np.float32)
    noisy = np.arctanh(policy.act(observation, np.random.default_rng(0)).astype(np.float64))
    h = observation[0]
    for weight, bias in policy.layers[:-1]:
        h = np.maximum(h @ weight + bias, 0)
    log_std = (h @ policy.layers[-1][0] + policy.layers[-1][1])[2:]
    assert noisy.std(axis=0) == pytest.approx(np.exp(log_std), rel=0.03)


def test_weights_of_another_model_or_shape_are_refused() -> None:
    tensors, metadata = learner().policy_weights()
    with pytest.raises(ValueError, match="model 'r3l_vae'"):
        Policy.from_weights(tensors, {**metadata, 'model': 'r3l_vae'})
    with pytest.raises(ValueError, match="layer 0 of 'deployed'"):
        Policy.from_weights({**tensors, 'deployed.weight0': np.ones((3, 8), np.float32)}, metadata)
    with pytest.raises(ValueError, match="policy 'tsak'"):
        Policy.from_weights(tensors, metadata, 'tsak')
