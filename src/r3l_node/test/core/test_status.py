# SPDX-License-Identifier: Apache-2.0
"""Figures of the live screen."""

import pytest
from r3l_node.core.status import RateMeter


def test_the_rate_is_that_of_the_last_half_minute() -> None:
    meter = RateMeter()
    assert meter.add(0.0, 100) is None
    assert meter.add(2.0, 150) == pytest.approx(25.0)
    for second in range(3, 120):
        rate = meter.add(float(second), 150 + 10 * (second - 2))
    assert rate == pytest.approx(10.0)


def test_the_steps_of_an_earlier_session_are_not_counted_as_speed() -> None:
    meter = RateMeter()
    meter.add(0.0, 0)
    assert meter.add(1.0, 50_000) is None
    assert meter.add(3.0, 50_040) == pytest.approx(20.0)
