# SPDX-License-Identifier: Apache-2.0
"""A scene as the world of a training without ROS, and its deployed evaluation."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from r3l_agent.core.loop.result import TrainingStoppedError
from r3l_agent.core.loop.world import Feedback, Sensed
from r3l_node.core.files import write_atomic
from r3l_sim.core import hand
from r3l_sim.core.config import EvaluatorConfig, SimConfig
from r3l_sim.core.coverage import Coverage
from r3l_sim.core.evaluation import EvaluationStoppedError
from r3l_sim.core.evaluator import Evaluator, Model
from r3l_sim.core.instrumented import state_features
from r3l_sim.core.life_log import LIFE, LifeLog
from r3l_sim.core.records import COVERAGE, film_name, summary, write_film
from r3l_sim.core.scene import JOINTS, Scene
from r3l_sim.core.tasks import task_named

FEATURES = ('image', 'state')


class SceneWorld:
    """
    One scene; its own reward is that of the task.

    :param config: of the simulator.
    :param features: what is sensed of the object: 'image', or 'state' for an instrumented
        baseline.
    :param low: least targets, shape (9,) [rad]; those of the hand if None.
    :param high: greatest targets [rad].
    :param home: posture between two episodes [rad].
    """

    joints = JOINTS
    joints_commanded = True

    def __init__(
        self,
        config: SimConfig,
        *,
        features: str = 'image',
        low: Sequence[float] = hand.JOINT_LOW,
        high: Sequence[float] = hand.JOINT_HIGH,
        home: Sequence[float] = hand.HOME,
    ) -> None:
        if features not in FEATURES:
            raise ValueError(f"features is '{features}': expected one of {', '.join(FEATURES)}")
        self.scene = Scene.from_config(config)
        self.name = config.task
        self._images = features == 'image'
        self.image_size = config.image_size if self._images else None
        self.feature_size = 0 if self._images else len(state_features(self.scene))
        self.low, self.high, self.home = np.array(low), np.array(high), np.array(home)
        self._coverage = Coverage(self.scene.task)
        run = Path(config.run) if config.run else None
        if run is not None:
            run.mkdir(parents=True, exist_ok=True)
        self._life = LifeLog(run / LIFE, self.scene.task) if run else None
        self._begun = False

    def observe(self) -> Sensed:
        """Look through the camera, or into the scene."""
        scene = self.scene
        if self._images:
            return Sensed(scene.image(), joint_position=scene.joint_position)
        return Sensed(None, state_features(scene), scene.joint_position)

    def step(self, target: NDArray[np.float64]) -> Feedback:
        """
        Let one control period pass.

        :param target: joint positions, shape (9,) [rad].
        """
        scene = self.scene
        scene.step(target)
        state = scene.object_state()
        if self._life is not None:
            self._life.append(state)
        return Feedback(scene.task.reward(state))

    def reset(self, rng: np.random.Generator) -> None:
        """
        Put the hand home and the object anywhere; the log of a life begins with its first reset.

        :param rng: source of the object's state.
        """
        if self._life is not None and not self._begun:
            self._life.cut(0)  # of a run that was killed before there was anything to go back to
        self._begun = True
        self.scene.reset(**self.scene.task.random_state(rng))

    def save_state(self) -> dict[str, NDArray[Any]]:
        """Return the physics and how far the records are."""
        visits = np.frombuffer(self._coverage.to_json().encode(), np.uint8)
        steps = self._life.steps if self._life is not None else 0
        if self._life is not None:
            self._life.flush()
        physics = {**self.scene.save_state(), **self.scene.save_view()}
        return {**physics, 'visits': visits, 'life': np.array(steps)}

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """
        Go on from a saved state, records and all.

        :raises ConfigError: if it is not one of this scene.
        """
        self.scene.load_state(state)
        self.scene.load_view(state)
        self._coverage.load_json(state['visits'].tobytes().decode())
        if self._life is not None:
            self._life.cut(int(state['life']))
        self._begun = True

    def note(self, env_steps: int) -> None:
        """Count where the object is; nothing of it is sensed."""
        self._coverage.add(self.scene.object_state(), env_steps)

    def write_records(self, run: Path) -> None:
        """Write where the object has been."""
        write_atomic(run / COVERAGE, self._coverage.to_json())
        if self._life is not None:
            self._life.flush()

    def close(self) -> None:
        """Free the camera."""
        if self._life is not None:
            self._life.close()
        self.scene.close()


class SceneEvaluation:
    """
    Judge policies in scenes of their own; what `train` takes as ``evaluate``.

    :param config: task, starts and scene; with a run, film strips and baselines go there.
    :param stop: asked again and again; True ends an evaluation.
    """

    def __init__(self, config: EvaluatorConfig, stop: Callable[[], bool] = lambda: False) -> None:
        self._run = Path(config.run) if config.run else None
        self._task = task_named(config.task)
        self._evaluator = Evaluator(config, stop)
        self._baselines = config.baselines and self._run is not None

    def __call__(self, encoder: Model, policy: Model, env_steps: int) -> dict[str, object]:
        """
        Judge a policy.

        :param encoder: arrays and metadata of the encoder.
        :param policy: the same of the policy.
        :param env_steps: up to which it was trained.
        :return: a line of ``evaluation.jsonl``.
        :raises TrainingStoppedError: if ``stop`` said so.
        """
        try:
            if self._baselines and self._run is not None:
                self._baselines = False
                self._evaluator.write_baselines_once(self._run)
            result = self._evaluator.evaluate(encoder, policy)
        except EvaluationStoppedError as error:
            raise TrainingStoppedError from error
        if self._run is not None:
            write_film(self._run, film_name(env_steps), result, self._task)
        return summary(result)

    def close(self) -> None:
        """Free the camera."""
        self._evaluator.close()
