# SPDX-License-Identifier: Apache-2.0
"""The faults that are at work on a bus now."""

from collections.abc import Sequence
from dataclasses import dataclass
import math
import random

from r3l_driver.emulator.faults import Fault, Kind, WIRE


@dataclass(slots=True)
class _Active:
    fault: Fault
    until: float  # emulated time [s]
    left: float  # answers


class Injector:
    """
    Decides which answers suffer, which servos are mute and how far the supply sags.

    Times are the emulated time of the bus [s].
    """

    def __init__(self, seed: int = 0) -> None:
        """
        Begin without a fault.

        :param seed: of what is left to chance.
        """
        self._rng = random.Random(seed)
        self._active: list[_Active] = []

    @property
    def quiet(self) -> bool:
        """Whether no fault is at work."""
        return not self._active

    def start(self, fault: Fault, now: float) -> None:
        """Let a fault of the wire, a mute servo or a sag begin."""
        until = math.inf if fault.duration is None else now + fault.duration
        left = math.inf if fault.count is None else fault.count
        self._active.append(_Active(fault, until, left))

    def clear(self, ident: int | None) -> list[Fault]:
        """
        End faults at once.

        :param ident: only those of this servo; None for all.
        :return: what has ended.
        """
        ended = [a.fault for a in self._active if ident in (None, a.fault.ident)]
        self._active = [a for a in self._active if a.fault not in ended]
        return ended

    def expire(self, now: float) -> list[Fault]:
        """
        End what has lasted long enough.

        :return: what has ended.
        """
        over = [a for a in self._active if now >= a.until or a.left <= 0]
        if over:
            self._active = [a for a in self._active if a not in over]
        return [a.fault for a in over]

    def muted(self, ident: int, now: float) -> bool:
        """Return whether a servo is cut off."""
        return any(
            a.fault.kind is Kind.MUTE and a.fault.ident == ident and now < a.until
            for a in self._active
        )

    def sag(self, now: float) -> float | None:
        """Return the voltage that the supply has fallen to [V], or None."""
        volts = [a.fault.value for a in self._active if a.fault.kind is Kind.SAG and now < a.until]
        return min(volts, default=None)

    def of_answer(self, idents: Sequence[int], now: float) -> list[Fault]:
        """
        Draw the faults that an answer suffers.

        :param idents: of the servos that it comes from.
        """
        suffered = []
        for active in self._active:
            fault = active.fault
            if fault.kind not in WIRE or now >= active.until or active.left <= 0:
                continue
            if fault.ident is not None and fault.ident not in idents:
                continue
            if self._rng.random() < fault.probability:
                active.left -= 1
                suffered.append(fault)
        return suffered

    def flip(self, data: bytes) -> bytes:
        """Return data with one bit wrong."""
        if not data:
            return data
        wrong = bytearray(data)
        wrong[self._rng.randrange(len(wrong))] ^= 1 << self._rng.randrange(8)
        return bytes(wrong)
