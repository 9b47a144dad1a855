# SPDX-License-Identifier: Apache-2.0
"""Where the files of this workspace are: parameter files, executables, the workspace itself."""

from __future__ import annotations

from importlib.util import find_spec
import os
from pathlib import Path
import sys

from r3l_bringup.graph import NodeSpec
from r3l_node.core.errors import ConfigError

PACKAGE = 'r3l_bringup'


def prefixes() -> list[Path]:
    """Return the ament prefixes, the overlay first."""
    return [Path(entry) for entry in os.environ.get('AMENT_PREFIX_PATH', '').split(':') if entry]


def config_folder() -> Path:
    """
    Return the folder of tasks/, profiles/ and the Fast DDS profile.

    :raises FileNotFoundError: if the package is neither installed nor run from its sources.
    """
    candidates = [Path(__file__).resolve().parents[1] / 'config']
    candidates += [prefix / 'share' / PACKAGE / 'config' for prefix in prefixes()]
    for folder in candidates:
        if (folder / 'tasks').is_dir():
            return folder
    raise FileNotFoundError(f'{PACKAGE} has no config folder in any of {candidates}')


def names(kind: str) -> list[str]:
    """Return the names of the parameter files of a kind: tasks, profiles or ablations."""
    return sorted(path.stem for path in (config_folder() / kind).glob('*.yaml'))


def module_file(module: str) -> Path:
    """
    Return the file of a Python module, which is not imported.

    :raises ConfigError: if Python does not find it.
    """
    try:
        found = find_spec(module)
    except (ImportError, ValueError):
        found = None
    if found is None or found.origin is None:
        raise ConfigError(
            f"there is no module '{module}': expected one in the current folder or in PYTHONPATH"
        )
    return Path(found.origin)


def module_root(module: str) -> Path:
    """
    Return the folder that must be in PYTHONPATH for a module to be found.

    :raises ConfigError: if Python does not find it.
    """
    path = module_file(module)
    depth = module.count('.') + (path.name == '__init__.py')
    return path.resolve().parents[depth]


def workspace() -> Path:
    """
    Return the root of the workspace: ``R3L_WORKSPACE``, or the nearest folder above with ``src``.

    :raises FileNotFoundError: if there is none.
    """
    named = os.environ.get('R3L_WORKSPACE')
    if named:
        return Path(named).resolve()
    for folder in (Path.cwd(), *Path.cwd().parents, *Path(__file__).resolve().parents):
        if (folder / 'src' / 'r3l_msgs').is_dir() and (folder / 'launch').is_dir():
            return folder
    raise FileNotFoundError(
        f'no workspace at or above {Path.cwd()}: set R3L_WORKSPACE to the folder with src/'
    )


def command(spec: NodeSpec) -> list[str]:
    """Return the command that starts a node, without its ROS arguments."""
    for prefix in prefixes():
        executable = prefix / 'lib' / spec.package / spec.executable
        if executable.is_file() and os.access(executable, os.X_OK):
            return [str(executable)]
    return [sys.executable, '-c', f'from {spec.module} import main; main()']
