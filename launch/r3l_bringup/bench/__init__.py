# SPDX-License-Identifier: Apache-2.0
"""
Speed of the parts on this machine.

``r3l bench bus|camera|fake|graph|learner|loop|relabel|sim``
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
import json
from pathlib import Path
from typing import Any

from r3l_bringup.versions import versions
from r3l_node.core.errors import ConfigError
from r3l_node.core.files import write_atomic

BENCHES = ('bus', 'camera', 'fake', 'graph', 'learner', 'loop', 'relabel', 'sim')
ON_DEVICE = ('learner',)


def run_bench(
    what: str,
    seconds: float,
    json_file: Path | None,
    device: str | None = None,
    *,
    record: bool = False,
) -> dict[str, Any]:
    """
    Measure a part, print the figures and write them down.

    :param what: one of :data:`BENCHES`.
    :param seconds: time of each measurement [s].
    :param json_file: gets ``{"ratio": ..., figures, "versions": ...}``.
    :param device: where networks are trained; None: on the CPU.
    :param record: measure the graph with a recorder against that without.
    :raises ConfigError: if there is no such part or device, or something it needs is not
        installed.
    """
    if what not in BENCHES:
        raise ConfigError(f"bench is '{what}': expected one of {', '.join(BENCHES)}")
    if device is not None and what not in ON_DEVICE:
        raise ConfigError(
            f"device is '{device}' and bench is '{what}': expected one of {', '.join(ON_DEVICE)}"
        )
    if record:
        if what != 'graph':
            raise ConfigError(f"--record is given and bench is '{what}': expected graph")
        what = 'record'
    measure: Callable[..., dict[str, Any]] = import_module(f'{__name__}.{what}').measure
    figures = measure(seconds) if device is None else measure(seconds, device)
    figures['versions'] = versions()
    if json_file is not None:
        write_atomic(json_file, json.dumps(figures, indent=2) + '\n')
    return figures
