# SPDX-License-Identifier: Apache-2.0
"""Commands: taken whole, by name and fresh, or not at all."""

from collections.abc import Sequence
import math

import numpy as np
from numpy.typing import NDArray
from r3l_driver.core.config import DriverConfig
from r3l_driver.core.safety import Condition, Fault
from r3l_node.core.errors import ConfigError

# Parameter files round pi; a command this little outside is at the limit [rad].
TOLERANCE = 1e-3
# Time that a rejected command stays visible in the state of the hand [s].
SHOWN = 1.0


class CommandError(ConfigError):
    """A command that is not executed; the message is one sentence."""


class CommandGate:
    """
    Let through the commands that are right, and know when the last one came.

    :param config: supplies joints, limits and time-outs.
    :param now: monotonic time [s].
    """

    def __init__(self, config: DriverConfig, now: float) -> None:
        self._config = config
        self._names = list(config.joint_names)
        self._low, self._high = np.array(config.position_low), np.array(config.position_high)
        self._patience = config.command_period + config.command_timeout
        self._started = now
        self._rejected_at = -math.inf
        self._rejection = ''
        self._source = b''
        self.target: NDArray[np.float64] | None = None
        self.received = -math.inf
        self.accepted = self.rejected = 0

    def offer(
        self,
        names: Sequence[str],
        positions: Sequence[float] | NDArray[np.float64],
        now: float,
        *,
        age: float = 0.0,
        source: bytes = b'',
    ) -> None:
        """
        Take a command as the new target.

        :param names: every joint exactly once, in any order.
        :param positions: in the order of the names [rad].
        :param now: monotonic time at which it was received [s].
        :param age: time of reception minus the stamp in the command [s].
        :param source: identity of the sender; empty where it is not known. While the sender of
            the last command is not stale, nobody else is heard.
        :raises CommandError: if any part is wrong; the target stays what it was.
        """
        try:
            target = self._checked(names, np.asarray(positions, np.float64), now, age, source)
        except CommandError as error:
            self.rejected += 1
            self._rejected_at, self._rejection = now, str(error)
            raise
        self.accepted += 1
        self._source = source
        self.target, self.received = target, now

    def forget(self) -> None:
        """Drop the target: what was commanded before a person intervened is not meant any more."""
        self.target, self.received, self._source = None, -math.inf, b''

    def stale(self, now: float) -> bool:
        """Say whether a new command should have come by now."""
        return self.target is None or now - self.received > self._patience

    def left(self, now: float) -> float:
        """Return the time until the next command is due [s]; 0 if that was before."""
        return max(0.0, self.received + self._config.command_period - now)

    def conditions(self, now: float) -> list[Condition]:
        """Return what is wrong with the commands."""
        found = []
        if self.stale(now):
            silent = now - max(self.received, self._started)
            words = 'no command yet' if self.target is None else f'no command for {silent:.2f} s'
            found.append(Condition(Fault.COMMAND_STALE, words))
        if now - self._rejected_at < SHOWN:
            found.append(Condition(Fault.COMMAND_INVALID, f'command rejected: {self._rejection}'))
        return found

    def _checked(
        self,
        names: Sequence[str],
        positions: NDArray[np.float64],
        now: float,
        age: float,
        source: bytes,
    ) -> NDArray[np.float64]:
        if source != self._source and self._source and not self.stale(now):
            raise CommandError('it is from a second sender: expected one sender of commands')
        if not -self._config.command_timeout <= age <= self._patience:
            raise CommandError(
                f'its stamp is {age:.3f} s old: expected {-self._config.command_timeout:g} to '
                f'{self._patience:g} s'
            )
        if positions.shape != (len(self._names),):
            raise CommandError(f'{positions.size} positions: expected {len(self._names)}')
        if list(names) != self._names:
            positions = self._reordered(list(names), positions)
        if not np.isfinite(positions).all():
            joint = int(np.isfinite(positions).argmin())
            raise CommandError(f'{self._names[joint]} to {positions[joint]}: expected a number')
        outside = (positions < self._low - TOLERANCE) | (positions > self._high + TOLERANCE)
        if outside.any():
            joint = int(outside.argmax())
            raise CommandError(
                f'{self._names[joint]} to {positions[joint]:.4g} rad: expected '
                f'{self._low[joint]:.4f} to {self._high[joint]:.4f}'
            )
        return np.clip(positions, self._low, self._high)

    def _reordered(self, names: list[str], positions: NDArray[np.float64]) -> NDArray[np.float64]:
        if sorted(names) != sorted(self._names):
            raise CommandError(f'joints {", ".join(names)}: expected {", ".join(self._names)}')
        return positions[[names.index(name) for name in self._names]]
