# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
from r3l_bringup.bench import bus


def test_the_limit_of_the_wire_is_that_of_its_bytes() -> None:
    # Request 23, reply 8 + 9 x 20, goals 14 + 9 x 5 bytes; ten bits each.
    assert bus.wire_limit(1_000_000) == pytest.approx(270e-5)
    assert bus.wire_limit(4_000_000) == pytest.approx(67.5e-5)


def test_cycles_are_measured_on_emulated_servos_with_the_times_of_a_wire(tmp_path: Path) -> None:
    found = bus._cycles(tmp_path / 'bus', 1_000_000, 0.2)
    assert found['ratio'] >= 1.0
    assert found['limit_ms'] == pytest.approx(2.7)
    assert found['bare_ms'] >= found['limit_ms']
    assert 0.0 < found['cpu_ms'] < found['p99_ms']
