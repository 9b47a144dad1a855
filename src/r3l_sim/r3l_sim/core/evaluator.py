# SPDX-License-Identifier: Apache-2.0
"""Evaluates weights: what the evaluator node and ``r3l evaluate`` have in common."""

from collections.abc import Callable, Sequence
from pathlib import Path

from r3l_node.core.weights import Tensors, WeightsError
from r3l_perception.core.encoders import encoder_from_weights
from r3l_perception.core.standardiser import Standardiser
from r3l_sim.core.config import EvaluatorConfig
from r3l_sim.core.deployed import DeployedPolicy
from r3l_sim.core.evaluation import (
    Act,
    evaluate,
    EvaluationResult,
    hold_still,
    random_motion,
    Watch,
)
from r3l_sim.core.hand import JOINT_HIGH, JOINT_LOW
from r3l_sim.core.instrumented import Looking
from r3l_sim.core.records import BASELINES, write_baselines
from r3l_sim.core.scene import Scene
import torch

Model = tuple[Tensors, dict[str, str]]


class Evaluator:
    """
    Run deployed policies from the fixed starts; all in one thread, for the camera's sake.

    :param config: task, starts and scene.
    :param stop: asked again and again; True ends an evaluation.
    """

    def __init__(self, config: EvaluatorConfig, stop: Callable[[], bool] = lambda: False) -> None:
        torch.set_num_threads(1)  # the other cores belong to the training
        self._stop = stop
        self._scene = Scene.from_config(config)
        task = self._scene.task
        self._starts = (
            task.starts(config.starts, config.starts_seed)
            if config.starts
            else list(task.published_starts)
        )

    def evaluate(
        self,
        encoder: Model,
        policy: Model,
        *,
        film: bool = True,
        watch: Watch = lambda scenes: None,
    ) -> EvaluationResult:
        """
        Evaluate the deployed policy of some weights.

        :param encoder: tensors and metadata of the encoder.
        :param policy: tensors and metadata of the policy.
        :param film: keep pictures for a film strip.
        :param watch: shown the scenes of all starts, at the start and after each step.
        :raises WeightsError: if the weights are not usable, or not together.
        :raises EvaluationStoppedError: if `stop` said so.
        """
        try:
            vae = encoder_from_weights(*encoder)
        except ValueError as error:
            raise WeightsError(str(error)) from error
        deployed = DeployedPolicy(vae, *policy)
        if isinstance(vae, Standardiser):
            return self._instrumented(deployed, film, watch)
        size = getattr(vae, 'image_size', None)
        if self._scene.size != (size, size):
            raise WeightsError(
                f'the encoder expects images of {size} px: the camera gives {self._scene.size[0]}'
            )
        return self.run(deployed, film=film, watch=watch)

    def _instrumented(self, policy: DeployedPolicy, film: bool, watch: Watch) -> EvaluationResult:
        looking = Looking(policy)

        def both(scenes: Sequence[Scene]) -> None:
            looking.watch(scenes)
            watch(scenes)

        return self.run(looking, film=film, watch=both)

    def run(
        self, act: Act, *, film: bool = False, watch: Watch = lambda scenes: None
    ) -> EvaluationResult:
        """
        Evaluate any behaviour.

        :param act: see `r3l_sim.core.evaluation.evaluate`.
        :param film: keep pictures for a film strip.
        :param watch: shown the scenes of all starts, at the start and after each step.
        """
        return evaluate(self._scene, act, self._starts, film=film, stop=self._stop, watch=watch)

    def baselines(self, seed: int = 0) -> dict[str, EvaluationResult]:
        """
        Evaluate what needs no learning.

        :param seed: of the random motion.
        :return: by name, for reports.
        """
        moving = random_motion(JOINT_LOW, JOINT_HIGH, seed)
        return {'hold still': self.run(hold_still), 'random motion': self.run(moving)}

    def write_baselines_once(self, run: Path) -> None:
        """
        Write the baselines into a run folder that has none.

        :param run: folder of the run.
        """
        if not (run / BASELINES).exists():
            write_baselines(run, self.baselines())

    def close(self) -> None:
        """Free the camera."""
        self._scene.close()
