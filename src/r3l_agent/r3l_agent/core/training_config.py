# SPDX-License-Identifier: Apache-2.0
"""Parameters of the learner node; one field is one ROS parameter."""

from dataclasses import dataclass
from math import pi

from r3l_agent.core.learner_config import LearningConfig
from r3l_node.core.parameters import parameter, ParameterError


@dataclass(frozen=True, slots=True)
class LearnerConfig(LearningConfig):
    """What the node does, beside what is learned and how."""

    run: str = parameter('', 'absolute path of the run folder; empty: keep nothing')
    task: str = parameter('valve', 'name of the task; a run folder belongs to one task')
    seed: int = parameter(0, 'seed of networks, batches and noise', range=(0, 2**31 - 1))
    lockstep: bool = parameter(
        True, 'learn in the order of the data alone, so that runs are reproducible'
    )
    warmup_steps: int = parameter(
        6_000, 'env steps before which no update is due', range=(0, 10**9)
    )
    latent_size: int = parameter(16, "length of the encoder's latent", range=(1, 12288))
    round_steps: int = parameter(
        250, 'env steps between two versions of the classifier', range=(1, 10**9)
    )
    classifier_wait: float = parameter(
        5.0, 'in lockstep, longest wait for a classifier or encoder that is due [s]',
        range=(0.0, 3600.0),
    )  # fmt: skip
    checkpoint_seconds: float = parameter(
        10.0, 'time between two checkpoints [s]', range=(0.1, 86_400.0)
    )
    metrics_steps: int = parameter(
        500, 'env steps between two publications of metrics', range=(1, 10**9)
    )
    stall_guard: bool = parameter(
        False,
        'while novelty, reward and coverage of latents stand still, raise the entropy that the '
        'policies keep, step by step, and perturb more',
    )
    stall_window: int = parameter(
        5_000, 'env steps that are compared with those before', range=(1, 10**9)
    )
    stall_tolerance: float = parameter(
        0.05,
        'change of a figure that counts as none, as a share of the range it has spanned [-]',
        range=(0.0, 1.0),
    )
    stall_entropy: float = parameter(
        3.0, 'entropy added at each of the three levels [nat]', range=(0.0, 1000.0)
    )
    threads: int = parameter(1, 'threads of each tensor operation', range=(1, 1024))
    joint_low: tuple[float, ...] = parameter(
        (-0.48, -pi / 3, -pi / 2) * 3, 'lower end of the command range of each joint [rad]'
    )
    joint_high: tuple[float, ...] = parameter(
        (0.48, pi / 3, pi / 2) * 3, 'upper end of the command range of each joint [rad]'
    )

    def __post_init__(self) -> None:
        """Refuse parameters that disagree."""
        if self.perturbation == 'goals' and self.reward_source == 'environment':
            raise ParameterError(
                "learner.perturbation is 'goals' and reward_source is 'environment': expected "
                "reward_source 'classifier', because a second classifier needs the first"
            )
        if len(self.joint_low) != len(self.joint_high) or not self.joint_low:
            raise ParameterError(
                f'learner.joint_low has {len(self.joint_low)} and joint_high '
                f'{len(self.joint_high)} values: expected one each for every joint'
            )
        for index, (low, high) in enumerate(zip(self.joint_low, self.joint_high, strict=True)):
            if not low < high:
                raise ParameterError(
                    f'learner: joint {index} has joint_low {low} and joint_high {high}: '
                    'expected low < high'
                )
