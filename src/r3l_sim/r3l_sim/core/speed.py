# SPDX-License-Identifier: Apache-2.0
"""How fast the simulation is on this machine; ``r3l bench sim`` prints it."""

from collections.abc import Callable, Sequence
import time

import numpy as np
from r3l_sim.core.backends import BackendError, mujoco
from r3l_sim.core.hand import JOINT_HIGH, JOINT_LOW
from r3l_sim.core.scene import Scene

WARM_UP = 5  # calls before the clock starts: the first frames compile shaders


def measure(
    task: str = 'valve',
    *,
    control_rate: float = 5.0,
    sizes: Sequence[int] = (32, 48, 64),
    backends: Sequence[str] = ('auto', 'rays'),
    repeats: int = 300,
) -> dict[str, object]:
    """
    Time physics, rendering and the whole loop in one process without ROS.

    :param task: name of the task.
    :param control_rate: steps per second of simulated time [Hz].
    :param sizes: image sizes to time [px].
    :param backends: camera back ends to time; those that do not work here are left out.
    :param repeats: calls per figure.
    :return: ``physics_ms`` per control step; ``render_ms`` and ``steps_per_second`` by back end
        and size; ``mujoco`` version.  Times are medians [ms].
    """
    targets = np.random.default_rng(0).uniform(JOINT_LOW, JOINT_HIGH, (repeats + WARM_UP, 9))
    scene = Scene(task, control_rate=control_rate, backend='rays')
    physics = _median_ms(lambda k: scene.step(targets[k]), repeats)
    render: dict[str, dict[str, float]] = {}
    rate: dict[str, dict[str, float]] = {}
    for wanted in backends:
        for size in sizes:
            try:
                one = Scene(task, control_rate=control_rate, image_size=size, backend=wanted)
                name = one.backend
            except BackendError:
                continue
            ms = _median_ms(lambda _, one=one: one.image(), repeats)  # type: ignore[misc]
            start = time.perf_counter()
            for target in targets:
                one.step(target)
                one.image()
            elapsed = time.perf_counter() - start
            render.setdefault(name, {})[str(size)] = round(ms, 3)
            rate.setdefault(name, {})[str(size)] = round(len(targets) / elapsed, 1)
            one.close()
    return {
        'task': task,
        'control_rate': control_rate,
        'physics_ms': round(physics, 3),
        'render_ms': render,
        'steps_per_second': rate,
        'mujoco': mujoco.__version__,
    }


def _median_ms(call: Callable[[int], object], repeats: int) -> float:
    times = []
    for k in range(WARM_UP + repeats):
        start = time.perf_counter()
        call(k)
        times.append(time.perf_counter() - start)
    return float(np.median(times[WARM_UP:])) * 1e3
