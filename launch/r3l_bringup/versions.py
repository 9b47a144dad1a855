# SPDX-License-Identifier: Apache-2.0
"""What a run ran on: versions of the software and the machine."""

from __future__ import annotations

from importlib import metadata
import os
from pathlib import Path
import platform
import subprocess
from typing import Any

from r3l_bringup.paths import workspace

PACKAGES = (
    'numpy', 'torch', 'mujoco', 'safetensors', 'gymnasium', 'tensorboard', 'matplotlib', 'rich',
    'typer', 'pillow',
)  # fmt: skip


def versions() -> dict[str, Any]:
    """Return names and versions; what is not installed is None."""
    return {
        'r3l': _version('r3l_bringup') or _version('r3l-bringup'),
        'commit': _commit(),
        'python': platform.python_version(),
        'ros_distro': os.environ.get('ROS_DISTRO') or 'jazzy (wheels)',
        'rclpy': _version('ros-rclpy') or _version('rclpy'),
        'rmw': os.environ.get('RMW_IMPLEMENTATION', 'rmw_fastrtps_cpp'),
        **{name: _version(name) for name in PACKAGES},
        'system': platform.platform(),
        'processor': _processor(),
        'cores': len(os.sched_getaffinity(0)),
    }


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    try:
        root = workspace()
        done = subprocess.run(
            ['git', '-C', str(root), 'describe', '--always', '--dirty', '--abbrev=12'],
            capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _processor() -> str:
    try:
        for line in Path('/proc/cpuinfo').read_text(encoding='utf-8').splitlines():
            if line.startswith('model name'):
                return line.partition(':')[2].strip()
    except OSError:
        pass
    return platform.machine()
