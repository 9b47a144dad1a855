# SPDX-License-Identifier: Apache-2.0
"""What a chain of servos is made of, what it reads, and the operations that it offers."""

from __future__ import annotations

from dataclasses import dataclass
import math
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from r3l_driver.core.control_table import (
    BAUD_RATES,
    ControlTable,
    OperatingMode,
    table_of_model,
    WATCHDOG_UNIT,
)
from r3l_node.core.errors import ConfigError

Mask = NDArray[np.bool_]

_CLAW_IDS = (11, 12, 13, 21, 22, 23, 31, 32, 33)


@dataclass(frozen=True, slots=True)
class ChainConfig:
    """
    The servos of a hand on one bus; everything per joint in the order of ``ids``.

    ``position = direction * (ticks - 2048) * 2 pi / 4096 + offset``

    :param port: path of the serial device.
    :param baud: bits per second.
    :param joint_names: in the order of ``ids``.
    :param model: name of a control table; all servos are of it.
    :param directions: +1 or -1: sense of rotation of the joint against the servo.
    :param offsets: position of the joint where the servo is at its centre [rad].
    :param lower: least position ever written as a goal [rad].
    :param upper: greatest position ever written as a goal [rad].
    :param retries: further tries after a failed read within one cycle.
    :param fast_sync_read: one packet from all servos instead of one from each.
    :param return_delay: what Return Delay Time is set to in the servos [us].
    :param reply_timeout: for a reply, beyond the time of its bytes and return delays [s].
    :param late_reply: a reply may still come so long after its time-out [s].
    :param cycle_budget: no further try begins later in a cycle than this [s].
    :param operating_mode: position or current-based position; only the latter limits current.
    :param current_limit: written as goal current [A].
    :param profile_velocity: limit in the servo itself [rad/s].
    :param profile_acceleration: limit in the servo itself [rad/s^2].
    :param watchdog: time without a packet after which the servo stops itself [s].
    :param reboot_timeout: a servo answers again within this after a reboot [s].
    """

    port: str
    ids: tuple[int, ...] = _CLAW_IDS
    joint_names: tuple[str, ...] = ()
    baud: int = 1_000_000
    model: str = 'XM430-W210'
    directions: tuple[int, ...] = ()
    offsets: tuple[float, ...] = ()
    lower: tuple[float, ...] = ()
    upper: tuple[float, ...] = ()
    retries: int = 2
    fast_sync_read: bool = True
    return_delay: float = 0.0
    reply_timeout: float = 0.006
    late_reply: float = 0.1
    cycle_budget: float = 0.012
    operating_mode: int = OperatingMode.CURRENT_BASED_POSITION
    current_limit: float = 1.0
    profile_velocity: float = 3.0
    profile_acceleration: float = 30.0
    position_p_gain: int = 800
    position_i_gain: int = 0
    position_d_gain: int = 0
    watchdog: float = 0.2
    reboot_timeout: float = 1.0

    def __post_init__(self) -> None:
        """Fill in what was left out, one element per servo, and check everything."""
        fill = object.__setattr__
        count = len(self.ids)
        if not self.joint_names:
            fill(self, 'joint_names', tuple(f'joint_{number}' for number in self.ids))
        for name, value in (('directions', 1), ('offsets', 0.0)):
            if not getattr(self, name):
                fill(self, name, (value,) * count)
        if not self.lower:
            fill(self, 'lower', tuple(offset - math.pi for offset in self.offsets))
        if not self.upper:
            fill(self, 'upper', tuple(offset + 0.999 * math.pi for offset in self.offsets))
        self._check_lists(count)
        self._check_limits()
        self._check_settings(self.table)

    @property
    def table(self) -> ControlTable:
        """The control table of the servos."""
        return table_of_model(self.model)

    def servo(self, index: int) -> str:
        """Name a servo in messages, as in ``servo 11 (a_top)``."""
        return f'servo {self.ids[index]} ({self.joint_names[index]})'

    def _check_lists(self, count: int) -> None:
        if count == 0:
            raise ConfigError('ids is empty: expected the id of at least one servo')
        if len(set(self.ids)) != count or not all(0 <= number <= 252 for number in self.ids):
            raise ConfigError(f'ids is {list(self.ids)}: expected different ids from 0 to 252')
        for name in ('joint_names', 'directions', 'offsets', 'lower', 'upper'):
            found = len(getattr(self, name))
            if found != count:
                raise ConfigError(
                    f'{name} has {found} elements: expected {count}, one for each servo'
                )
        if len(set(self.joint_names)) != count:
            raise ConfigError(f'joint_names is {list(self.joint_names)}: expected no name twice')
        for direction in self.directions:
            if direction not in (-1, 1):
                raise ConfigError(f'directions holds {direction}: expected 1 or -1')

    def _check_limits(self) -> None:
        for index, (lower, upper) in enumerate(zip(self.lower, self.upper, strict=True)):
            offset = self.offsets[index]
            inside = offset - math.pi <= lower < upper < offset + math.pi
            if not inside:
                raise ConfigError(
                    f'{self.servo(index)} has limits {lower:g} to {upper:g} rad: expected '
                    f'a range within half a turn of its centre at {offset:g} rad'
                )

    def _check_settings(self, table: ControlTable) -> None:
        if self.baud not in BAUD_RATES.values():
            known = ', '.join(str(rate) for rate in BAUD_RATES.values())
            raise ConfigError(f'baud is {self.baud}: expected one of {known}')
        modes = (OperatingMode.POSITION, OperatingMode.CURRENT_BASED_POSITION)
        if self.operating_mode not in modes:
            raise ConfigError(
                f'operating_mode is {self.operating_mode}: expected 3 (position) '
                'or 5 (current-based position)'
            )
        greatest = table['current_limit'].maximum * table.current_unit
        for name, low, high in (
            ('current_limit', table.current_unit, greatest),
            ('watchdog', WATCHDOG_UNIT, 127 * WATCHDOG_UNIT),
            ('profile_velocity', table.velocity_unit, 1_023 * table.velocity_unit),
            ('profile_acceleration', table.acceleration_unit, 32_767 * table.acceleration_unit),
            ('return_delay', 0.0, 508.0),
            ('reply_timeout', 0.0005, 10.0),
            ('retries', 0, 10),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigError(f'{name} is {value:g}: expected {low:.4g} to {high:.4g}')


@dataclass(frozen=True, slots=True)
class Readings:
    """
    State of all servos in one cycle; arrays of shape (n,) in the order of the joints.

    Where ``ok`` is false, floats are NaN and the rest is 0; no value is ever carried over.

    :param ok: read in this cycle and believable.
    :param position: [rad].
    :param velocity: [rad/s].
    :param current: positive where it turns the joint to greater positions [A].
    :param temperature: inside the servo [degC].
    :param voltage: at the servo [V].
    :param error: bits of ``control_table.HardwareError``.
    :param alert: the alert bit of the reply: ``error`` is not 0, or was just now.
    :param tick: the servo's own clock, 0 to 32,767 [ms].
    :param restarted: it answered, but has lost its set-up: it has restarted. ``ok`` is false.
    """

    ok: Mask
    position: NDArray[np.float64]
    velocity: NDArray[np.float64]
    current: NDArray[np.float64]
    temperature: NDArray[np.float64]
    voltage: NDArray[np.float64]
    error: NDArray[np.uint8]
    alert: Mask
    tick: NDArray[np.int64]
    restarted: Mask


class Identity(NamedTuple):
    """What a servo says of itself."""

    id: int
    model_number: int
    firmware: int


class Chain(Protocol):
    """
    The servos of a hand in joint units; raw ticks and currents stay behind it.

    Every operation may raise ``PortLost``; those on single servos raise ``BusError`` where
    nothing else is said. A ``mask`` has shape (n,) and selects joints.
    """

    config: ChainConfig

    @property
    def is_open(self) -> bool:
        """Whether the port is open."""

    @property
    def counters(self) -> NDArray[np.uint64]:
        """Failed reads and writes of each joint since the start, shape (n,)."""

    def open(self) -> None:
        """
        Open the port, locked for this process.

        :raises PortBusy: if another process drives it.
        :raises PortLost: if it is not there.
        """

    def close(self) -> None:
        """Close the port; harmless when closed."""

    def identify(self) -> list[Identity]:
        """
        Read model and firmware of all servos.

        :raises ChainError: naming those that do not answer or are of another model.
        """

    def configure(self, mask: Mask | None = None) -> None:
        """
        Set up servos whose torque is off, watchdog off, and read everything back.

        :raises ChainError: naming a servo and what it did not take, or that torque is on.
        """

    def read(self) -> Readings:
        """Read the state of all servos; one that cannot be read is not ``ok``."""

    def write_goals(self, position: NDArray[np.float64], mask: Mask | None = None) -> None:
        """
        Write goals to all selected servos in one packet.

        :param position: shape (n,) [rad].
        :raises GoalRefused: if a selected one is not finite or outside of the limits;
            nothing is written then.
        """

    def torque_enabled(self) -> Mask:
        """Read back whose torque is on; a servo that does not answer counts as off."""

    def set_torque(self, on: bool, mask: Mask | None = None) -> Mask:
        """
        Switch torque and read it back; the caller has written the measured position as goal.

        :return: whose torque is on, of all joints; a selected one that does not answer counts
            as not having obeyed.
        """

    def arm_watchdog(self, mask: Mask | None = None) -> Mask:
        """
        Let the servos stop themselves when the bus is silent; clears an earlier trip.

        :return: whose watchdog is armed, read back; false where not selected.
        """

    def disarm_watchdog(self, mask: Mask | None = None) -> Mask:
        """
        Switch the watchdog off, which also clears a trip.

        :return: whose watchdog is off, read back; false where not selected.
        """

    def watchdog_tripped(self) -> Mask:
        """Read whose watchdog has stopped it."""

    def reboot(self, index: int, wait: bool = True) -> None:
        """
        Restart one servo; its torque is off then and its set-up lost.

        :param wait: until it answers again; else the caller asks :meth:`answers`.
        :raises ChainError: if it does not answer again in time.
        """

    def answers(self, index: int) -> bool:
        """Ping one servo once."""

    def audit(self, index: int) -> list[str]:
        """
        Compare one servo's settings with what ``configure`` wrote.

        :return: one sentence for each difference.
        """
