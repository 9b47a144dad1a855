# SPDX-License-Identifier: Apache-2.0
"""A camera without OpenGL: one ray per pixel, shaded with the model's lights."""

import numpy as np
from numpy.typing import NDArray
from r3l_sim.core.backends import mujoco

MAX_DISTANCE = 1e10  # of a hit [m]; the table ends before that


class RayRenderer:
    """
    Cast a ray through the middle of every pixel of a fixed camera.

    :param model: compiled model; its lights must not move.
    :param size: (height, width) [px].
    :param camera: name of a fixed camera.
    """

    def __init__(self, model: mujoco.MjModel, size: tuple[int, int], camera: str) -> None:
        self._model = model
        self._height, self._width = size
        self._camera = model.camera(camera).id
        self._local = _pixel_rays(size, float(model.cam_fovy[self._camera]))
        self._rotation: NDArray[np.float64] | None = None
        count = self._height * self._width
        self._geom = np.empty(count, np.int32)
        self._distance = np.empty(count)
        self._normal = np.empty((count, 3))
        self._groups = np.array([1, 1, 0, 0, 0, 0], np.uint8)
        light = -model.light_dir[0]
        self._light = light / np.linalg.norm(light)
        self._light_diffuse = float(np.mean(model.light_diffuse[0]))
        head = model.vis.headlight
        self._head_ambient = float(np.mean(head.ambient))
        self._head_diffuse = float(np.mean(head.diffuse))
        # Row -1 is what a ray that hits nothing (geom -1) sees.
        colours = np.concatenate([model.geom_rgba[:, :3], np.zeros((1, 3))])
        self._colour = (255 * colours).astype(np.float32)

    def render(self, data: mujoco.MjData) -> NDArray[np.uint8]:
        """Return an image that the caller owns, shape (height, width, 3), RGB."""
        rotation = data.cam_xmat[self._camera].reshape(3, 3)
        if self._rotation is None or not np.array_equal(rotation, self._rotation):
            self._rotation = rotation.copy()
            self._rays = np.ascontiguousarray(self._local @ rotation.T)
        mujoco.mj_multiRay(
            self._model,
            data,
            data.cam_xpos[self._camera],
            self._rays.reshape(-1),
            self._groups,
            True,  # include the static geoms
            -1,  # exclude no body
            self._geom,
            self._distance,
            self._normal.reshape(-1),
            len(self._geom),
            MAX_DISTANCE,
        )
        # Lambert shading; both lights are directional, the headlight's direction is the view's.
        head = np.maximum(self._normal @ rotation[:, 2], 0.0)
        side = np.maximum(self._normal @ self._light, 0.0)
        shade = self._head_ambient + self._head_diffuse * head + self._light_diffuse * side
        image = self._colour[self._geom] * shade.astype(np.float32)[:, None]
        np.minimum(image, 255.0, out=image)
        pixels: NDArray[np.uint8] = image.reshape(self._height, self._width, 3).astype(np.uint8)
        return pixels

    def close(self) -> None:
        """Do nothing: there is no context to free."""


def _pixel_rays(size: tuple[int, int], fovy: float) -> NDArray[np.float64]:
    height, width = size
    half = np.tan(np.radians(fovy) / 2)
    x = ((np.arange(width) + 0.5) / width * 2 - 1) * half * width / height
    y = (1 - (np.arange(height) + 0.5) / height * 2) * half
    grid_x, grid_y = np.meshgrid(x, y)
    rays = np.stack([grid_x, grid_y, -np.ones_like(grid_x)], axis=-1).reshape(-1, 3)
    unit: NDArray[np.float64] = rays / np.linalg.norm(rays, axis=1, keepdims=True)
    return unit
