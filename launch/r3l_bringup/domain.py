# SPDX-License-Identifier: Apache-2.0
"""A ROS domain of its own for a run, and the environment its nodes start in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
import os

from r3l_bringup.paths import config_folder
from r3l_node.core.domain import reserve_domain
from r3l_node.core.errors import ConfigError


@contextmanager
def run_domain(environment: Mapping[str, str] = os.environ) -> Iterator[int]:
    """
    Give a run a ROS domain id that no other run on this machine has.

    An id in ``ROS_DOMAIN_ID`` is taken as it is: the user wants to be seen by other processes.
    """
    named = environment.get('ROS_DOMAIN_ID')
    if named:
        if not named.isdecimal() or int(named) > 232:
            raise ConfigError(f"ROS_DOMAIN_ID is '{named}': expected a number from 0 to 232")
        yield int(named)
        return
    with reserve_domain() as domain:
        yield domain


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
