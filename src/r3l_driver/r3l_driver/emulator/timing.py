# SPDX-License-Identifier: Apache-2.0
"""How long bytes take on the wire."""

from dataclasses import dataclass

from r3l_driver.core.control_table import BAUD_RATES, RETURN_DELAY_UNIT
from r3l_node.core.errors import ConfigError

BITS_PER_BYTE = 10  # a start bit, eight data bits and a stop bit


@dataclass(frozen=True, slots=True)
class WireTiming:
    """
    Times of a bus.

    :param baud: bits per second.
    :param emulated: False: every byte arrives at once and return delays count nothing.
    """

    baud: int = 1_000_000
    emulated: bool = True

    def __post_init__(self) -> None:
        """Refuse a speed that no servo has."""
        if self.baud not in BAUD_RATES.values():
            known = ', '.join(str(rate) for rate in BAUD_RATES.values())
            raise ConfigError(f'baud rate is {self.baud}: expected one of {known}')

    @property
    def byte_time(self) -> float:
        """Time of one byte [s]; 0 where times are not emulated."""
        return BITS_PER_BYTE / self.baud if self.emulated else 0.0

    def return_delay(self, register: int) -> float:
        """
        Return the pause before an answer [s].

        :param register: value of Return Delay Time.
        """
        return register * RETURN_DELAY_UNIT * 1e-6 if self.emulated else 0.0


def baud_code(baud: int) -> int:
    """
    Return the value of the item baud_rate for a speed.

    :raises ConfigError: if there is none.
    """
    WireTiming(baud)
    return next(code for code, rate in BAUD_RATES.items() if rate == baud)
