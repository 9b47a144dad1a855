# SPDX-License-Identifier: Apache-2.0
"""Parameters of the driver; one field is one ROS parameter. Arrays are indexed by the joints."""

from dataclasses import dataclass
import math

from r3l_driver.core.control_table import BAUD_RATES, TABLES, WATCHDOG_UNIT
from r3l_node.core.parameters import parameter

MODELS = tuple(TABLES)
FINGERS = (1, 2, 3)
JOINTS = tuple(f'finger{f}_joint{j}' for f in FINGERS for j in (1, 2, 3))
IDS = tuple(10 * f + j for f in FINGERS for j in (1, 2, 3))


@dataclass(frozen=True, slots=True)
class ServoGains:
    """Position controller inside the servo, in the units of its control table."""

    position_p: int = parameter(800, 'position P gain [1/128]', range=(0, 16383))
    position_i: int = parameter(0, 'position I gain [1/65536]', range=(0, 16383))
    position_d: int = parameter(0, 'position D gain [1/16]', range=(0, 16383))


@dataclass(frozen=True, slots=True)
class DriverConfig:
    """The driver of a hand of Dynamixel servos."""

    run: str = parameter('', 'absolute path of the run folder; empty: a restart remembers nothing')
    pace: str = parameter(
        'realtime',
        'realtime: a bus thread at bus_rate; lockstep: only with an emulated hand that owns time',
        choices=('realtime', 'lockstep'),
    )
    autostart: bool = parameter(True, 'configure and activate without being asked')
    arm: str = parameter(
        'auto',
        'auto: torque comes on as soon as that is safe; manual: only by driver/set_dxl_torque',
        choices=('auto', 'manual'),
    )
    arm_after_power_cut: bool = parameter(
        False, 'with arm auto, also after a power cut that found the torque on'
    )

    port: str = parameter('/dev/ttyUSB0', 'serial device; better a path in /dev/serial/by-id')
    baud_rate: int = parameter(
        1_000_000, 'speed of the bus [bit/s]', choices=tuple(BAUD_RATES.values())
    )
    bus_rate: float = parameter(50.0, 'bus cycles per second [Hz]', range=(20.0, 200.0))
    control_rate: float = parameter(5.0, 'commands expected per second [Hz]', range=(0.5, 100.0))
    retries: int = parameter(2, 'reads repeated within a bus cycle', range=(0, 5))
    fast_sync_read: bool = parameter(True, 'one status packet for all servos instead of one each')
    return_delay: int = parameter(
        0, 'wait of a servo before its reply; preflight compares [us]', range=(0, 508)
    )
    watchdog: float = parameter(
        0.2, 'silence after which a servo stops by itself [s]', range=(WATCHDOG_UNIT, 2.54)
    )

    model: str = parameter('XM430-W210', 'model of all servos', choices=MODELS)
    joint_names: tuple[str, ...] = parameter(JOINTS, 'names of the joints')
    ids: tuple[int, ...] = parameter(IDS, 'bus ids of the servos', range=(0, 252))
    directions: tuple[int, ...] = parameter(
        (1,) * 9, '1 where the joint turns as its servo, -1 where against it', choices=(-1, 1)
    )
    offsets: tuple[float, ...] = parameter(
        (0.0,) * 9, "joint positions at the servos' centres [rad]", range=(-math.pi, math.pi)
    )
    calibration: str = parameter(
        '', 'calibration file whose ids, directions and offsets replace these; empty: none'
    )

    position_low: tuple[float, ...] = parameter(
        (-0.48, -math.pi / 3, -math.pi / 2) * 3, 'least goals [rad]', range=(-math.pi, math.pi)
    )
    position_high: tuple[float, ...] = parameter(
        (0.48, math.pi / 3, math.pi / 2) * 3, 'greatest goals [rad]', range=(-math.pi, math.pi)
    )
    position_margin: float = parameter(
        0.35, 'distance outside the goals at which the hand is held [rad]', range=(0.0, 1.0)
    )
    velocity_limit: float = parameter(6.0, 'largest speed of a goal [rad/s]', range=(0.05, 8.0))
    acceleration_limit: float = parameter(
        60.0, 'largest acceleration of a goal [rad/s^2]', range=(0.5, 400.0)
    )
    leash: float = parameter(
        0.4, 'largest distance of a goal from the measured position [rad]', range=(0.02, 1.5)
    )
    current_limit: float = parameter(
        0.77, 'largest motor current; 0.77 A are 1 N m of an XM430-W210 [A]', range=(0.05, 3.2)
    )
    jump_speed: float = parameter(
        16.0, 'apparent speed above which a measured position is rejected [rad/s]',
        range=(1.0, 100.0),
    )  # fmt: skip
    gains: ServoGains = ServoGains()

    command_timeout: float = parameter(
        0.1, 'delay of a command beyond its period at which the hand is held [s]',
        range=(0.02, 5.0),
    )  # fmt: skip
    limp_after: float = parameter(
        10.0, 'time held after which torque goes off [s]', range=(1.0, 3600.0)
    )
    misses: int = parameter(
        5, 'cycles without an answer after which a servo is missing', range=(2, 50)
    )
    temperature_warning: float = parameter(
        60.0, 'case temperature that is reported [degC]', range=(30.0, 80.0)
    )
    temperature_high: float = parameter(
        65.0, 'case temperature at which torque goes off [degC]', range=(30.0, 80.0)
    )
    temperature_resume: float = parameter(
        55.0, 'case temperature at which work goes on [degC]', range=(20.0, 80.0)
    )
    voltage_low: float = parameter(
        10.0, 'supply voltage below which the hand is held [V]', range=(3.0, 30.0)
    )
    voltage_high: float = parameter(
        15.0, 'supply voltage above which the hand is held [V]', range=(3.0, 30.0)
    )
    reboots: int = parameter(3, 'reboots of one servo within reboot_window', range=(0, 100))
    reboot_window: float = parameter(
        300.0, 'time over which reboots of a servo are counted [s]', range=(1.0, 86400.0)
    )
    audit_period: float = parameter(
        1.0, 'time in which the settings of every servo are compared once [s]', range=(0.2, 60.0)
    )

    def __post_init__(self) -> None:
        """Refuse values that do not go together."""
        _check_arrays(self)
        _check_limits(self)

    @property
    def cycle(self) -> float:
        """Time of a bus cycle [s]."""
        return 1.0 / self.bus_rate

    @property
    def command_period(self) -> float:
        """Time between two commands [s]."""
        return 1.0 / self.control_rate


def _check_arrays(config: DriverConfig) -> None:
    joints = len(config.joint_names)
    if joints == 0:
        raise ValueError('joint_names is empty: expected at least one joint')
    for name in ('ids', 'directions', 'offsets', 'position_low', 'position_high'):
        size = len(getattr(config, name))
        if size != joints:
            raise ValueError(f'{name} has {size} values: expected {joints}, one per joint')
    for name in ('ids', 'joint_names'):
        values = getattr(config, name)
        if len(set(values)) != joints:
            twice = next(value for value in values if values.count(value) > 1)
            raise ValueError(f'{name} has {twice} twice: expected every one once')
    for joint, low, high in zip(
        config.joint_names, config.position_low, config.position_high, strict=True
    ):
        if not low < high:
            raise ValueError(
                f'position_low of {joint} is {low:g} rad: expected less than position_high, '
                f'{high:g} rad'
            )


def _check_limits(config: DriverConfig) -> None:
    warning, high = config.temperature_warning, config.temperature_high
    resume = config.temperature_resume
    if not resume < warning <= high:
        raise ValueError(
            f'temperature_resume, _warning and _high are {resume:g}, {warning:g} and {high:g} '
            'degC: expected resume < warning <= high'
        )
    if not config.voltage_low < config.voltage_high:
        raise ValueError(
            f'voltage_low is {config.voltage_low:g} V: expected less than voltage_high, '
            f'{config.voltage_high:g} V'
        )
    if config.pace == 'realtime' and config.watchdog < 3.0 * config.cycle:
        raise ValueError(
            f'watchdog is {config.watchdog:g} s: expected at least three bus cycles, '
            f'{3.0 * config.cycle:g} s'
        )
    per_command = config.bus_rate / config.control_rate
    if config.pace == 'lockstep' and abs(per_command - round(per_command)) > 1e-6:
        raise ValueError(
            f'bus_rate is {config.bus_rate:g} Hz: expected in lockstep a multiple of '
            f'control_rate, {config.control_rate:g} Hz'
        )
    if config.bus_rate < config.control_rate:
        raise ValueError(
            f'bus_rate is {config.bus_rate:g} Hz: expected at least control_rate, '
            f'{config.control_rate:g} Hz'
        )
