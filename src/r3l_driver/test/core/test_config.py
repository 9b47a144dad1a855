# SPDX-License-Identifier: Apache-2.0
"""Parameters of the driver that do not go together are refused."""

import math
from pathlib import Path

import pytest
from r3l_driver.core.calibration_file import Calibration, write_calibration
from r3l_driver.core.config import DriverConfig
from r3l_driver.core.external_config import ExternalConfig
from r3l_driver.core.robot import chain_config, with_calibration
from r3l_node.core.errors import ConfigError
from r3l_node.core.parameters import build, ParameterError

WRONG = [
    ({'ids': [11, 12]}, 'ids has 2 values: expected 9'),
    ({'ids': [11] * 9}, 'ids has 11 twice'),
    ({'joint_names': []}, 'joint_names is empty'),
    ({'position_low': [2.0] * 9}, 'position_low of finger1_joint1 is 2 rad'),
    ({'temperature_resume': 62.0}, 'resume < warning'),
    ({'voltage_low': 16.0}, 'voltage_low is 16 V'),
    ({'watchdog': 0.04}, 'three bus cycles'),
    ({'control_rate': 60.0}, 'bus_rate is 50 Hz'),
    ({'pace': 'lockstep', 'control_rate': 7.0}, 'a multiple of control_rate'),
    ({'model': 'AX-12'}, "AX-12.*expected 'XM430-W210'"),
    ({'baud_rate': 999}, 'expected 9600'),
]


def test_defaults_are_a_claw_of_nine_servos():
    config = build(DriverConfig, {}, node='driver')
    assert config.ids == (11, 12, 13, 21, 22, 23, 31, 32, 33)
    assert config.joint_names[3] == 'finger2_joint1'
    assert config.cycle == pytest.approx(0.02)


@pytest.mark.parametrize(('values', 'words'), WRONG)
def test_values_that_do_not_go_together_are_refused(values, words):
    with pytest.raises(ParameterError, match=words):
        build(DriverConfig, values, node='driver')


def test_limits_of_the_driver_are_written_to_the_chain():
    config = DriverConfig()
    chain = chain_config(config)
    assert chain.lower == config.position_low
    assert chain.upper == config.position_high
    assert chain.profile_velocity >= config.velocity_limit
    assert chain.current_limit == config.current_limit


def test_calibration_replaces_ids_directions_and_offsets_by_name(tmp_path: Path):
    config = DriverConfig()
    names = tuple(reversed(config.joint_names))
    path = tmp_path / 'calibration.yaml'
    offsets = tuple(0.01 * k for k in range(9))
    calibration = Calibration(
        config.model, names, config.ids, (-1,) * 9, offsets, 'today', (1030,) * 9, (45,) * 9
    )
    write_calibration(path, calibration)
    found = with_calibration(DriverConfig(calibration=str(path)))
    assert found.ids == tuple(reversed(config.ids))
    assert found.directions == (-1,) * 9
    assert found.offsets == tuple(reversed(offsets))


def test_missing_calibration_is_named(tmp_path: Path):
    with pytest.raises(ConfigError, match=r'nothing\.yaml'):
        with_calibration(DriverConfig(calibration=str(tmp_path / 'nothing.yaml')))


def test_relay_refuses_limits_that_do_not_fit():
    with pytest.raises(ValueError, match='expected 9, one per joint'):
        ExternalConfig(position_low=(0.0,))
    with pytest.raises(ValueError, match='finger1_joint1 is 2 rad'):
        ExternalConfig(position_low=(2.0,) * 9)
    assert math.isclose(ExternalConfig().position_high[2], math.pi / 2)
