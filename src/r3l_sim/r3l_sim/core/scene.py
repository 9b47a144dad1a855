# SPDX-License-Identifier: Apache-2.0
"""A simulated D'Claw with an object and a camera."""

from collections.abc import Mapping
import math

import numpy as np
from numpy.typing import NDArray
from r3l_node.core.errors import ConfigError
from r3l_sim.core import hand, mjcf
from r3l_sim.core.backends import create_renderer, mujoco, Renderer
from r3l_sim.core.config import SceneConfig
from r3l_sim.core.robel import load_meshes
from r3l_sim.core.scenes.base import CameraPose
from r3l_sim.core.servo import ServoConfig, setpoint_speed
from r3l_sim.core.tasks import task_named

MAX_TIMESTEP = 0.004  # of the physics [s]; contacts stay below 4 mm of penetration
JOINTS = len(hand.JOINT_NAMES)
STATE_FIELDS = ('qpos', 'qvel', 'act', 'qacc_warmstart')
# Where bodies and their geoms are drawn, or hit by rays.
VIEW_FIELDS = (
    'xpos', 'xquat', 'xmat', 'xipos', 'ximat', 'geom_xpos', 'geom_xmat', 'site_xpos', 'site_xmat',
)  # fmt: skip


class StateError(ConfigError):
    """A saved state or an object state does not fit this scene."""


class Scene:
    """
    One simulated robot with its object; time passes only in `step`.

    Scenes made with `twin` share the compiled model and the renderers, so many are cheap.  A
    scene's camera must be used in one thread: the renderer is made on the first image.

    :param task: name of a task in `r3l_sim.core.tasks.TASKS`.
    :param image_size: height and width of the camera's image [px].
    :param control_rate: steps per second [Hz].
    :param backend: camera back end, see `r3l_sim.core.backends`.
    :param servos: what the servos may do; the defaults if None.
    :param camera: pose of the camera; the scene's own if None.
    :param look: drawing quality.
    :param hand_model: how the hand looks, one of `r3l_sim.core.mjcf.HAND_MODELS`.
    """

    def __init__(
        self,
        task: str = 'valve',
        *,
        image_size: int | tuple[int, int] = 32,
        control_rate: float = 5.0,
        backend: str = 'auto',
        servos: ServoConfig | None = None,
        camera: CameraPose | None = None,
        look: mjcf.Look = mjcf.PLAIN,
        hand_model: str = mjcf.HAND_MODELS[0],
    ) -> None:
        if not 0.1 <= control_rate <= 1.0 / MAX_TIMESTEP:
            raise ValueError(f'control_rate is {control_rate} Hz: expected 0.1 to 250 Hz')
        self.task = task_named(task)
        self.size = (image_size, image_size) if isinstance(image_size, int) else image_size
        if min(self.size) < 1 or max(self.size) > 4096:
            raise ValueError(f'image_size is {image_size} px: expected 1 to 4096')
        self.period = 1.0 / control_rate
        self._substeps = math.ceil(self.period / MAX_TIMESTEP - 1e-9)
        self._servos = servos or ServoConfig()
        timestep = self.period / self._substeps
        xml = mjcf.build(self.task.scene, timestep, look, camera, hand_model)
        meshes = load_meshes() if hand_model == 'robel' else {}
        self._model = mujoco.MjModel.from_xml_string(xml, meshes)
        limit = self._servos.torque_limit
        self._model.actuator_forcerange[:] = [[-limit, limit]]
        self._wanted_backend = backend
        self._renderers: dict[tuple[tuple[int, int], str], tuple[Renderer, str]] = {}
        self._attach()

    @classmethod
    def from_config(cls, config: SceneConfig) -> 'Scene':
        """
        Make the scene that a node's parameters describe.

        :param config: of the simulator or of the evaluator.
        """
        return cls(
            config.task,
            image_size=config.image_size,
            control_rate=config.control_rate,
            backend=config.backend,
            servos=ServoConfig(config.profile_speed, config.torque_limit),
            hand_model=config.hand_model,
        )

    def _attach(self) -> None:
        self._data = mujoco.MjData(self._model)
        self._low = np.array(hand.JOINT_LOW)
        self._high = np.array(hand.JOINT_HIGH)
        self._home = np.array(hand.HOME)
        joints = {n: self._model.joint(j) for n, j in self.task.scene.quantities.items()}
        self._qpos = {name: int(joint.qposadr[0]) for name, joint in joints.items()}
        # Such as the tilt of an object: goes back to the scene's when the object is put somewhere.
        known = set(self._qpos.values())
        self._hidden = [i for i in range(JOINTS, self._model.nq) if i not in known]
        # Views into MuJoCo's memory: reading one is free, and always up to date.
        self._q = self._data.qpos[:JOINTS]
        self._setpoint = self._data.act[:JOINTS]
        self.reset()

    def twin(self) -> 'Scene':
        """Return a second scene with a state of its own that shares model and camera."""
        other = object.__new__(Scene)
        other.__dict__.update(self.__dict__)
        other._attach()
        return other

    @property
    def time(self) -> float:
        """Simulated time [s]."""
        return float(self._data.time)

    @property
    def joint_position(self) -> NDArray[np.float64]:
        """Joint positions in the order of `hand.JOINT_NAMES`, shape (9,) [rad]; a copy."""
        return np.array(self._q)

    @property
    def joint_velocity(self) -> NDArray[np.float64]:
        """Joint velocities, shape (9,) [rad/s]; a copy."""
        return np.array(self._data.qvel[:JOINTS])

    @property
    def joint_effort(self) -> NDArray[np.float64]:
        """Torques of the servos, shape (9,) [N m]; a copy."""
        return np.array(self._data.actuator_force[:JOINTS])

    @property
    def backend(self) -> str:
        """Name of the camera back end in use; makes the camera if there is none yet."""
        return self._renderer(self.size, mjcf.TASK_CAMERA)[1]

    def step(self, target: NDArray[np.floating]) -> None:
        """
        Advance one control period.

        :param target: joint positions to go to, shape (9,) [rad]; clipped to the joints' ranges.
        """
        setpoint, leash = self._setpoint, self._servos.leash
        np.clip(setpoint, self._q - leash, self._q + leash, out=setpoint)
        goal = np.clip(target, self._low, self._high)
        self._data.ctrl[:] = setpoint_speed(goal, setpoint, self.period, self._servos)
        mujoco.mj_step(self._model, self._data, self._substeps)

    def drive(
        self,
        time: float,
        start: NDArray[np.float64],
        end: NDArray[np.float64],
        torque: NDArray[np.float64],
        stiffness: NDArray[np.float64],
        back_emf: float,
    ) -> None:
        """
        Advance by any time with servos that are controlled elsewhere; arrays of shape (9,).

        :param time: [s].
        :param start: setpoints at the beginning [rad].
        :param end: setpoints at the end, reached evenly [rad].
        :param torque: largest torque of each servo [N m]; 0: its joint turns freely.
        :param stiffness: torque by distance to the setpoint [N m/rad].
        :param back_emf: torque lost by speed [N m s/rad].
        """
        model, substeps = self._model, max(1, math.ceil(time / MAX_TIMESTEP - 1e-9))
        model.opt.timestep = time / substeps
        model.actuator_forcerange[:] = np.stack((-torque, torque), axis=-1)
        model.actuator_gainprm[:, 0] = stiffness
        model.actuator_biasprm[:, 1] = -stiffness
        model.actuator_biasprm[:, 2] = -back_emf
        self._setpoint[:] = start
        self._data.ctrl[:] = (end - start) / time
        mujoco.mj_step(model, self._data, substeps)

    def reset(self, **quantities: float) -> None:
        """
        Put the hand into its home pose, everything at rest, and time to 0.

        :param quantities: object state by name; what is left out is where the scene has it.
        """
        mujoco.mj_resetData(self._model, self._data)
        self._q[:] = self._home
        self._setpoint[:] = self._home
        self.set_object(**quantities)

    def object_state(self) -> dict[str, float]:
        """Return the object's state by name, in the units of the scene's `units`."""
        return {name: float(self._data.qpos[i]) for name, i in self._qpos.items()}

    def set_object(self, **quantities: float) -> None:
        """
        Put the object somewhere, at rest; for evaluation and goal pictures only.

        :param quantities: object state by name; what is left out stays.
        :raises StateError: if a name is unknown or a value is not finite.
        """
        for name, value in quantities.items():
            if name not in self._qpos:
                raise StateError(
                    f"{self.task.name} has no '{name}': expected {', '.join(self._qpos)}"
                )
            if not math.isfinite(value):
                raise StateError(f'{name} is {value}: expected a finite number')
        for name, value in quantities.items():
            self._data.qpos[self._qpos[name]] = value
        self._data.qpos[self._hidden] = self._model.qpos0[self._hidden]
        self._data.qvel[JOINTS:] = 0.0
        mujoco.mj_forward(self._model, self._data)

    def image(self) -> NDArray[np.uint8]:
        """Return what the camera sees, shape (height, width, 3), RGB; the caller owns it."""
        return self.picture(self.size, mjcf.TASK_CAMERA)

    def picture(self, size: tuple[int, int], camera: str = mjcf.WIDE_CAMERA) -> NDArray[np.uint8]:
        """
        Return an image of any size; the first one of a size and camera makes a renderer.

        :param size: (height, width) [px].
        :param camera: `mjcf.TASK_CAMERA` or `mjcf.WIDE_CAMERA`.
        """
        return self._renderer(size, camera)[0].render(self._data)

    def camera_matrix(self) -> NDArray[np.float64]:
        """Return the task camera's pinhole matrix for its image size, shape (3, 3) [px]."""
        height, width = self.size
        fovy = float(self._model.camera(mjcf.TASK_CAMERA).fovy[0])
        f = height / 2 / math.tan(math.radians(fovy) / 2)
        return np.array([[f, 0.0, width / 2], [0.0, f, height / 2], [0.0, 0.0, 1.0]])

    def save_state(self) -> dict[str, NDArray[np.float64]]:
        """Return all that `load_state` needs to go on exactly from here; copies."""
        state = {name: getattr(self._data, name).copy() for name in STATE_FIELDS}
        return state | {'time': np.array(self._data.time)}

    def load_state(self, state: Mapping[str, NDArray[np.float64]]) -> None:
        """
        Go on from a saved state.

        :raises StateError: if the state is incomplete, of another scene, or not finite.
        """
        for name in (*STATE_FIELDS, 'time'):
            shape = np.shape(getattr(self._data, name))
            value = state.get(name)
            if value is None or np.shape(value) != shape or not np.all(np.isfinite(value)):
                found = 'missing' if value is None else f'of shape {np.shape(value)}'
                raise StateError(
                    f"'{name}' in the saved state is {found} or not finite: expected {shape}"
                )
        self._data.time = float(state['time'])
        for name in STATE_FIELDS:
            getattr(self._data, name)[:] = state[name]
        mujoco.mj_forward(self._model, self._data)
        # mj_forward has just overwritten it; without this the next step would differ.
        self._data.qacc_warmstart[:] = state['qacc_warmstart']

    def save_view(self) -> dict[str, NDArray[np.float64]]:
        """
        Return where things are seen, which `load_state` works out anew; copies.

        A picture after a step shows the moment one physics step before its end: MuJoCo places
        bodies at the beginning of a step. A run that goes on exactly begins with such a picture.
        """
        return {name: getattr(self._data, name).copy() for name in VIEW_FIELDS}

    def load_view(self, view: Mapping[str, NDArray[np.float64]]) -> None:
        """
        See what was seen before the state was saved, until the next step.

        :param view: of this scene, as `save_view` returned it; after `load_state`.
        """
        for name in VIEW_FIELDS:
            getattr(self._data, name)[:] = view[name]

    def close(self) -> None:
        """Free the renderers, also those of all twins; safe to call twice."""
        for renderer, _ in self._renderers.values():
            renderer.close()
        self._renderers.clear()

    def _renderer(self, size: tuple[int, int], camera: str) -> tuple[Renderer, str]:
        key = (size, camera)
        if key not in self._renderers:
            self._renderers[key] = create_renderer(self._model, size, camera, self._wanted_backend)
        return self._renderers[key]
