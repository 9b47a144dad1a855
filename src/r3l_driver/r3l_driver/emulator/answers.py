# SPDX-License-Identifier: Apache-2.0
"""Answers of servos, and what faults of the wire make of them."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from r3l_driver.emulator.faults import Fault, Kind


class Answer(NamedTuple):
    """
    One status packet.

    :param idents: of the servos that it comes from; several in a fast read.
    :param pieces: its bytes, one piece per servo.
    :param return_delay: value of the register of the servo that begins.
    """

    idents: tuple[int, ...]
    pieces: list[bytes]
    return_delay: int

    @property
    def size(self) -> int:
        """Bytes on the wire."""
        return sum(map(len, self.pieces))


def send(
    answer: Answer, at: float, faults: Sequence[Fault], flip: Callable[[bytes], bytes]
) -> list[tuple[float, bytes]]:
    """
    Return what reaches the host of an answer.

    :param at: when its last byte arrives [s].
    :param faults: that it suffers; one of a single servo breaks a fast read off at that servo.
    :param flip: makes one bit wrong.
    :return: times [s] and bytes.
    """
    pieces = answer.pieces
    copies = 1
    for fault in faults:
        match fault.kind:
            case Kind.DROP:
                kept = 0 if fault.ident is None else answer.idents.index(fault.ident)
                pieces = pieces[:kept]
            case Kind.CORRUPT:
                pieces = [flip(b''.join(pieces))]
            case Kind.DELAY:
                at += fault.value
            case _:
                copies += 1
    data = b''.join(pieces)
    return [(at, data)] * copies if data else []
