# SPDX-License-Identifier: Apache-2.0
"""docs/hardware.md says what the code does."""

from pathlib import Path
import re

import pytest
from r3l_driver.core import findings, preflight
from r3l_driver.core.config import DriverConfig
from r3l_driver.core.control_table import table_of_model
from r3l_driver.core.fault_table import ADVICE, fault_table, with_table
from r3l_driver.core.preflight import FREE_DISK, GOOD_DISK
from r3l_driver.core.safety import Fault, FAULTS
from r3l_node.core.errors import ConfigError

ROOT = Path(__file__).resolve().parents[4]
PAGE = (ROOT / 'docs' / 'hardware.md').read_text(encoding='utf-8')


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the first table below a heading."""
    lines = iter(PAGE.partition(heading)[2].splitlines())
    found: list[list[str]] = []
    for line in lines:
        if line.startswith('| `'):
            found.append([cell.strip() for cell in line.strip('|').split('|')])
        elif found:
            break
    return found


def test_every_fault_code_has_its_row_and_no_row_is_unknown() -> None:
    table = {row[0].strip('`'): row[1:] for row in rows('## 10.')}
    assert set(table) == {fault.value for fault in Fault}
    for fault in Fault:
        meaning, state, does, do = table[fault.value]
        assert meaning == FAULTS[fault].description
        assert state.startswith(FAULTS[fault].state.name)
        assert ('until cleared' in state) == FAULTS[fault].latched
        assert does == FAULTS[fault].promise
        assert do == ADVICE[fault] != ''


def test_the_page_is_as_the_generator_writes_it() -> None:
    assert with_table(PAGE) == PAGE, 'run python3 -m r3l_driver.core.fault_table docs/hardware.md'
    assert set(ADVICE) == set(FAULTS) == set(Fault)
    assert fault_table().count('\n') == len(Fault) + 1


def test_a_document_without_marks_is_refused() -> None:
    with pytest.raises(ConfigError, match='has no'):
        with_table('# Nothing')


def test_every_finding_of_the_check_has_its_row() -> None:
    table = {row[0].strip('`'): row[1] for row in rows('## 8.')}
    source = Path(preflight.__file__).read_text(encoding='utf-8')
    refused = set(re.findall(r"refuse\(\s*'(\w+)'", source)) | {'voltage_low', 'voltage_high'}
    warned = set(re.findall(r"warn\(\s*'(\w+)'", source))
    assert set(table) == refused | warned | {'latency_timer'}
    for code, severity in table.items():
        assert severity.startswith('warning' if code in warned else 'refused'), code
    assert set(table) >= findings.PASSING


def test_pictures_links_and_numbers_are_there() -> None:
    for target in re.findall(r'\]\((?!http)([^)#]+)\)', PAGE):
        assert (ROOT / 'docs' / target).resolve().exists(), target
    config = DriverConfig()
    assert f'each motor to {config.current_limit:g} A' in PAGE
    assert f'for {config.bus_rate:g} bus cycles' in PAGE.replace('\n', ' ')
    assert f'HOLD becomes LIMP after {config.limp_after:g} s' in PAGE
    assert f'{config.baud_rate:,} bit/s' in PAGE
    assert f'Below {table_of_model(config.model).watchdog_firmware} there is' in PAGE
    assert f'Less than {FREE_DISK >> 30} GiB' in PAGE
    assert f'Less than {GOOD_DISK >> 30} GiB' in PAGE
    chains = re.findall(r'finger (\d): (\d+) ─ (\d+) ─ (\d+)', PAGE)
    assert tuple(int(x) for chain in chains for x in chain[1:]) == config.ids


def test_the_udev_rule_is_tight_and_sets_the_latency() -> None:
    rule = (ROOT / 'launch' / 'config' / 'udev' / '99-dynamixel.rules').read_text('utf-8')
    (line,) = [line for line in rule.splitlines() if line and not line.startswith('#')]
    for part in (
        'ATTR{device/latency_timer}="1"', 'MODE="0660"', 'GROUP="dialout"', 'SYMLINK+="ttyDXL"',
    ):  # fmt: skip
        assert part in line
