# SPDX-License-Identifier: Apache-2.0
"""How one cycle gets the state of all servos out of a bus that loses packets and servos."""

from __future__ import annotations

from collections.abc import Callable, Sequence
import logging
import time

import numpy as np
from r3l_driver.core.bus import Bus
from r3l_driver.core.chain_config import ChainConfig
from r3l_driver.core.packet import Reply
from r3l_driver.core.state_block import block_address, BLOCK_BYTES, MOST_BYTES

_LOGGER = logging.getLogger(__name__)
# After so many cycles without an answer a servo is no longer asked together with the others.
_ABSENT = 3
# After so many fast reads in a row that only a plain one could replace, fast ones are given up
_FAST_FAILURES = 3
# for so long, for it may have been a bad line.
_PLAIN_CYCLES = 1000


class StateReader:
    """
    Reads the block of every servo once per cycle.

    All at once first; what is missing again in other ways as long as tries and time are left.
    In a chain of replies a silent servo holds up those behind it, so one that has been silent
    for some cycles is asked on its own, one of them per cycle.

    :param config: of the chain.
    :param clock: monotonic time [s].
    """

    def __init__(self, config: ChainConfig, clock: Callable[[], float] = time.monotonic) -> None:
        self.failures = np.zeros(len(config.ids), np.uint64)
        self._config = config
        self._clock = clock
        self._address = block_address(config.table)
        self._silent = [0] * len(config.ids)  # [cycles]
        self._turn = 0
        self._plain_cycles = 0
        self._fast_failures = 0

    def reset(self) -> None:
        """Count every servo as present again, and try fast reads again."""
        self._silent = [0] * len(self._config.ids)
        self._plain_cycles = 0
        self._fast_failures = 0

    def read(self, bus: Bus) -> dict[int, Reply]:
        """Return what was read in this cycle, by id."""
        begun = self._clock()
        ids = self._config.ids
        absent = [number for number, n in zip(ids, self._silent, strict=True) if n >= _ABSENT]
        present = [number for number in ids if number not in absent] if absent else ids
        replies = self._read_present(bus, present, begun)
        if absent and self._time_is_left(begun):
            self._turn += 1
            replies |= self._ask(bus, [absent[self._turn % len(absent)]])
        for index, number in enumerate(ids):
            if number in replies:
                self._silent[index] = 0
            else:
                self._silent[index] += 1
                self.failures[index] += np.uint64(1)
        return replies

    def _read_present(self, bus: Bus, present: Sequence[int], begun: float) -> dict[int, Reply]:
        fast = self._config.fast_sync_read and self._plain_cycles == 0 and len(present) > 1
        self._plain_cycles = max(0, self._plain_cycles - 1)
        replies = self._ask(bus, present, fast)
        if fast and replies:
            self._fast_failures = 0
        for attempt in range(self._config.retries):
            rest = [number for number in present if number not in replies]
            if not rest or not self._time_is_left(begun):
                break
            if attempt == 0 and len(rest) == len(present):
                replies = self._ask(bus, rest)
                self._judge_fast(fast, bool(replies))
                continue
            # From behind: the first one missing is the likeliest to be really silent.
            for number in reversed(rest):
                if self._time_is_left(begun):
                    replies |= self._ask(bus, [number])
        return replies

    def _ask(self, bus: Bus, ids: Sequence[int], fast: bool = False) -> dict[int, Reply]:
        if not ids:
            return {}
        length = bus.late.clear_length(ids, BLOCK_BYTES, MOST_BYTES)
        if length is None:  # too much may still come late for any reply to be trusted
            return {}
        return bus.sync_read(ids, self._address, length, fast)

    def _time_is_left(self, begun: float) -> bool:
        return self._clock() - begun < self._config.cycle_budget

    def _judge_fast(self, failed: bool, plain_works: bool) -> None:
        """Give up fast reads for a while where the firmware seems not to know them."""
        self._fast_failures = self._fast_failures + 1 if failed and plain_works else 0
        if self._fast_failures >= _FAST_FAILURES:
            self._fast_failures = 0
            self._plain_cycles = _PLAIN_CYCLES
            _LOGGER.warning('no reply to fast sync reads: plain ones for %d cycles', _PLAIN_CYCLES)
