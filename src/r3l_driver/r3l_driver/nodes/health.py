# SPDX-License-Identifier: Apache-2.0
"""What the driver says on ``/diagnostics``."""

import numpy as np
from r3l_driver.core.chain_config import Chain
from r3l_driver.core.hand_driver import HandDriver
from r3l_driver.core.safety import State
from r3l_driver.nodes.bus_thread import BusThread
from r3l_driver.nodes.lockstep import Lockstep
from r3l_node.nodes.diagnostics import Diagnostics, Level, Report
from rclpy.node import Node

SLOW = 0.9  # share of a bus cycle that its p99 may take


class Health:
    """
    Report on safety, bus and servos.

    ``bus`` and ``lockstep`` are what drives the hand at present, None if nothing does.

    :param node: owner of the publisher.
    :param driver: read without a lock: single values, none of which belongs to another.
    :param chain: counts failures.
    """

    def __init__(self, node: Node, driver: HandDriver, chain: Chain) -> None:
        self.bus: BusThread | None = None
        self.lockstep: Lockstep | None = None
        self._driver = driver
        self._chain = chain
        self._diagnostics = Diagnostics(node, hardware_id=driver.config.port)
        self._diagnostics.add('safety', self._safety)
        self._diagnostics.add('bus', self._bus)
        self._diagnostics.add('servos', self._servos)
        self._failures = 0

    def _safety(self) -> Report:
        safety, commands = self._driver.safety, self._driver.commands
        figures = {
            'interruptions': safety.interruptions,
            'commands accepted': commands.accepted,
            'commands rejected': commands.rejected,
            'reboots': self._driver.servos.reboots.total,
            'positions rejected': self._driver.monitors.rejected,
        }
        words = f'{safety.state.name} {safety.code} {safety.reason}'.strip()
        if safety.state is State.RUN:
            return Level.OK, words, figures
        return (Level.WARN if safety.state <= State.HOLD else Level.ERROR), words, figures

    def _bus(self) -> Report:
        failures = int(self._chain.counters.sum())
        fresh, self._failures = failures - self._failures, failures
        figures: dict[str, object] = {'bus errors': failures}
        if self.lockstep is not None:
            figures |= {
                'control periods': self.lockstep.periods,
                'commands dropped': self.lockstep.dropped,
                'observations repeated': self.lockstep.repeated,
                'observations incomplete': self.lockstep.incomplete,
            }
        elif self.bus is not None:
            times = self.bus.figures()
            figures |= {name: f'{value:.6g}' for name, value in times.items()}
            if times['cycle time p99'] > SLOW * self._driver.config.cycle:
                return Level.WARN, 'bus cycles take too long', figures
        if not self._driver.link.ready:
            return Level.ERROR, self._driver.link.trouble, figures
        if fresh:
            return Level.WARN, f'{fresh} bus errors in the last second', figures
        return Level.OK, 'all packets arrive', figures

    def _servos(self) -> Report:
        monitors, config = self._driver.monitors, self._driver.config
        heat, voltage = monitors.temperature, monitors.voltage
        figures: dict[str, object] = {
            f'{name} temperature': f'{value:.0f}'
            for name, value in zip(config.joint_names, heat, strict=True)
        }
        if not np.isfinite(heat).any():
            return Level.STALE, 'nothing was read yet', figures
        figures['least voltage'] = f'{np.nanmin(voltage):.1f}'
        hottest = int(np.nanargmax(heat))
        words = f'{config.joint_names[hottest]} is the hottest with {heat[hottest]:.0f} degC'
        warm = heat[hottest] >= config.temperature_warning
        return (Level.WARN if warm or monitors.errors.any() else Level.OK), words, figures
