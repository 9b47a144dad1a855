# SPDX-License-Identifier: Apache-2.0
"""
Choose how the simulated camera draws: EGL, OSMesa, or rays where there is no OpenGL.

Import MuJoCo from here: ``MUJOCO_GL`` must be ``disabled`` before the first import, or the import
itself fails where the library it names is missing.
"""

import ctypes
import importlib.util
import os
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

os.environ['MUJOCO_GL'] = 'disabled'
# llvmpipe draws small images fastest in the calling thread.
os.environ.setdefault('LP_NUM_THREADS', '0')

import mujoco as mujoco
from r3l_node.core.errors import ConfigError

BACKENDS = ('egl', 'osmesa', 'rays')


class BackendError(ConfigError):
    """A camera back end that was asked for does not work on this machine."""


class Renderer(Protocol):
    """Draws one camera's view of a simulation state."""

    def render(self, data: mujoco.MjData) -> NDArray[np.uint8]:
        """Return an image that the caller owns, shape (height, width, 3), RGB."""

    def close(self) -> None:
        """Free what the renderer holds; safe to call twice."""


def candidates() -> list[str]:
    """Return the back ends whose libraries are on this machine, the preferred one first."""
    # PyOpenGL fixes its platform when it is first imported, so there is one per process.
    platform = os.environ.get('PYOPENGL_PLATFORM')
    found = []
    if importlib.util.find_spec('OpenGL') is not None:
        if (
            platform in (None, 'egl')
            and _loads('libEGL.so.1')
            and _loads('libOpenGL.so.0', 'libGL.so.1')
        ):
            found.append('egl')
        if platform in (None, 'osmesa') and _loads('libOSMesa.so.8', 'libOSMesa.so.6'):
            found.append('osmesa')
    return [*found, 'rays']


def create_renderer(
    model: mujoco.MjModel, size: tuple[int, int], camera: str, backend: str = 'auto'
) -> tuple[Renderer, str]:
    """
    Make a renderer in the calling thread, which is the one that must render.

    :param model: compiled model.
    :param size: (height, width) of the image [px].
    :param camera: name of a fixed camera of the model.
    :param backend: 'auto', or one of `BACKENDS` to insist on.
    :return: the renderer, and the name of the back end that it uses.
    :raises BackendError: if an explicitly named back end does not work here.
    """
    if backend != 'auto' and backend not in BACKENDS:
        raise BackendError(f"camera back end is '{backend}': expected auto, {', '.join(BACKENDS)}")
    for name in candidates() if backend == 'auto' else [backend]:
        try:
            return _create(name, model, size, camera), name
        except Exception as error:  # the libraries raise anything from ImportError to GLError
            if backend != 'auto':
                raise BackendError(
                    f"camera back end '{backend}' does not work on this machine: {error}"
                ) from error
    raise AssertionError('rays need no library')


def _create(name: str, model: mujoco.MjModel, size: tuple[int, int], camera: str) -> Renderer:
    if name == 'rays':
        from r3l_sim.core.ray_renderer import RayRenderer

        return RayRenderer(model, size, camera)
    from r3l_sim.core.gl_renderer import GlRenderer

    return GlRenderer(model, size, camera, name)


def _loads(*names: str) -> bool:
    for name in names:
        try:
            ctypes.CDLL(name)
        except OSError:
            continue
        return True
    return False
