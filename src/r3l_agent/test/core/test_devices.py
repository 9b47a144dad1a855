# SPDX-License-Identifier: Apache-2.0
"""
What trains does so on its device, and only there.

Where there is no GPU, torch's ``meta`` device stands in for one: its tensors have no values, so
every operation runs, an operation on tensors of two devices is found, and so is an array that is
made of a tensor which was not brought back.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from r3l_agent.core.learner import Learner
from r3l_agent.core.learner_config import LearningConfig
from r3l_agent.core.observation import JointRange
from r3l_agent.core.replay.buffer import PERTURBATION, RANDOM, Row, TASK
from r3l_agent.core.sac.networks import Mlp, Tape
from r3l_node.core.compute import Compute, scalars
from r3l_node.core.errors import ConfigError
from r3l_perception.core.pixels import pixel_count
from r3l_perception.core.vae import to_weights, train_vae, Vae, VaeConfig
from r3l_reward.core.vice import ViceConfig, ViceTrainer
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

DEVICES = ['meta', *(['cuda'] if torch.cuda.is_available() else [])]
JOINTS = JointRange((-1.0,) * 2, (1.0,) * 2)
CONFIG = LearningConfig(capacity=100, hidden=(16, 16), batch=8, rnd_hidden=16, rnd_output=8)
COPIES = (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default)
READS = (torch.ops.aten._local_scalar_dense.default,)
aten = torch.ops.aten


class OneDevice(TorchDispatchMode):
    """Refuse operations on two devices; give values to what is read from the meta device."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[str, int] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        with self:  # In inference mode operations come here before they are taken apart.
            parts = func.decompose(*args, **kwargs)
        if parts is not NotImplemented:
            return parts
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        devices = {tensor.device.type for tensor in tensors}
        for device in devices:
            self.seen[device] = self.seen.get(device, 0) + 1
        if func not in COPIES:
            assert len(devices) < 2, f'{func} on {sorted(devices)}'
        elif devices == {'cpu', 'meta'} and args[0].device.type == 'cpu':
            return args[0]  # A copy to the CPU of values that there are not.
        if 'meta' in devices:
            if func in READS:
                return args[0].dtype == torch.bool or 0.5
            if kwargs.get('device') == torch.device('cpu'):
                return torch.zeros(args[0].shape, dtype=args[0].dtype)
        return func(*args, **kwargs)


def rows(count: int = 60, length: int = 9) -> list[Row]:
    rng = np.random.default_rng(0)
    found = []
    for index in range(count):
        episode, step = divmod(index, length + 1)
        image = rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)
        action = rng.uniform(-1, 1, 2).astype(np.float32)
        position = rng.uniform(-1, 1, 2).astype(np.float32)
        policy = (RANDOM, TASK, PERTURBATION)[episode % 3]
        latent = rng.normal(size=4).astype(np.float32)
        ends = (step == 0, step == length)
        found.append(Row(index, policy, *ends, image, position, action, action, latent))
    return found


def learner_on(device: str, **changes: Any) -> Learner:
    config = replace(CONFIG, device=device, **changes)
    pixels = bool(config.trunk)
    learner = Learner(config, JOINTS, latent_size=pixel_count(32) if pixels else 4, seed=3)
    for row in rows():
        learner.add(row)
    learner.encoder = Vae(VaeConfig(latent_size=4), torch.Generator().manual_seed(0))
    learner.set_reward(*classifier('pixels' if pixels else 'latent'), version=1)
    return learner


def classifier(what: str) -> Any:
    rng = np.random.default_rng(0)
    goals = rng.normal(size=(20, 4)).astype(np.float32)
    if what == 'pixels':
        goals = rng.integers(0, 256, (20, 32, 32, 3), dtype=np.uint8)
    config = ViceConfig(input=what, channels=(4, 4), hidden=(8, 8))
    return ViceTrainer(config, goals, 0).weights()


@contextmanager
def on(device: str) -> Iterator[OneDevice]:
    with OneDevice() as mode:
        yield mode
    assert mode.seen.get(device, 0) > 10, f'hardly anything happened on {device}: {mode.seen}'


def tensors_of(value: object, depth: int = 6) -> Iterator[tuple[str, Tensor]]:
    """Find the tensors of an object and of what it owns."""
    if isinstance(value, Tensor):
        yield '', value
    elif depth and isinstance(value, dict):
        for key, part in value.items():
            yield from ((f'[{key}]{name}', t) for name, t in tensors_of(part, depth - 1))
    elif depth and isinstance(value, list | tuple):
        yield from tensors_of(dict(enumerate(value)), depth)
    elif depth and hasattr(value, '__dict__'):
        for key, part in vars(value).items():
            yield from ((f'.{key}{name}', t) for name, t in tensors_of(part, depth - 1))


VARIANTS = [
    {},
    {'rnd_input': 'pixels', 'task_novelty': 0.5, 'normalise_reward': True},
    {'n_step': 3, 'critics': 5, 'critic_subset': 2, 'actor_average': 0.0, 'history': 1},
    {'trunk': (4, 4), 'trunk_features': 5, 'history': 1, 'rnd_input': 'pixels', 'n_step': 2},
    {'layer_norm': False, 'bootstrap_switch': False, 'actor_interval': 2},
]


@pytest.mark.filterwarnings('ignore:.*copying from a non-meta parameter')
@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('changes', VARIANTS)
def test_an_update_stays_on_its_device(device: str, changes: dict[str, Any]) -> None:
    learner = learner_on(device, **changes)
    with on(device):
        for _ in range(5):
            learner.update()
        assert 'train/critic_loss' in learner.metrics()
        policies, _ = learner.policy_weights()
        state, metadata = learner.state()
        learner.load(state, metadata)
        learner.update()
    assert all(isinstance(value, np.ndarray) for value in (policies | state).values())


@pytest.mark.parametrize('device', DEVICES)
def test_every_tensor_of_a_learner_is_on_its_device(device: str) -> None:
    learner = learner_on(device, rnd_input='pixels', task_novelty=0.5)
    with on(device):
        learner.update()
    # What Python reads at every update: it would wait for the device each time.
    read = ('log_temperature', '[temperature]', 'ent_coef]')
    parts = {name: value for name, value in vars(learner).items() if name != 'encoder'}
    found = dict(tensors_of(parts))
    assert len(found) > 40
    for name, tensor in found.items():
        where = 'cpu' if any(part in name for part in read) else device
        assert tensor.device.type == where, name


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('what', ['latent', 'pixels'])
def test_a_classifier_is_trained_on_its_device(device: str, what: str) -> None:
    rng = np.random.default_rng(0)
    examples = rng.normal(size=(3, 8, 4)).astype(np.float32)
    if what == 'pixels':
        examples = rng.integers(0, 255, (3, 8, 32, 32, 3), dtype=np.uint8)
    config = ViceConfig(input=what, channels=(4, 4), hidden=(8,), batch=8, l2=1e-3)
    trainer = ViceTrainer(config, examples[0], 0, Compute(device))
    with on(device):
        trainer.round(examples)
        tensors, metadata = trainer.weights()
        moments, _ = trainer.optimizer_weights()
        trainer.load(tensors, metadata, moments)
        trainer.update(examples[0])
    assert all(parameter.device.type == device for parameter in trainer._network.parameters())
    assert all(isinstance(value, np.ndarray) for value in (tensors | moments).values())


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('likelihood', ['whitened_gaussian', 'bernoulli'])
def test_an_encoder_is_trained_on_its_device_and_comes_back(device: str, likelihood: str) -> None:
    images = np.random.default_rng(0).integers(0, 255, (20, 32, 32, 3), dtype=np.uint8)
    config = VaeConfig(
        latent_size=4, channels=(4, 4), vae_steps=2, vae_batch=4, likelihood=likelihood, l2=1e-3
    )
    with on(device):
        vae, _ = train_vae(images, config, compute=Compute(device))
    assert vae.encode(images)[0].device.type == 'cpu'
    assert len(to_weights(vae)[0]) > 5


@pytest.mark.parametrize('rnd_input', ['latent', 'pixels'])
def test_bf16_learns_nearly_the_same_with_fp32_weights(rnd_input: str) -> None:
    plain, half = (
        learner_on('cpu', precision=precision, rnd_input=rnd_input, task_novelty=0.1)
        for precision in ('fp32', 'bf16')
    )
    for learner in (plain, half):
        for _ in range(5):
            learner.update()
    assert all(tensor.dtype != torch.bfloat16 for _, tensor in tensors_of(vars(half)))
    assert not torch.equal(plain.task.critic_flat, half.task.critic_flat)
    assert torch.allclose(plain.task.critic_flat, half.task.critic_flat, atol=5e-3)
    for name, value in plain.metrics().items():
        assert half.metrics()[name] == pytest.approx(value, rel=0.1, abs=0.1), name


def test_gradients_in_bf16_are_those_of_fp32_but_for_rounding() -> None:
    generator = torch.Generator().manual_seed(0)
    gradients, x = [], torch.randn(32, 6, generator=generator)
    flat = Mlp((6, 16, 16, 2), 3, layer_norm=True).initialise(generator)
    for half in (False, True):
        mlp = Mlp((6, 16, 16, 2), 3, layer_norm=True, half=half)
        tape, into = Tape(), mlp.layers(torch.zeros_like(flat))
        output = mlp.forward(mlp.layers(flat), x, tape)
        to_input = mlp.backward(mlp.layers(flat), tape, output, into, to_input=True)
        gradients.append(torch.cat([to_input.ravel(), *(w.ravel() for w, _ in into)]))
    error = (gradients[0] - gradients[1]).norm() / gradients[0].norm()
    assert 0.0 < error < 0.02


@pytest.mark.parametrize('what', ['latent', 'pixels'])
def test_classifier_and_encoder_learn_in_bf16(what: str) -> None:
    rng = np.random.default_rng(0)
    goals = rng.integers(128, 255, (16, 32, 32, 3), dtype=np.uint8)
    negatives = rng.integers(0, 128, (8, 16, 32, 32, 3), dtype=np.uint8)
    compute = Compute('cpu', 'bf16')
    if what == 'latent':
        goals, negatives = goals[:, 0, :4, 0] / 255.0, negatives[:, :, 0, :4, 0] / 255.0
        goals, negatives = goals.astype(np.float32), negatives.astype(np.float32)
    else:
        config = VaeConfig(latent_size=4, channels=(4, 4), vae_steps=3, vae_batch=4)
        vae, metrics = train_vae(goals, config, compute=compute)
        assert np.isfinite(list(metrics.values())).all()
        assert all(value.dtype == torch.float32 for value in vae.state_dict().values())
    config = ViceConfig(input=what, channels=(4, 4), hidden=(16,), batch=16, learning_rate=1e-2)
    trainer = ViceTrainer(config, goals, 0, compute)
    metrics = trainer.round(negatives)
    assert metrics['vice/goal_probability'] > metrics['vice/negative_probability']
    assert all(value.dtype == np.float32 for value in trainer.weights()[0].values())


def test_a_device_that_is_not_there_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    with pytest.raises(ConfigError, match=r"learner.device is 'cuda': expected 'cpu', because"):
        Learner(replace(CONFIG, device='cuda'), JOINTS, latent_size=4)


def test_scalars_keep_their_names_and_order() -> None:
    values = {'b': torch.tensor(2.0), 'a': torch.ones(1), 'c': torch.tensor(3)}
    assert list(scalars(values).items()) == [('b', 2.0), ('a', 1.0), ('c', 3.0)]
    with OneDevice():
        away = {'b': torch.empty((), device='meta'), 'a': torch.ones(1)}
        assert list(scalars(away)) == ['b', 'a']
