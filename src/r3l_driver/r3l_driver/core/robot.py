# SPDX-License-Identifier: Apache-2.0
"""From the driver's parameters to the chain of servos and the check before torque."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from r3l_driver.core.calibration_file import calibrated, read_calibration
from r3l_driver.core.chain import ServoChain
from r3l_driver.core.chain_config import ChainConfig
from r3l_driver.core.config import DriverConfig
from r3l_driver.core.control_table import table_of_model
from r3l_driver.core.preflight import preflight

# The servos' own profile is a second limit: it must not slow down what the driver allows.
PROFILE_SPEED = 1.25
PROFILE_ACCELERATION = 4.0
CYCLE_SHARE = 0.6  # of a bus cycle, after which no read is tried again
# An emulated hand in lockstep answers when the machine lets it [s].
PATIENCE = 1.0
# What changes by itself: the driver watches it all the time, and recovers.
PASSING = frozenset(
    {
        'no_servo',
        'servo_missing',
        'hardware_error',
        'voltage_low',
        'voltage_high',
        'temperature_high',
    }
)


def with_calibration(config: DriverConfig) -> DriverConfig:
    """
    Return the configuration with what its calibration file says.

    :raises ConfigError: if the file is missing, damaged or of another hand.
    """
    if not config.calibration:
        return config
    return calibrated(config, read_calibration(Path(config.calibration)))


def chain_config(config: DriverConfig) -> ChainConfig:
    """
    Return what the chain of servos needs to know.

    :raises ConfigError: for a limit that the servos do not have.
    """
    table = table_of_model(config.model)
    fastest = table['velocity_limit'].maximum * table.velocity_unit
    steepest = table['profile_acceleration'].maximum * table.acceleration_unit
    found = ChainConfig(
        port=config.port,
        baud=config.baud_rate,
        ids=config.ids,
        joint_names=config.joint_names,
        model=config.model,
        directions=config.directions,
        offsets=config.offsets,
        lower=config.position_low,
        upper=config.position_high,
        retries=config.retries,
        fast_sync_read=config.fast_sync_read,
        return_delay=float(config.return_delay),
        current_limit=config.current_limit,
        profile_velocity=min(PROFILE_SPEED * config.velocity_limit, fastest),
        profile_acceleration=min(PROFILE_ACCELERATION * config.acceleration_limit, steepest),
        position_p_gain=config.gains.position_p,
        position_i_gain=config.gains.position_i,
        position_d_gain=config.gains.position_d,
        cycle_budget=CYCLE_SHARE * config.cycle,
        watchdog=config.watchdog,
    )
    if config.pace == 'lockstep':
        found = replace(found, reply_timeout=PATIENCE, late_reply=0.0, cycle_budget=10 * PATIENCE)
    return found


def preflight_of(chain: ServoChain, config: DriverConfig) -> Callable[[], str]:
    """
    Return the check before torque.

    What passes by itself is left to the monitors: a servo that is hot at the start cools down.

    :return: a function that returns the first reason to refuse torque, empty if there is none.
    """

    def check() -> str:
        refusals = preflight(chain, config).refusals
        return next((str(finding) for finding in refusals if finding.code not in PASSING), '')

    return check
