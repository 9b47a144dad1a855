# SPDX-License-Identifier: Apache-2.0
"""Env steps per second with the driver on an emulated bus, over those with the simulator."""

from __future__ import annotations

from typing import Any

from r3l_bringup.bench.graph import run_graph, SETTINGS
from r3l_bringup.config import Request, resolve


def measure(seconds: float) -> dict[str, Any]:
    """
    Run both graphs in lockstep, without learning, one after the other and back again.

    :param seconds: of each measurement [s].
    :return: ``ratio`` and the figures behind it.
    """
    found: dict[str, list[dict[str, Any]]] = {'sim': [], 'fake': []}
    for hardware in ('sim', 'fake', 'fake', 'sim'):
        values = resolve(Request(sets=SETTINGS, hardware=hardware))
        found[hardware].append(run_graph(values, seconds / 2))
    rates = {name: sum(run['rate'] for run in runs) / 2 for name, runs in found.items()}
    figures: dict[str, Any] = {'ratio': round(rates['fake'] / rates['sim'], 3)}
    for name, runs in found.items():
        figures[f'{name}_steps_per_second'] = round(rates[name], 1)
        figures[f'{name}_cpu_ms'] = {
            node: round(sum(run['cpu_ms'][node] for run in runs) / 2, 2)
            for node in runs[0]['cpu_ms']
        }
    _show(figures)
    return figures


def _show(figures: dict[str, Any]) -> None:
    print(f'ratio: {figures["ratio"]}')
    for name in ('sim', 'fake'):
        print(
            f'{name}: {figures[f"{name}_steps_per_second"]} env steps/s; processor time per step:'
        )
        for node, ms in figures[f'{name}_cpu_ms'].items():
            print(f'  {node:10} {ms:7.2f} ms')
