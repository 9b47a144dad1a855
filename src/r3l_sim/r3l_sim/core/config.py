# SPDX-License-Identifier: Apache-2.0
"""Parameters of the two nodes; one field is one ROS parameter."""

from dataclasses import dataclass

from r3l_node.core.parameters import parameter
from r3l_sim.core.servo import NO_LOAD_SPEED, STALL_TORQUE
from r3l_sim.core.tasks import TASKS

BACKENDS = ('auto', 'egl', 'osmesa', 'rays')


@dataclass(frozen=True, slots=True)
class SceneConfig:
    """What training and evaluation must agree on, so that both run the same robot and camera."""

    run: str = parameter('', 'absolute path of the run folder; empty: keep nothing')
    task: str = parameter('valve', 'name of the task', choices=tuple(TASKS))
    control_rate: float = parameter(5.0, 'control steps per second [Hz]', range=(0.5, 100.0))
    image_size: int = parameter(32, 'height and width of the camera image [px]', range=(8, 1024))
    backend: str = parameter(
        'auto', 'how the camera draws; auto takes the first that works', choices=BACKENDS
    )
    profile_speed: float = parameter(
        6.0, 'largest speed of a joint setpoint [rad/s]', range=(0.1, NO_LOAD_SPEED)
    )
    torque_limit: float = parameter(
        1.0, 'largest torque of a servo [N m]', range=(0.05, STALL_TORQUE)
    )


@dataclass(frozen=True, slots=True)
class SimConfig(SceneConfig):
    """The simulated robot that stands in for driver and camera."""

    seed: int = parameter(0, 'where the object is at the very start', range=(0, 2**31 - 1))
    pace: str = parameter(
        'lockstep',
        'lockstep: one step per joint_command; realtime: steps at the control rate',
        choices=('lockstep', 'realtime'),
    )
    evaluation: bool = parameter(
        False, 'offer the service that moves the object; never true while training'
    )
    state_file: str = parameter(
        '', 'absolute path of the saved state; empty: sim_state.npz in the run folder'
    )
    command_timeout: float = parameter(
        1.0, 'in realtime, age above which a command is dropped [s]', range=(0.01, 60.0)
    )


@dataclass(frozen=True, slots=True)
class EvaluatorConfig(SceneConfig):
    """Deployed evaluation of the task policy in scenes of its own, while training goes on."""

    every: int = parameter(10_000, 'env steps between two evaluations', range=(1, 10**9))
    starts: int = parameter(32, 'fixed starts of an evaluation', range=(1, 1024))
    starts_seed: int = parameter(0, 'turns the set of starts; 0: the fixed set', range=(0, 2**31))
    baselines: bool = parameter(True, 'evaluate holding still and random motion once')
    final_wait: float = parameter(
        20.0, 'longest wait for the last policy once the agent is done [s]', range=(0.0, 3600.0)
    )
