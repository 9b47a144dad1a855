# SPDX-License-Identifier: Apache-2.0
"""What can go wrong on the bus; every message is one sentence that names servo and value."""

from r3l_node.core.errors import ConfigError


class BusError(RuntimeError):
    """An operation on the bus failed; the port itself is well."""


class NoReply(BusError):  # noqa: N818 (named for what happened)
    """A servo did not answer in time, or only with damaged packets."""


class StatusError(BusError):
    """
    A servo answered that it did not do what it was told.

    :param code: the error number of Protocol 2.0, 1 to 7.
    """

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class ChainError(BusError):
    """The servos are not those configured, or one did not take its set-up."""


class GoalRefused(ValueError):  # noqa: N818 (named for what happened)
    """A goal that is not finite or outside of the limits; nothing was written."""


class PortLost(OSError):  # noqa: N818 (named for what happened)
    """The serial device is not there, or has gone."""


class PortBusy(ConfigError):  # noqa: N818 (named for what happened)
    """Another process drives the port."""
