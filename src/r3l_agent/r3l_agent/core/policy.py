# SPDX-License-Identifier: Apache-2.0
"""Run a published policy without a deep-learning framework: small matrix products in numpy."""

from collections.abc import Mapping
from dataclasses import dataclass
import json

import numpy as np
from r3l_agent.core.convolutions import Convolutions
from r3l_agent.core.dense import Array, forward, Layers, read_layers
from r3l_agent.core.observation import JointRange, ObservationSpec

MODEL = 'r3l_policy'
POLICIES = ('task', 'perturbation', 'deployed')
LOG_STD_RANGE = (-10.0, 2.0)


@dataclass(frozen=True, slots=True)
class Policy:
    """
    A tanh-squashed Gaussian policy.

    :param layers: per layer a weight, shape (in, out), and a bias, shape (out,).
    :param spec: layout of the observation that it was trained on.
    :param joints: command range that scales actions and, without ``senses``, normalises joint
        positions.
    :param senses: range that normalises proprioception.
    :param trunk: turns pixels at the front of an observation into features; None: there are none.
    """

    layers: Layers
    spec: ObservationSpec
    joints: JointRange
    senses: JointRange | None = None
    trunk: Convolutions | None = None

    @classmethod
    def from_weights(
        cls, tensors: Mapping[str, Array], metadata: Mapping[str, str], which: str = 'deployed'
    ) -> 'Policy':
        """
        Read one policy out of the learner's weights.

        :param tensors: arrays named ``<which>.weight<k>`` and ``<which>.bias<k>``.
        :param metadata: as written by ``describe``.
        :param which: ``task``, ``perturbation`` or ``deployed`` (the task policy to be judged).
        :return: the policy.
        :raises ValueError: one sentence, if these are not the weights of a policy.
        """
        if metadata.get('model') != MODEL:
            raise ValueError(f'weights are of model {metadata.get("model")!r}: expected {MODEL!r}')
        if which not in POLICIES:
            raise ValueError(f'policy {which!r}: expected one of {", ".join(POLICIES)}')
        try:
            values = json.loads(metadata['policy'])
            spec = ObservationSpec(**values['observation'])
            joints = JointRange(tuple(values['low']), tuple(values['high']))
            senses = values.get('senses')
            if senses is not None:
                senses = JointRange(tuple(senses['low']), tuple(senses['high']))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f'the policy weights describe no observation ({error})') from error
        trunk, size = _trunk(tensors, which, spec)
        layers, size = read_layers(tensors, which, size)
        if size != 2 * spec.action_size or not layers:
            raise ValueError(
                f'policy {which!r} has {size} outputs: expected {2 * spec.action_size}, a mean '
                'and a log standard deviation per joint'
            )
        return cls(layers, spec, joints, senses, trunk)

    def act(self, observation: Array, rng: np.random.Generator | None = None) -> Array:
        """
        Choose actions.

        :param observation: shape (size,) or (batch, size).
        :param rng: source of the action noise; None gives the most likely action.
        :return: shape (joints,) or (batch, joints), in -1..1.
        """
        h = observation if self.trunk is None else self.trunk.embed(observation)
        output = forward(self.layers, h)
        mean, log_std = np.split(output, 2, axis=-1)
        if rng is not None:
            noise = rng.standard_normal(mean.shape, dtype=np.float32)
            mean = mean + noise * np.exp(np.clip(log_std, *LOG_STD_RANGE))
        result: Array = np.tanh(mean)
        return result


def _trunk(
    tensors: Mapping[str, Array], which: str, spec: ObservationSpec
) -> tuple[Convolutions | None, int]:
    """Return the trunk of a policy, if it has one, and the length of its first layer's input."""
    prefix = f'{which}.trunk.'
    own = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
    if not own:
        return None, spec.size
    trunk = Convolutions.from_weights(own, spec.latent_size)
    return trunk, spec.size - trunk.pixels + trunk.features


def describe(
    spec: ObservationSpec, joints: JointRange, senses: JointRange | None = None
) -> dict[str, str]:
    """
    Write what ``Policy.from_weights`` needs to know beside the arrays.

    :param spec: layout of the observation.
    :param joints: command range.
    :param senses: range of the proprioception, where that is another one.
    :return: metadata of a weights file or message.
    """
    observation = {
        'latent_size': spec.latent_size,
        'joints': spec.joints,
        'history': spec.history,
    }
    if spec.actions is not None:
        observation['actions'] = spec.actions
    values: dict[str, object] = {
        'observation': observation,
        'low': joints.low,
        'high': joints.high,
    }
    if senses is not None:
        values['senses'] = {'low': senses.low, 'high': senses.high}
    return {'model': MODEL, 'policy': json.dumps(values)}
