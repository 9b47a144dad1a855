# SPDX-License-Identifier: Apache-2.0
"""A camera drawn by OpenGL, stripped of everything that a 32x32 image does not show."""

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray
from r3l_sim.core.backends import mujoco

_current = threading.local()  # .renderer: whose context is current in this thread


class GlRenderer:
    """
    Draw one fixed camera off screen.

    An OpenGL context belongs to one thread at a time, and a thread has one current context.
    Drawing while another one is current silently returns a wrong picture, so this is checked
    before every frame.  EGL refuses a context that is still current in another thread.

    :param model: compiled model; its quality settings decide about shadows and samples.
    :param size: (height, width) [px].
    :param camera: name of a fixed camera.
    :param library: 'egl' or 'osmesa'.
    """

    def __init__(
        self, model: mujoco.MjModel, size: tuple[int, int], camera: str, library: str
    ) -> None:
        height, width = size
        self._model = model
        self._context = _gl_context(library, width, height)
        self._bind()
        # The frame buffer is allocated when the context is made: no larger than the image.
        model.vis.global_.offheight, model.vis.global_.offwidth = height, width
        self._gpu = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_50)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._gpu)
        self._scene = mujoco.MjvScene(model, maxgeom=model.ngeom + 8)
        self._scene.flags[:] = 0
        self._scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = model.vis.quality.shadowsize > 0
        self._scene.flags[mujoco.mjtRndFlag.mjRND_SKYBOX] = model.ntex > 0
        self._option = mujoco.MjvOption()
        self._option.geomgroup[:] = [1, 1, 0, 0, 0, 0]
        self._option.flags[:] = 0
        self._option.flags[mujoco.mjtVisFlag.mjVIS_STATIC] = 1
        self._camera = mujoco.MjvCamera()
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
        self._camera.fixedcamid = model.camera(camera).id
        self._viewport = mujoco.MjrRect(0, 0, width, height)
        self._pixels = np.empty((height, width, 3), np.uint8)
        self._closed = False

    def render(self, data: mujoco.MjData) -> NDArray[np.uint8]:
        """Return an image that the caller owns, shape (height, width, 3), RGB."""
        if getattr(_current, 'renderer', None) is not self:
            self._bind()
        mujoco.mjv_updateScene(
            self._model,
            data,
            self._option,
            None,
            self._camera,
            mujoco.mjtCatBit.mjCAT_ALL,
            self._scene,
        )
        mujoco.mjr_render(self._viewport, self._scene, self._gpu)
        mujoco.mjr_readPixels(self._pixels, None, self._viewport, self._gpu)
        return self._pixels[::-1].copy()  # OpenGL's first row is the lowest

    def close(self) -> None:
        """Free what the renderer holds; safe to call twice."""
        if not self._closed:
            self._closed = True
            self._bind()
            self._gpu.free()
            self._context.free()
            _current.renderer = None

    def _bind(self) -> None:
        self._context.make_current()
        _current.renderer = self


def _gl_context(library: str, width: int, height: int) -> Any:
    if library == 'egl':
        from mujoco.egl import GLContext
    else:
        from mujoco.osmesa import GLContext
    return GLContext(width, height)
