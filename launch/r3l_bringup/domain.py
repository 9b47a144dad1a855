# SPDX-License-Identifier: Apache-2.0
"""A ROS domain of its own for a run, and the environment its nodes start in."""

from __future__ import annotations

from collections.abc import Mapping
import fcntl
import os
from pathlib import Path
import random
import socket
import tempfile

from r3l_bringup.paths import config_folder

# Above 101 the ports of a domain reach into the range that Linux gives to outgoing connections.
_DOMAINS = range(1, 102)


class Domain:
    """
    A ROS domain id that no other run on this machine has; free it with :meth:`close`.

    An id in ``ROS_DOMAIN_ID`` is taken as it is: the user wants to be seen by other processes.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        """
        Reserve an id.

        :raises RuntimeError: if every id is taken.
        """
        self._lock: int | None = None
        named = environment.get('ROS_DOMAIN_ID')
        if named:
            self.id = int(named)
            return
        for candidate in random.sample(_DOMAINS, len(_DOMAINS)):
            self._lock = _locked(candidate)
            if self._lock is not None:
                self.id = candidate
                return
        raise RuntimeError('all ROS domains from 1 to 101 are in use: set ROS_DOMAIN_ID')

    def close(self) -> None:
        """Give the id back."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _locked(domain: int) -> int | None:
    """Return a lock on the domain, None if someone else has it."""
    # Discovery port of the first participant of a domain (RTPS 2.2, 9.6.1.1).
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(('127.0.0.1', 7410 + 250 * domain))
        except OSError:
            return None
    path = Path(tempfile.gettempdir()) / f'r3l_domain_{domain}.lock'
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        return None  # another user's
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return None
    return lock


def graph_environment(domain: int, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """
    Return the environment of the nodes: what the user set stays.

    :param domain: ROS domain id.
    """
    profile = str(config_folder() / 'fastdds.xml')
    defaults = {
        'ROS_DOMAIN_ID': str(domain),
        'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
        'RMW_IMPLEMENTATION': 'rmw_fastrtps_cpp',
        # Older and newer Fast DDS look for different names.
        'FASTRTPS_DEFAULT_PROFILES_FILE': profile,
        'FASTDDS_DEFAULT_PROFILES_FILE': profile,
        # One core each: the nodes themselves are what runs in parallel.
        'OMP_NUM_THREADS': '1',
        'PYTHONUNBUFFERED': '1',
        'RCUTILS_COLORIZED_OUTPUT': '0',
    }
    return {**defaults, **environment}
