# SPDX-License-Identifier: Apache-2.0
from itertools import pairwise

from hypothesis import given, strategies
import pytest
from r3l_driver.core.control_table import table_of_model, table_of_number, TABLES
from r3l_node.core.errors import ConfigError

ITEMS = [item for table in TABLES.values() for item in table]


@pytest.mark.parametrize('table', TABLES.values(), ids=lambda table: table.model)
def test_items_follow_one_another_without_overlap(table):
    for before, after in pairwise(table):
        assert before.address + before.size <= after.address, (before.name, after.name)


@pytest.mark.parametrize('table', TABLES.values(), ids=lambda table: table.model)
def test_defaults_lie_in_their_ranges_and_fit_their_bytes(table):
    for item in table:
        assert item.minimum <= item.default <= item.maximum, item.name
        for value in (item.minimum, item.maximum):
            assert item.decode(item.encode(value)) == value, item.name


def test_the_table_of_the_default_servo_is_that_of_the_e_manual():
    table = table_of_model('XM430-W210')
    found = {name: (table[name].address, table[name].size, table[name].default) for name in (
        'model_number', 'return_delay_time', 'operating_mode', 'current_limit', 'shutdown',
        'position_p_gain', 'bus_watchdog', 'goal_position', 'present_current', 'present_position',
        'realtime_tick', 'indirect_address_28', 'indirect_data_28', 'indirect_address_29',
        'indirect_data_56',
    )}  # fmt: skip
    assert found == {
        'model_number': (0, 2, 1030),
        'return_delay_time': (9, 1, 250),
        'operating_mode': (11, 1, 3),
        'current_limit': (38, 2, 1193),
        'shutdown': (63, 1, 52),
        'position_p_gain': (84, 2, 800),
        'bus_watchdog': (98, 1, 0),
        'goal_position': (116, 4, 0),
        'present_current': (126, 2, 0),
        'present_position': (132, 4, 0),
        'realtime_tick': (120, 2, 0),
        'indirect_address_28': (222, 2, 251),
        'indirect_data_28': (251, 1, 0),
        'indirect_address_29': (578, 2, 634),
        'indirect_data_56': (661, 1, 0),
    }
    assert table.indirect_count == 56
    assert table.current_unit == pytest.approx(0.00269)
    assert table.torque_constant == pytest.approx(3.0 / 2.3)


def test_the_small_servo_has_its_own_defaults_and_twenty_indirect_bytes():
    table = table_of_model('XL330-M288')
    assert table.indirect_count == 20
    assert (table['indirect_data_1'].address, table['indirect_data_20'].address) == (208, 227)
    assert table['temperature_limit'].default == 70
    assert table['min_voltage_limit'].default == 35
    assert table['shutdown'].default == 53
    assert table['position_p_gain'].default == 400


def test_a_table_is_found_by_name_and_by_number():
    for table in TABLES.values():
        assert table_of_number(table.number) is table_of_model(table.model)
    with pytest.raises(ConfigError, match="'XM540': expected one of XM430-W210, "):
        table_of_model('XM540')
    with pytest.raises(ConfigError, match=r'is 7: expected one of 1030 \(XM430-W210\), '):
        table_of_number(7)


@given(strategies.sampled_from(ITEMS), strategies.integers(-(2**33), 2**33))
def test_a_value_is_encoded_exactly_or_refused_by_name(item, value):
    if item.minimum <= value <= item.maximum:
        data = item.encode(value)
        assert len(data) == item.size
        assert item.decode(data) == value
    else:
        with pytest.raises(ConfigError, match=f'{item.name} is {value}: expected {item.minimum} '):
            item.encode(value)
