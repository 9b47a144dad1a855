# SPDX-License-Identifier: Apache-2.0
"""Policies that see pixels: convolutions trained by the critics, the same ones in numpy."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from r3l_agent.core.learner import Learner
from r3l_agent.core.learner_config import LearningConfig
from r3l_agent.core.observation import JointRange
from r3l_agent.core.policy import Policy
from r3l_agent.core.replay.buffer import PERTURBATION, RANDOM, Row, TASK
from r3l_agent.core.sac.learner import Batch, SacConfig
from r3l_agent.core.sac.pixels import PixelSac
from r3l_agent.core.sac.trunk import Trunk
from r3l_node.core.errors import ConfigError
from r3l_perception.core.encoders import encoder_from_weights
from r3l_perception.core.pixels import pixel_latents, PixelEncoder
from r3l_reward.core.vice import ViceConfig, ViceTrainer
import torch

SIDE = 16
PIXELS = 3 * SIDE**2
JOINTS = JointRange((-1.0,) * 2, (1.0,) * 2)
CONFIG = LearningConfig(
    capacity=200, image_size=SIDE, history=1, trunk=(4, 6), trunk_features=5, hidden=(16,),
    batch=8, rnd_input='pixels', rnd_output=8,
)  # fmt: skip
VICE = ViceConfig(input='pixels', channels=(4,), hidden=(8,))
SAC = SacConfig(
    observations=PIXELS + 3, actions=2, hidden=(16,), critics=2, critic_subset=2, layer_norm=True,
    discount=0.9, learning_rate=3e-3, target_rate=0.05, target_entropy=-2.0,
    initial_temperature=0.01,
)  # fmt: skip


def images(count: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(0, 256, (count, SIDE, SIDE, 3), dtype=np.uint8)


def rows(count: int = 60, length: int = 9) -> list[Row]:
    rng = np.random.default_rng(0)
    found = []
    for index, image in enumerate(images(count)):
        episode, step = divmod(index, length + 1)
        action = rng.uniform(-1, 1, 2).astype(np.float32)
        policy = (RANDOM, TASK, PERTURBATION)[episode % 3]
        # As the agent sends them: with the latent that the encoder made of them.
        latent = pixel_latents(image[None])[0]
        ends = (step == 0, step == length)
        found.append(Row(index, policy, *ends, image, action, action, action, latent))
    return found


def learner(folder: Path | None = None, **changes: Any) -> Learner:
    made = Learner(replace(CONFIG, **changes), JOINTS, PIXELS, seed=3, folder=folder)
    if not len(made.replay):
        for row in rows():
            made.add(row)
    made.set_encoder(*PixelEncoder(SIDE).to_weights())
    made.set_reward(*ViceTrainer(VICE, images(20), 0).weights(), version=1)
    return made


def test_the_encoder_of_pixels_forgets_nothing() -> None:
    encoder = encoder_from_weights(*PixelEncoder(SIDE).to_weights())
    assert isinstance(encoder, PixelEncoder)
    latents = encoder.encode(images(3))[0]
    assert latents.shape == (3, encoder.latent_size) == (3, PIXELS)
    assert -0.5 <= float(latents.min()) < float(latents.max()) <= 0.5
    assert (encoder.decode(latents) == images(3)).all()
    with pytest.raises(ValueError, match=r'expected \(batch, 16, 16, 3\)'):
        encoder.encode(np.zeros((1, 8, 8, 3), np.uint8))


def test_latents_are_computed_from_images_and_not_stored(tmp_path: Path) -> None:
    made = learner(tmp_path)
    assert 'latent' not in made.replay.arrays
    seen = made.memory.observation(np.arange(4))
    assert (seen[:, :PIXELS] == pixel_latents(made.replay.arrays['image'][:4])).all()
    assert seen.shape[1] == made.spec.size


@pytest.mark.parametrize('side', [8, 15, 16])
def test_the_policy_in_numpy_does_what_the_networks_do(side: int) -> None:
    trunk = Trunk(side, (4, 6, 5), 7)
    sac = PixelSac(replace(SAC, observations=trunk.pixels + 4), trunk, seed=1)
    with torch.no_grad():
        sac.trunk_flat.add_(0.1 * torch.randn(sac.trunk_flat.shape))
    spec = {'observation': {'latent_size': trunk.pixels, 'joints': 2, 'history': 1}}
    metadata = {'model': 'r3l_policy', 'policy': _json(spec | {'low': [-1, -1], 'high': [1, 1]})}
    arrays = sac.policy_arrays(sac.policy_flat)
    policy = Policy.from_weights({f'task.{n}': v for n, v in arrays.items()}, metadata, 'task')
    seen = torch.rand(5, trunk.pixels + 4) - 0.5
    output = sac.actor.forward(sac._actor_layers, sac._embed(sac.trunk_flat, seen))[0]
    expected = output.chunk(2, dim=-1)[0].tanh().detach().numpy()
    assert np.allclose(policy.act(seen.numpy()), expected, atol=1e-5)
    assert np.allclose(policy.act(seen[0].numpy()), expected[0], atol=1e-5)


def _json(value: object) -> str:
    import json

    return json.dumps(value)


def test_the_trunk_follows_the_gradient_of_the_critics_loss() -> None:
    trunk = Trunk(SIDE, (4,), 5)
    sac = PixelSac(SAC, trunk, seed=1)
    generator = torch.Generator().manual_seed(0)
    batch = Batch(
        torch.rand(6, PIXELS + 3, generator=generator) - 0.5,
        torch.rand(6, 2, generator=generator) * 2 - 1,
        torch.rand(6, generator=generator),
        torch.rand(6, PIXELS + 3, generator=generator) - 0.5,
        torch.ones(6),  # terminal: the target is the reward
    )
    leaf = sac.trunk_flat.clone().requires_grad_()
    seen = torch.cat([sac._embed(leaf, batch.observation), batch.action], dim=-1)
    q = sac.critic.forward(sac._critic_layers, seen).squeeze(-1)
    (0.5 * (q - batch.reward).square().mean(dim=-1).sum()).backward()
    captured = []
    sac._trunk_adam.step = captured.append  # type: ignore[method-assign]
    sac.update(batch)
    assert torch.allclose(captured[0], leaf.grad, atol=1e-6)


def test_it_learns_what_only_pixels_tell() -> None:
    # One step; the reward is the action's first component, with the sign of the picture's side.
    sac = PixelSac(SAC, Trunk(SIDE, (4, 4), 5), seed=0)
    generator = torch.Generator().manual_seed(0)

    def batch(count: int) -> Batch:
        left = torch.rand(count, generator=generator) < 0.5
        pixels = torch.zeros(count, SIDE, SIDE, 3)
        pixels[left, :, :8, 0], pixels[~left, :, 8:, 0] = 0.5, 0.5
        seen = torch.cat([pixels.flatten(1), torch.zeros(count, 3)], dim=1)
        action = torch.rand(count, 2, generator=generator) * 2 - 1
        reward = action[:, 0] * torch.where(left, 1.0, -1.0)
        return Batch(seen, action, reward, seen, torch.ones(count))

    for _ in range(250):
        sac.update(batch(32))
    test = batch(32)
    chosen = sac.actor.forward(sac._actor_layers, sac._embed(sac.trunk_flat, test.observation))[0]
    chosen = chosen.chunk(2, dim=-1)[0].tanh()[:, 0]
    wanted = torch.sign(test.reward * test.action[:, 0])
    assert (torch.sign(chosen) == wanted).all()


def test_a_loaded_learner_continues_bit_for_bit(tmp_path: Path) -> None:
    original = learner(tmp_path, task_novelty=0.1)
    for _ in range(2):
        original.update()
    resumed = learner(tmp_path, task_novelty=0.1)
    resumed.load(*original.state())
    for made in (original, resumed):
        made.update()
    first, second = original.policy_weights()[0], resumed.policy_weights()[0]
    assert first.keys() == second.keys()
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert any(name.startswith('deployed.trunk.') for name in first)
    assert resumed.metrics().items() <= original.metrics().items()


def test_the_deployed_trunk_is_averaged_with_its_actor() -> None:
    made = learner(actor_average=0.25)
    before = made.task.policy_flat
    made.update()
    assert torch.allclose(made._deployed, torch.lerp(before, made.task.policy_flat, 0.25))
    assert len(made._deployed) == len(made.task.trunk_flat) + len(made.task.actor_flat)


@pytest.mark.parametrize(
    ('latent_size', 'history', 'sentence'),
    [
        (16, 1, r'learner.latent_size is 16: expected 768 with learner.trunk'),
        (PIXELS, 2, r'learner.history is 2: expected 1 with learner.trunk'),
    ],
)
def test_convolutions_need_one_image(latent_size: int, history: int, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        Learner(replace(CONFIG, history=history), JOINTS, latent_size)


def test_weights_of_a_trunk_that_do_not_fit_are_refused() -> None:
    tensors, metadata = learner().policy_weights()
    Policy.from_weights(tensors, metadata)
    for name, match in (('weight1', 'convolution 1'), ('dense', 'does not end as expected')):
        broken = {k: v for k, v in tensors.items() if k != f'deployed.trunk.{name}'}
        broken['deployed.trunk.weight1'] = broken.get('deployed.trunk.weight1', np.zeros((1, 1)))
        with pytest.raises(ValueError, match=match):
            Policy.from_weights(broken, metadata)
