# SPDX-License-Identifier: Apache-2.0
"""Moments of a recording as a person names them."""

from __future__ import annotations

from datetime import datetime, timedelta
import re

from r3l_node.core.errors import ConfigError

NANO = 10**9
_CLOCK = re.compile(r'(\d{1,2}):(\d{2})(?::(\d{2}(?:\.\d+)?))?')


def parse_moment(text: str, start: int, end: int, option: str) -> int:
    """
    Return the time that a text names.

    :param text: ``HH:MM``, ``HH:MM:SS`` (local time, the first such moment of the recording) or
        seconds from its start.
    :param start: of the recording [ns].
    :param end: of the recording [ns].
    :param option: name of the option, for the sentence of the error.
    :return: from ``start`` to ``end`` [ns].
    :raises ConfigError: if it is no time, or not one of the recording.
    """
    found = _of_clock(text, start) if ':' in text else _of_seconds(text, start)
    # A minute that the recording began in counts as its beginning.
    if found is not None and start - 60 * NANO < found < start:
        found = start
    if found is None or not start <= found <= end:
        raise ConfigError(
            f"{option} is '{text}': expected a time from {clock_text(start)} to {clock_text(end)} "
            f'as HH:MM:SS, or seconds from 0 to {(end - start) / NANO:.1f}'
        )
    return found


def clock_text(time: int) -> str:
    """
    Return a time as local time of day.

    :param time: since the epoch [ns].
    """
    return f'{datetime.fromtimestamp(time // NANO):%H:%M:%S}'


def date_text(time: int) -> str:
    """
    Return a time as local date and time of day, to the tenth of a second.

    :param time: since the epoch [ns].
    """
    seconds, rest = divmod(time, NANO)
    return f'{datetime.fromtimestamp(seconds):%Y-%m-%d %H:%M:%S}.{rest // 10**8}'


def _of_clock(text: str, start: int) -> int | None:
    match = _CLOCK.fullmatch(text.strip())
    if match is None:
        return None
    hours, minutes, seconds = int(match[1]), int(match[2]), float(match[3] or 0.0)
    if hours > 23 or minutes > 59 or seconds >= 60.0:
        return None
    begun = datetime.fromtimestamp(start // NANO)
    day = begun.replace(hour=0, minute=0, second=0)
    wanted = day + timedelta(hours=hours, minutes=minutes, seconds=seconds)
    if wanted < begun - timedelta(seconds=60):
        wanted += timedelta(days=1)
    return round(wanted.timestamp() * 1000) * (NANO // 1000)


def _of_seconds(text: str, start: int) -> int | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    # Written so that a NaN, too, is none.
    return start + round(seconds * NANO) if 0.0 <= seconds < 1e9 else None
