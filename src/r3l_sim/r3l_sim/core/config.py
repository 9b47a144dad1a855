# SPDX-License-Identifier: Apache-2.0
"""Parameters of the nodes; one field is one ROS parameter."""

from dataclasses import dataclass
from math import isclose, pi

from r3l_driver.core.config import IDS
from r3l_driver.core.control_table import BAUD_RATES, TABLES
from r3l_node.core.parameters import parameter, ParameterError
from r3l_sim.core.mjcf import HAND_MODELS
from r3l_sim.core.servo import NO_LOAD_SPEED, STALL_TORQUE
from r3l_sim.core.tasks import task_named

BACKENDS = ('auto', 'egl', 'osmesa', 'rays')


@dataclass(frozen=True, slots=True)
class WorldConfig:
    """The simulated world and its camera."""

    run: str = parameter('', 'absolute path of the run folder; empty: keep nothing')
    task: str = parameter('valve', 'name of the task; one of another package is MODULE:NAME')
    control_rate: float = parameter(5.0, 'control steps per second [Hz]', range=(0.5, 100.0))
    image_size: int = parameter(32, 'height and width of the camera image [px]', range=(8, 1024))
    backend: str = parameter(
        'auto', 'how the camera draws; auto takes the first that works', choices=BACKENDS
    )
    hand_model: str = parameter(
        'primitives',
        "what the hand looks like: our primitives, or the D'Claw meshes of the package robel",
        choices=HAND_MODELS,
    )

    def __post_init__(self) -> None:
        """Refuse a task that there is not."""
        task_named(self.task)


@dataclass(frozen=True, slots=True)
class SceneConfig(WorldConfig):
    """What training and evaluation must agree on, so that both run the same robot and camera."""

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
class HandConfig(WorldConfig):
    """A simulated hand whose servos are on an emulated bus, and the camera above it."""

    seed: int = parameter(0, 'where the object is at the very start', range=(0, 2**31 - 1))
    pace: str = parameter(
        'lockstep',
        'lockstep: time passes by a bus cycle with every goal that is written; realtime: as ours',
        choices=('lockstep', 'realtime'),
    )
    state_file: str = parameter(
        '', 'absolute path of the saved state; empty: hand_state.npz in the run folder'
    )
    link: str = parameter(
        '', 'absolute path of the serial device, a link; empty: hand.tty in the run folder'
    )
    record: str = parameter(
        '',
        'absolute path of what the servos were told; empty: hand_record.jsonl in the run folder',
    )
    faults: str = parameter('', 'file of faults and their times; empty: none')
    fault_seed: int = parameter(0, 'seed of what is left to chance', range=(0, 2**31 - 1))
    bus_rate: float = parameter(50.0, 'bus cycles per second of the driver [Hz]', range=(20, 200))
    baud_rate: int = parameter(
        1_000_000, 'speed of the bus [bit/s]', choices=tuple(BAUD_RATES.values())
    )
    model: str = parameter('XM430-W210', 'model of all servos', choices=tuple(TABLES))
    ids: tuple[int, ...] = parameter(
        IDS, 'bus ids of the servos, in the order of the joints', range=(0, 252)
    )
    directions: tuple[int, ...] = parameter(
        (1,) * len(IDS), '1 where a joint turns as its servo, -1 where against', choices=(-1, 1)
    )
    offsets: tuple[float, ...] = parameter(
        (0.0,) * len(IDS), "joint positions at the servos' centres [rad]", range=(-pi, pi)
    )

    def __post_init__(self) -> None:
        """Refuse another number of servos than there are joints."""
        WorldConfig.__post_init__(self)  # super() knows no class with slots
        for name in ('ids', 'directions', 'offsets'):
            found = len(getattr(self, name))
            if found != len(IDS):
                raise ParameterError(
                    f'hand.{name} has {found} values: expected {len(IDS)}, one for each joint'
                )
        if not isclose(self.cycles, round(self.cycles)):
            raise ParameterError(
                f'hand.bus_rate is {self.bus_rate:g} Hz: expected a multiple of control_rate, '
                f'{self.control_rate:g} Hz'
            )

    @property
    def cycles(self) -> float:
        """Bus cycles in a control period."""
        return self.bus_rate / self.control_rate


@dataclass(frozen=True, slots=True)
class EvaluatorConfig(SceneConfig):
    """Deployed evaluation of the task policy in scenes of its own, while training goes on."""

    every: int = parameter(10_000, 'env steps between two evaluations', range=(1, 10**9))
    starts: int = parameter(
        32, 'fixed starts of an evaluation; 0: as many as R3L took, 8 or 24', range=(0, 1024)
    )
    starts_seed: int = parameter(0, 'turns the set of starts; 0: the fixed set', range=(0, 2**31))
    baselines: bool = parameter(True, 'evaluate holding still and random motion once')
    final_wait: float = parameter(
        20.0, 'longest wait for the last policy once the agent is done [s]', range=(0.0, 3600.0)
    )
