# SPDX-License-Identifier: Apache-2.0
"""What is installed, what is missing, and how to mend it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
import os
from pathlib import Path
import shutil
import subprocess
import sys

from r3l_bringup.graph import ALL_NODES
from r3l_bringup.paths import command, prefixes

_MODULES = {
    'rclpy': 'ROS 2 client library: run ./r3l, or source a ROS 2 installation',
    'r3l_msgs.msg': 'messages of R3L: colcon build, then source install/setup.bash',
    'sensor_msgs.msg': 'package sensor_msgs of ROS 2: rosdep install --from-paths src launch',
    'trajectory_msgs.msg': 'package trajectory_msgs of ROS 2: rosdep install',
    'diagnostic_msgs.msg': 'package diagnostic_msgs of ROS 2: rosdep install',
    'numpy': 'pip install numpy',
    'torch': 'pip install torch',
    'mujoco': 'pip install mujoco',
    'safetensors': 'pip install safetensors',
    'tensorboard': 'pip install tensorboard',
    'matplotlib': 'pip install matplotlib',
    'rich': 'pip install rich',
    'PIL': 'pip install pillow',
    'cv2': 'pip install opencv-python-headless',
}
_OPTIONAL = {
    'launch_ros': 'only for ros2 launch; comes with a ROS 2 installation',
    'stable_baselines3': 'only for r3l bench learner: pip install -r requirements/bench.txt',
}
_SHARED_MEMORY = 256 * 2**20  # [byte]
_MEMORY = 4 * 2**30  # [byte]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    good: bool
    found: str
    mend: str = ''
    needed: bool = True


def examine(say: Callable[[str], None] = print) -> bool:
    """
    Look at everything and say what was found.

    :return: whether all that is needed is there.
    """
    good = True
    for finding in findings():
        mark = 'ok  ' if finding.good else ('MISS' if finding.needed else 'none')
        say(f'{mark}  {finding.what}: {finding.found}')
        if not finding.good and finding.mend:
            say(f'      -> {finding.mend}')
        good = good and (finding.good or not finding.needed)
    return good


def findings() -> Iterator[Finding]:
    """Look at one thing after another."""
    version = '.'.join(map(str, sys.version_info[:3]))
    yield Finding('Python', sys.version_info >= (3, 11), version, 'install Python 3.11 or newer')
    compiler = shutil.which('c++') or shutil.which('g++') or shutil.which('clang++')
    yield Finding(
        'C++ compiler', compiler is not None, compiler or 'none',
        'only to build the messages: apt install g++', needed=False,
    )  # fmt: skip
    for module, mend in _MODULES.items():
        yield _module(module, mend, needed=True)
    for module, mend in _OPTIONAL.items():
        yield _module(module, mend, needed=False)
    yield from _executables()
    yield _camera()
    yield from _machine()


def _module(name: str, mend: str, *, needed: bool) -> Finding:
    try:
        module = import_module(name)
    except ImportError as error:
        return Finding(name, False, str(error), mend, needed)
    return Finding(name, True, str(getattr(module, '__version__', 'found')), needed=needed)


def _executables() -> Iterator[Finding]:
    for spec in ALL_NODES:
        parts = command(spec)
        installed = len(parts) == 1
        yield Finding(
            f'{spec.package}/{spec.executable}',
            installed,
            parts[0] if installed else f'not installed in {len(prefixes())} ament prefixes',
            'build the workspace (colcon build) and source install/setup.bash; '
            'until then it is run as a Python module',
            needed=False,
        )


def _camera() -> Finding:
    # In a process of its own: a broken OpenGL can end it.
    code = "from r3l_sim.core.scene import Scene; s = Scene('valve'); s.image(); print(s.backend)"
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    words = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()
    found = words[-1] if words else f'exit code {done.returncode}'
    mend = 'apt install libegl1 libgl1-mesa-dri, or libosmesa6, or --set all.backend=rays'
    return Finding('camera back end', done.returncode == 0, found, mend)


def _machine() -> Iterator[Finding]:
    cores = len(os.sched_getaffinity(0))
    yield Finding('cores', cores >= 2, str(cores), 'training will be slow', needed=False)
    memory = os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')
    size = f'{memory / 2**30:.1f} GiB'
    yield Finding('memory', memory >= _MEMORY, size, 'expected 4 GiB or more', needed=False)
    shm = Path('/dev/shm')
    free = shutil.disk_usage(shm).free if shm.is_dir() else 0
    yield Finding(
        'shared memory', free >= _SHARED_MEMORY, f'{free / 2**20:.0f} MiB free in {shm}',
        'Fast DDS puts 16 MiB per node there: docker run --shm-size=512m', needed=False,
    )  # fmt: skip
