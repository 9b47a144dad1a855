# SPDX-License-Identifier: Apache-2.0
"""Parameters of the relay to a controller that is not ours."""

from dataclasses import dataclass
import math

from r3l_driver.core.config import JOINTS
from r3l_node.core.parameters import parameter


@dataclass(frozen=True, slots=True)
class ExternalConfig:
    """The relay between the agent and a controller such as ros2_control's."""

    command_topic: str = parameter(
        'joint_trajectory_controller/joint_trajectory',
        'where the controller takes JointTrajectory',
    )
    state_topic: str = parameter(
        'joint_state_broadcaster/joint_states', 'where the controller gives JointState'
    )
    control_rate: float = parameter(5.0, 'commands expected per second [Hz]', range=(0.5, 100.0))
    command_timeout: float = parameter(
        0.25, 'age beyond the control period above which a command is dropped [s]',
        range=(0.02, 5.0),
    )  # fmt: skip
    state_timeout: float = parameter(
        0.3, 'silence of the controller after which commands are dropped [s]', range=(0.02, 10.0)
    )
    joint_names: tuple[str, ...] = parameter(JOINTS, 'names of the joints')
    position_low: tuple[float, ...] = parameter(
        (-0.48, -math.pi / 3, -math.pi / 2) * 3, 'least goals [rad]', range=(-math.pi, math.pi)
    )
    position_high: tuple[float, ...] = parameter(
        (0.48, math.pi / 3, math.pi / 2) * 3, 'greatest goals [rad]', range=(-math.pi, math.pi)
    )
    velocity_limit: float = parameter(6.0, 'largest speed of a joint [rad/s]', range=(0.05, 8.0))

    def __post_init__(self) -> None:
        """Refuse arrays of different lengths."""
        for name in ('position_low', 'position_high'):
            found = len(getattr(self, name))
            if found != len(self.joint_names):
                raise ValueError(
                    f'{name} has {found} values: expected {len(self.joint_names)}, one per joint'
                )
        for joint, low, high in zip(
            self.joint_names, self.position_low, self.position_high, strict=True
        ):
            if not low < high:
                raise ValueError(
                    f'position_low of {joint} is {low:g} rad: expected less than position_high, '
                    f'{high:g} rad'
                )
