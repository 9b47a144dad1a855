# SPDX-License-Identifier: Apache-2.0
"""Settings of the learner; one field is one ROS parameter. Defaults are those of ``modern``."""

from collections.abc import Sequence
from dataclasses import dataclass

from r3l_agent.core.agent_config import PERTURBATIONS
from r3l_node.core.compute import device_parameter, precision_parameter
from r3l_node.core.parameters import parameter, ParameterError


@dataclass(frozen=True, slots=True)
class LearningConfig:
    """What is learned, from what, and how fast."""

    image_size: int = parameter(32, 'side of the camera image [pixel]', range=(8, 256))
    history: int = parameter(2, 'latents seen: 1 or, with its change, 2', choices=(1, 2))
    capacity: int = parameter(250_000, 'observations kept in the replay', range=(100, 20_000_000))
    share_replay: bool = parameter(True, 'whether each policy learns from the experience of both')
    prior_share: float = parameter(
        0.5,
        'share of each batch from the experience of earlier runs, where the run was given any [-]',
        range=(0.0, 1.0),
    )
    update_ratio: float = parameter(
        1.0, 'updates of the task policy per env step', range=(0.0, 100.0)
    )
    perturbation_interval: int = parameter(
        4, 'updates of the task policy per update of the perturbation', range=(1, 1000)
    )
    perturbation: str = parameter(
        'rnd',
        'what moves the object between attempts: a policy that seeks novelty, one that a second '
        'classifier of reward.reset_goals draws back to where attempts begin (with photos of '
        'start states a backward policy), random motion or nothing',
        choices=PERTURBATIONS,
    )
    bootstrap_switch: bool = parameter(
        True, 'value what follows a switch of the policy, which ends no task'
    )
    n_step: int = parameter(
        1, 'rewards summed before a value is trusted; sums stop where episodes end', range=(1, 20)
    )
    actor_interval: int = parameter(
        1, 'updates of the critics per update of their actor', range=(1, 1000)
    )
    hidden: tuple[int, ...] = parameter(
        (128, 128), 'widths of the hidden layers of actors and critics', range=(1, 8192)
    )
    trunk: tuple[int, ...] = parameter(
        (),
        'channels of the stride-2 convolutions in front of actors and critics, for encoder.kind '
        'pixels; empty: none, they see latents',
        range=(1, 512),
    )
    trunk_features: int = parameter(
        50, 'features that the convolutions leave of an image', range=(1, 1024)
    )
    critics: int = parameter(2, 'size of the critic ensemble', range=(1, 64))
    critic_subset: int = parameter(2, 'target critics drawn for each minimum', range=(1, 64))
    layer_norm: bool = parameter(True, 'LayerNorm in the critics')
    batch: int = parameter(128, 'transitions per update', range=(1, 65536))
    discount: float = parameter(0.95, 'discount of one step [-]', range=(0.0, 0.9999))
    learning_rate: float = parameter(5e-4, 'of the actors and critics [-]', range=(1e-7, 1.0))
    target_rate: float = parameter(
        0.005, 'share of a critic that moves into its target per update', range=(0.0, 1.0)
    )
    target_entropy: float = parameter(
        -9.0, 'entropy that the policies keep [nat]', range=(-1000.0, 1000.0)
    )
    initial_temperature: float = parameter(
        0.1, 'entropy weight at the start [reward per nat]', range=(1e-6, 100.0)
    )
    actor_average: float = parameter(
        0.002,
        'share of the task actor that moves into the deployed one per update; 0 deploys itself',
        range=(0.0, 1.0),
    )
    reward_source: str = parameter(
        'classifier',
        "where the task policy's reward comes from: the classifier, or the world itself (an "
        'oracle, without ROS only)',
        choices=('classifier', 'environment'),
    )
    normalise_reward: bool = parameter(
        False, "divide the classifier's reward by its running standard deviation"
    )
    task_novelty: float = parameter(
        0.0, "weight of the novelty in the task policy's reward", range=(0.0, 100.0)
    )
    rnd_input: str = parameter(
        'latent',
        'what novelty is measured on: the latent after the action, or image, joints and last '
        'action before it',
        choices=('latent', 'pixels'),
    )
    rnd_hidden: int = parameter(128, 'width of its hidden layers (latent)', range=(1, 8192))
    rnd_output: int = parameter(64, 'features of the random network', range=(1, 8192))
    rnd_learning_rate: float = parameter(1e-4, 'of the predictor [-]', range=(1e-7, 1.0))
    rnd_clip: float = parameter(10.0, 'largest novelty reward [-]', range=(0.1, 1e6))
    device: str = device_parameter()
    precision: str = precision_parameter()


def check_trunk(trunk: Sequence[int], image_size: int, latent_size: int, history: int) -> None:
    """
    Refuse convolutions in front of something that is no image.

    :param trunk: channels; empty: there are none.
    :param image_size: side of the image [pixel].
    :param latent_size: length of what the policies see of an image.
    :param history: as ``LearningConfig`` has it.
    :raises ParameterError: one sentence.
    """
    if not trunk:
        return
    if latent_size != 3 * image_size**2:
        raise ParameterError(
            f'learner.latent_size is {latent_size}: expected {3 * image_size**2} with '
            f'learner.trunk, the colour values of an image of {image_size} pixels'
        )
    if history != 1:
        raise ParameterError(
            f'learner.history is {history}: expected 1 with learner.trunk, which sees one image'
        )
