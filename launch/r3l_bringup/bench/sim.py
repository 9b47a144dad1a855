# SPDX-License-Identifier: Apache-2.0
"""How fast the simulation is in one process, without ROS."""

from __future__ import annotations

from typing import Any

from r3l_sim.core.speed import measure as measure_simulation

_REPEATS_PER_SECOND = 30


def measure(seconds: float) -> dict[str, Any]:
    """
    Time physics and rendering.

    :return: ``ratio``: speed of the default camera with 32x32 images over that of the rays.
    """
    figures: dict[str, Any] = dict(
        measure_simulation(repeats=max(20, int(_REPEATS_PER_SECOND * seconds)))
    )
    print(f'physics of a control step: {figures["physics_ms"]} ms')
    for backend, by_size in figures['render_ms'].items():
        for size, ms in by_size.items():
            rate = figures['steps_per_second'][backend][size]
            print(f'{backend:8} {size:>3} px: {ms:7.3f} ms per image, {rate:7.1f} steps/s')
    rates = figures['steps_per_second']
    best = max(by_size['32'] for by_size in rates.values())
    return {'ratio': round(best / rates['rays']['32'], 3), **figures}
