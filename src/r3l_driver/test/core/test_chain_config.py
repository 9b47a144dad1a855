# SPDX-License-Identifier: Apache-2.0
import dataclasses
import math

import pytest
from r3l_driver.core.chain_config import ChainConfig
from r3l_driver.core.control_table import TABLES
from r3l_driver.core.set_up import settings, watchdog_value
from r3l_driver.core.state_block import BLOCK_BYTES, block_pointers, MOST_BYTES
from r3l_node.core.errors import ConfigError


def test_what_is_left_out_has_one_element_per_servo():
    config = ChainConfig('/dev/x', ids=(1, 2))
    assert config.joint_names == ('joint_1', 'joint_2')
    assert config.directions == (1, 1)
    assert config.lower == pytest.approx((-math.pi, -math.pi))
    assert config.servo(1) == 'servo 2 (joint_2)'
    assert config.table.model == 'XM430-W210'


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'ids': ()}, 'ids is empty'),
        ({'ids': (1, 1)}, r'ids is \[1, 1\]: expected different ids from 0 to 252'),
        ({'ids': (1, 253)}, 'expected different ids'),
        ({'joint_names': ('a',)}, 'joint_names has 1 elements: expected 2'),
        ({'joint_names': ('a', 'a')}, 'expected no name twice'),
        ({'directions': (1, 0)}, 'directions holds 0: expected 1 or -1'),
        ({'lower': (0.0, 0.5), 'upper': (1.0, 0.5)}, r'servo 2 \(joint_2\) has limits 0.5 to 0.5'),
        ({'upper': (math.nan, 0.5)}, 'has limits -3.14159 to nan rad'),
        ({'offsets': (0.0, 3.0), 'lower': (-1.0, -1.0), 'upper': (1.0, 1.0)}, 'centre at 3 rad'),
        ({'baud': 12345}, 'baud is 12345: expected one of 9600, '),
        ({'model': 'AX-12'}, "servo model is 'AX-12'"),
        ({'operating_mode': 1}, 'operating_mode is 1: expected 3'),
        ({'current_limit': 0.0}, 'current_limit is 0: expected 0.00269 to 3.209'),
        ({'current_limit': 3.3}, 'current_limit is 3.3'),
        ({'watchdog': 3.0}, 'watchdog is 3: expected 0.02 to 2.54'),
        ({'profile_velocity': 0.0}, 'profile_velocity is 0'),
        ({'retries': -1}, 'retries is -1: expected 0 to 10'),
    ],
)
def test_a_wrong_configuration_is_refused_by_name(change, message):
    with pytest.raises(ConfigError, match=message):
        ChainConfig(**({'port': '/dev/x', 'ids': (1, 2)} | change))


def test_settings_are_in_the_units_of_the_servo_and_never_without_limit():
    config = ChainConfig('/dev/x', current_limit=0.77, profile_velocity=6.0, watchdog=0.21)
    found = settings(config)
    assert found['goal_current'] == 286  # 0.7693 A: rounded down
    assert found['profile_velocity'] == 250
    assert watchdog_value(config) == 10
    assert watchdog_value(dataclasses.replace(config, watchdog=0.2)) == 10
    slow = dataclasses.replace(config, profile_velocity=config.table.velocity_unit)
    assert settings(slow)['profile_velocity'] == 1


@pytest.mark.parametrize('table', TABLES.values(), ids=lambda table: table.model)
def test_the_block_fits_the_indirect_data_of_every_model(table):
    pointers = block_pointers(table)
    assert BLOCK_BYTES == 16
    assert len(pointers) == 2 * MOST_BYTES
    assert table.indirect_count >= MOST_BYTES
    for k in range(0, len(pointers), 2):
        address = pointers[k] | pointers[k + 1] << 8
        item = table['indirect_address_1']
        assert item.minimum <= address <= item.maximum
