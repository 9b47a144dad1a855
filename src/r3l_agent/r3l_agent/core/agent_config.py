# SPDX-License-Identifier: Apache-2.0
"""Parameters of the agent node; one field is one ROS parameter."""

from dataclasses import dataclass
from math import pi

from r3l_node.core.parameters import parameter, ParameterError

JOINT_NAMES = tuple(f'finger{finger}_joint{joint}' for finger in (1, 2, 3) for joint in (1, 2, 3))
PERTURBATIONS = ('rnd', 'goals', 'random', 'none')
LEARNED = ('rnd', 'goals')  # those that have a policy


@dataclass(frozen=True, slots=True)
class AgentConfig:
    """What the agent does with its hand, and for how long."""

    run: str = parameter('', 'absolute path of the run folder; empty: keep nothing')
    task: str = parameter('valve', 'name of the task; a run folder belongs to one task')
    seed: int = parameter(0, 'seed of random motion and exploration', range=(0, 2**31 - 1))
    lockstep: bool = parameter(
        True, 'join by equal stamps and wait for the learner, so that runs are reproducible'
    )
    steps: int = parameter(100_000, 'env steps after which the agent is done', range=(1, 10**9))
    warmup_steps: int = parameter(
        6_000, 'env steps of random motion at least, before learned policies act', range=(0, 10**9)
    )
    episode_steps: int = parameter(25, 'most actions of an episode', range=(1, 100_000))
    perturbation_share: float = parameter(
        0.4,
        'actions of an episode that perturbs the object, as a share of episode_steps [-]',
        range=(0.01, 10.0),
    )
    success_steps: int = parameter(
        0,
        'control steps of success in a row that end an attempt of the task policy, so that the '
        'hand does not rest where it learns little; 0: every attempt has its full length. For '
        'classifiers of latents',
        range=(0, 100_000),
    )
    success_probability: float = parameter(
        0.35,
        "probability of success, the classifier's, from which a control step counts as one [-]",
        range=(0.0, 1.0),
    )
    homing_steps: int = parameter(
        3, 'control steps between two episodes in which only the robot homes', range=(1, 100_000)
    )
    control_rate: float = parameter(5.0, 'rate of control steps [Hz]', range=(0.1, 1000.0))
    random_hold: int = parameter(
        2, 'control steps for which a random action is held', range=(1, 1000)
    )
    driver: bool = parameter(
        False, 'the graph has a servo driver: act only while driver/safety says RUN or DEGRADED'
    )
    perturbation: str = parameter(
        'rnd',
        'what acts between two task episodes: the learned novelty seeker, a learned way back to '
        'start states, random motion or none',
        choices=PERTURBATIONS,
    )
    resets: bool = parameter(
        False,
        'reset the world before every episode and act by the task policy alone: episodic '
        'learning with instruments (an oracle, without ROS only)',
    )
    joint_tolerance: float = parameter(
        0.05, 'largest |stamp of joints - stamp of image|, not in lockstep [s]', range=(0.0, 10.0)
    )
    policy_wait: float = parameter(
        5.0, 'in lockstep, time after which an idle learner is waited for no more [s]',
        range=(0.1, 3600.0),
    )  # fmt: skip
    joint_names: tuple[str, ...] = parameter(JOINT_NAMES, 'joints, in the order of an action')
    joint_low: tuple[float, ...] = parameter(
        (-0.48, -pi / 3, -pi / 2) * 3, 'lower end of the command range of each joint [rad]'
    )
    joint_high: tuple[float, ...] = parameter(
        (0.48, pi / 3, pi / 2) * 3, 'upper end of the command range of each joint [rad]'
    )
    home: tuple[float, ...] = parameter(
        (0.0, -pi / 3, pi / 3) * 3, 'posture between two episodes, for each joint [rad]'
    )

    @property
    def perturbation_steps(self) -> int:
        """Actions of an episode that perturbs the object, at least 1."""
        return max(1, round(self.perturbation_share * self.episode_steps))

    @property
    def longest_episode(self) -> int:
        """Most actions that an episode can have."""
        return max(self.episode_steps, self.perturbation_steps)

    def __post_init__(self) -> None:
        """Refuse joints whose parameters disagree."""
        joints = len(self.joint_names)
        if joints == 0 or len(set(self.joint_names)) != joints:
            raise ParameterError(
                f'agent.joint_names is {list(self.joint_names)}: expected distinct names'
            )
        for name in ('joint_low', 'joint_high', 'home'):
            values = getattr(self, name)
            if len(values) != joints:
                raise ParameterError(
                    f'agent.{name} has {len(values)} values: expected one for each of the '
                    f'{joints} joint_names'
                )
        limits = zip(self.joint_names, self.joint_low, self.home, self.joint_high, strict=True)
        for name, low, home, high in limits:
            # A tolerance, because parameter files round pi.
            if not (low < high and low - 1e-6 <= home <= high + 1e-6):
                raise ParameterError(
                    f'agent: {name} has joint_low {low}, home {home} and joint_high {high}: '
                    'expected low < high and home between them'
                )
