# SPDX-License-Identifier: Apache-2.0
"""ROS domains that two users of one machine do not share by accident."""

from collections.abc import Iterator
from contextlib import contextmanager
import random
import socket

# Domains above 101 would use ports that Linux hands out to others
# (https://docs.ros.org/en/jazzy/Concepts/Intermediate/About-Domain-ID.html).
MAX_DOMAIN = 101
_FIRST_PORT = 21500


@contextmanager
def reserve_domain() -> Iterator[int]:
    """
    Reserve a ROS domain against all others on this machine that reserve theirs here.

    The reservation is a loopback port, so that it ends with the process, however that ends.

    :return: a domain from 1 to 101.
    :raises RuntimeError: if all are taken.
    """
    domains = list(range(1, MAX_DOMAIN + 1))
    random.shuffle(domains)
    for domain in domains:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as claim:
            try:
                claim.bind(('127.0.0.1', _FIRST_PORT + domain))
            except OSError:
                continue
            yield domain
            return
    raise RuntimeError(f'all {MAX_DOMAIN} ROS domains of this machine are reserved')
