# SPDX-License-Identifier: Apache-2.0
"""What the agent makes of the state of the servo driver; a simulated hand has none."""

from collections import deque
from dataclasses import dataclass

# Faults that only a good command ends: an agent that waited for their end would wait for ever.
CURED_BY_COMMANDS = frozenset({'command_stale', 'command_invalid'})
# Steps whose stamps are remembered; a notice is late by fewer.
REMEMBERED = 64


@dataclass(frozen=True, slots=True)
class DriverState:
    """
    What the driver allows; the content of a r3l_msgs/SafetyState.

    :param obeys: true if commands are executed.
    :param code: of the fault that decides; empty if all is well.
    :param reason: one sentence.
    :param since: when this state began [ns].
    :param interruptions: times that the driver stopped obeying since it started.
    """

    obeys: bool
    code: str = ''
    reason: str = ''
    since: int = 0
    interruptions: int = 0


class SafetyGate:
    """
    Tell when to act, and which steps a fault has spoilt.

    :param needed: false: there is no driver, and nothing ever stops the agent.
    :param period: control period [ns].
    """

    def __init__(self, needed: bool, period: float) -> None:
        self._needed = needed
        self._period = period
        self._state: DriverState | None = None
        self._told: deque[tuple[int, int]] = deque(maxlen=REMEMBERED)

    @property
    def known(self) -> bool:
        """Whether the driver has said anything yet, if there is one."""
        return self._state is not None or not self._needed

    @property
    def reason(self) -> str:
        """Why the hand would not obey; empty: it would."""
        if not self.known:
            return 'waits for the driver to say its state'
        if self._state is None or self._state.obeys:
            return ''
        return f'{self._state.code}: {self._state.reason}'

    @property
    def cured_by_commands(self) -> bool:
        """Whether the driver waits for nothing but a good command."""
        return self._state is not None and self._state.code in CURED_BY_COMMANDS

    def update(self, state: DriverState) -> bool:
        """
        Take the driver's word.

        :return: true if the hand stopped obeying, now or unnoticed in between.
        """
        before, self._state = self._state, state
        if before is None:
            return False
        return (before.obeys and not state.obeys) or before.interruptions != state.interruptions

    def tell(self, sequence: int, stamp: int) -> None:
        """
        Remember a step that the learner is told.

        :param sequence: its number.
        :param stamp: of its observation [ns].
        """
        self._told.append((sequence, stamp))

    def spoilt(self) -> list[int]:
        """
        Return the numbers of steps whose observation the fault of now may have spoilt.

        The period before the driver noticed is not trusted either.
        """
        if self._state is None:
            return []
        begin = self._state.since - self._period
        found = [sequence for sequence, stamp in self._told if stamp > begin]
        self._told.clear()
        return found
