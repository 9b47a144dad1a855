# SPDX-License-Identifier: Apache-2.0
"""Moments as a person names them, and how far answers may differ."""

from datetime import datetime

import numpy as np
import pytest
from r3l_bag.core.agreement import Agreement
from r3l_bag.core.moment import clock_text, date_text, NANO, parse_moment
from r3l_node.core.errors import ConfigError

# A night of six hours that begins half a minute after eleven.
START = int(datetime(2026, 11, 22, 23, 0, 30).timestamp()) * NANO
END = START + 6 * 3600 * NANO


@pytest.mark.parametrize(
    ('text', 'seconds'),
    [
        ('0', 0.0),
        ('12.5', 12.5),
        ('23:01', 30.0),
        ('23:00', 0.0),
        ('23:00:45', 15.0),
        ('03:12', 4 * 3600 + 11 * 60 + 30),
        ('3:12:01.5', 4 * 3600 + 11 * 60 + 31.5),
    ],
)
def test_a_moment_is_found(text: str, seconds: float) -> None:
    assert parse_moment(text, START, END, '--at') == START + round(seconds * NANO)


@pytest.mark.parametrize(
    'text', ['', 'noon', '24:00', '03:61', '12:00', '-1', '1e9', 'nan', 'inf']
)
def test_what_is_no_moment_is_refused_in_one_sentence(text: str) -> None:
    sentence = f"--at is '{text}': expected a time from 23:00:30 to 05:00:30 as HH:MM:SS, or"
    with pytest.raises(ConfigError) as error:
        parse_moment(text, START, END, '--at')
    assert str(error.value) == f'{sentence} seconds from 0 to 21600.0'


def test_times_are_shown_as_local_time() -> None:
    assert clock_text(START) == '23:00:30'
    assert date_text(START + NANO // 4) == '2026-11-22 23:00:30.2'


def test_answers_are_equal_close_or_differ() -> None:
    agreement = Agreement()
    values = np.float32([1.0, -20.0])
    agreement.add(values, values.copy(), 1)
    agreement.add(values, values + np.float32([0.0, 1e-4]), 2)
    assert (agreement.equal, agreement.close, agreement.good) == (1, 1, True)
    agreement.add(values, values + np.float32([0.5, 0.0]), 3)
    agreement.add(values, values + np.float32([0.1, 0.0]), 4)
    assert (agreement.differ, agreement.largest_time, agreement.good) == (2, 3, False)
    assert agreement.sentence('latent', 'then') == (
        'latent: 4 compared: 1 equal bit for bit, 1 within 1e-05, 2 differ; '
        'largest difference 0.5 at then'
    )
    agreement.add(values, np.float32([1.0]), 5)
    agreement.add(values, np.float32([1.0, np.nan]), 6)
    assert (agreement.differ, agreement.largest) == (4, float('inf'))
