# SPDX-License-Identifier: Apache-2.0
"""What follows from the hardware of a run: its graph and its parameters."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from r3l_bringup.graph import DRIVERS, graph, HARDWARE, NodeSpec
from r3l_node.core.errors import ConfigError

# Parameters by node and name; EVERY node that has such a parameter, a ROS wildcard.
Values = dict[str, dict[str, Any]]
EVERY = '/**'
# Cycles of an emulated bus in lockstep [Hz]: each costs 2 to 3 ms, and between two of them the
# servos' own profile moves on evenly. A multiple of the control rates of all profiles.
LOCKSTEP_BUS_RATE = 20.0
# Emulated time passes several times as fast as ours, and an audit costs as much as a cycle [s].
LOCKSTEP_AUDIT_PERIOD = 10.0


def graph_of(values: Mapping[str, Mapping[str, Any]]) -> tuple[NodeSpec, ...]:
    """Return the graph that parameters are for."""
    monitor = values.get('monitor', {})
    return graph(monitor.get('hardware', HARDWARE[0]), monitor.get('driver', DRIVERS[0]))


def enabled_graph(values: Mapping[str, Mapping[str, Any]]) -> tuple[NodeSpec, ...]:
    """Return the nodes that are started: the graph without those that are not ``enabled``."""
    off = {name for name, own in values.items() if own.get('enabled') is False}
    return without(graph_of(values), off)


def without(graph: Iterable[NodeSpec], absent: Collection[str]) -> tuple[NodeSpec, ...]:
    """
    Return a graph without some nodes; nobody waits for them.

    :param absent: their names.
    """
    return tuple(
        replace(spec, after=tuple(name for name in spec.after if name not in absent))
        for spec in graph
        if spec.name not in absent
    )


def options(
    hardware: str | None,
    driver: str | None,
    pace: str | None,
    port: str | None,
    calibration: str | None,
) -> Values:
    """
    Return the parameters that follow from what a user says of the hardware; None: nothing.

    :param hardware: one of ``HARDWARE``.
    :param driver: of a real hand, one of ``DRIVERS``.
    :param pace: lockstep or realtime.
    :param port: serial device of a real hand.
    :param calibration: file of a real hand.
    :raises ConfigError: if the hardware has no such option.
    """
    kind, by = hardware or HARDWARE[0], driver or DRIVERS[0]
    for name, found, choices in (('hardware', kind, HARDWARE), ('driver', by, DRIVERS)):
        if found not in choices:
            raise ConfigError(f"{name} is '{found}': expected one of {', '.join(choices)}")
    ours = kind == 'real' and by == 'dynamixel'
    what = kind if kind != 'real' else f'real and driver {by}'
    for name, value, good in (
        ('driver', driver, kind == 'real'),
        ('port', port, ours),
        ('calibration', calibration, ours),
    ):
        if value is not None and not good:
            raise ConfigError(f"{name} is '{value}': expected none with hardware {what}")
    if kind == 'real' and pace == 'lockstep':
        raise ConfigError('pace is lockstep: expected realtime with hardware real')
    if kind == 'sim':
        return {}
    result: Values = {
        EVERY: {'pace': 'lockstep'},
        'monitor': {'hardware': kind, 'driver': by},
        'agent': {'driver': True},
    }
    if kind == 'real':
        result[EVERY] = {'pace': 'realtime', 'lockstep': False}
        result['monitor']['final_wait'] = 0.0  # No evaluator: nothing to wait for.
        result['driver'] = _given(port=port, calibration=calibration)
    elif pace == 'realtime':
        result[EVERY]['pace'] = pace
    else:
        result[EVERY]['bus_rate'] = LOCKSTEP_BUS_RATE
        result['driver'] = {'audit_period': LOCKSTEP_AUDIT_PERIOD}
    return result


def _given(**values: str | None) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
