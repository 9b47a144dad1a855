# SPDX-License-Identifier: Apache-2.0
"""Env steps per second of the graph in lockstep with a recorder, over those without."""

from __future__ import annotations

from typing import Any

from r3l_bringup.bench.graph import run_graph, SETTINGS
from r3l_bringup.config import Request, resolve


def measure(seconds: float) -> dict[str, Any]:
    """
    Run one graph without learning, whose recorder comes and goes.

    :param seconds: of the measurement with a recorder [s]; that without takes as long.
    :return: ``ratio`` and the figures behind it.
    """
    values = resolve(Request(sets=SETTINGS))
    turns = run_graph(values, seconds, 'record_probe')['turns']
    # Each turn with a recorder against the turns before and after it: the machine may drift.
    ratios = [
        2 * turns[i]['rate'] / (turns[i - 1]['rate'] + turns[i + 1]['rate'])
        for i in range(1, len(turns), 2)
    ]
    ratios.sort()
    rates = {on: [t['rate'] for t in turns if t['recording'] is on] for on in (False, True)}
    cpu = [t['cpu_ms'].get('recorder', 0.0) for t in turns if t['recording']]
    figures = {
        'ratio': round(ratios[len(ratios) // 2], 3),
        'ratios': [round(ratio, 3) for ratio in ratios],
        'recorded_steps_per_second': round(sum(rates[True]) / len(rates[True]), 1),
        'plain_steps_per_second': round(sum(rates[False]) / len(rates[False]), 1),
        'recorder_cpu_ms': round(sum(cpu) / len(cpu), 3),
    }
    print(f'with a recorder:    {figures["recorded_steps_per_second"]} env steps/s')
    print(f'without a recorder: {figures["plain_steps_per_second"]} env steps/s')
    print(f'processor time of the recorder: {figures["recorder_cpu_ms"]} ms per env step')
    print(f'ratio: {figures["ratio"]} (median of {figures["ratios"]})')
    return figures
