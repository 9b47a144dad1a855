# SPDX-License-Identifier: Apache-2.0
"""``r3l find-port``: the serial adapters, and which servos answer behind them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path

from r3l_bringup.hand_bus import open_bus
from r3l_driver.core.discovery import Adapter, adapters, Answer, BAUD_RATES, latency_timer, scan
from r3l_node.core.errors import ConfigError

NOTHING = (
    'no serial adapter is connected: plug the adapter of the servos (U2D2, or another that the '
    'kernel shows as /dev/ttyUSB* or /dev/ttyACM*) into a USB port'
)


def find_port(
    ports: Sequence[str] = (),
    bauds: Sequence[int] = BAUD_RATES,
    say: Callable[[str], None] = print,
) -> bool:
    """
    Say what is connected and what answers.

    :param ports: devices to ask; empty: all adapters.
    :param bauds: speeds to try [bit/s].
    :param say: takes one line.
    :return: whether any servo answers.
    """
    found = [_named(port) for port in ports] or adapters()
    if not found:
        say(NOTHING)
        return False
    answers = [answer for adapter in found for answer in _ask(adapter, bauds, say)]
    if not answers:
        say(
            'no servo answers: switch their supply on, check the plug at the adapter, and close '
            'what else uses the port'
        )
    return bool(answers)


def _named(port: str) -> Adapter:
    return Adapter(Path(port), (), latency_timer(Path(port)))


def _ask(adapter: Adapter, bauds: Sequence[int], say: Callable[[str], None]) -> list[Answer]:
    latency = '' if adapter.latency is None else f', latency timer {adapter.latency} ms'
    say(f'{adapter.path}{latency}')
    for name in adapter.names:
        say(f'  also {name}')

    def ping_all(baud: int) -> list[tuple[int, int, int]]:
        with open_bus(str(adapter.path), baud) as bus:
            return [(servo, *ping) for servo, ping in bus.scan().items()]

    try:
        answers = list(scan(ping_all, bauds))
    except ConfigError as error:
        say(f'  {error}')
        return []
    for baud, group in groupby(answers, key=lambda answer: answer.baud):
        say(f'  at {baud} bit/s:')
        for answer in group:
            say(f'    id {answer.id:3d}: {answer.model}, firmware {answer.firmware}')
    if not answers:
        say(f'  nothing answers at {", ".join(map(str, bauds))} bit/s')
    return answers
