# SPDX-License-Identifier: Apache-2.0
"""Which policy versions are evaluated, in the graph and without it."""


class Marks:
    """
    Pick the first policy ever, the first one past every mark, and the last one.

    :param every: env steps between two marks.
    :param done: env steps of an evaluation before a restart; None if there was none.
    """

    def __init__(self, every: int, done: int | None = None) -> None:
        self._every = every
        self._last = done

    @property
    def last(self) -> int | None:
        """Env steps of the newest evaluation; None: there was none."""
        return self._last

    def due(self, env_steps: int) -> bool:
        """
        Say whether to evaluate a policy, and remember it if so.

        :param env_steps: env step up to whose data it was trained.
        """
        if self._last is not None and env_steps // self._every <= self._last // self._every:
            return False
        self._last = env_steps
        return True

    def final(self, env_steps: int) -> bool:
        """
        Say whether the last policy of a run still needs its evaluation, and remember it if so.

        :param env_steps: env step up to whose data it was trained.
        """
        if self._last is not None and env_steps <= self._last:
            return False
        self._last = env_steps
        return True
