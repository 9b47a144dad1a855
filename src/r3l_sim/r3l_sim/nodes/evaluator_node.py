# SPDX-License-Identifier: Apache-2.0
"""Judges the policies of a run in scenes of its own; nothing flows back into training."""

from collections.abc import Sequence
from pathlib import Path
import queue
import threading
import time

from r3l_agent.core.marks import Marks
from r3l_msgs.msg import AgentStatus, Evaluation, GroundTruth, Weights
from r3l_node.core.errors import ConfigError
from r3l_node.core.files import write_atomic
from r3l_node.core.weights import WeightsError
from r3l_node.nodes.diagnostics import Diagnostics, Level, Report
from r3l_node.nodes.main import run
from r3l_node.nodes.parameters import declare
from r3l_node.nodes.qos import EVALUATION, GROUND_TRUTH, POLICY_WEIGHTS, STATUS, WEIGHTS
from r3l_node.nodes.weights import read_weights
from r3l_sim.core.config import EvaluatorConfig
from r3l_sim.core.coverage import Coverage
from r3l_sim.core.evaluation import EvaluationResult, EvaluationStoppedError
from r3l_sim.core.evaluator import Evaluator
from r3l_sim.core.life_log import LIFE, LifeLog
from r3l_sim.core.records import COVERAGE, film_name, last_film, write_film
from r3l_sim.core.tasks import task_named
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

COVERAGE_PERIOD = 10.0  # wall time between two writes of the coverage [s]
HOUSEKEEPING = 0.5  # [s] wall
STOP_TIMEOUT = 2.0  # [s]
WAITING = 8  # evaluations that may wait; beyond, the oldest is left out


class EvaluatorNode(Node):
    """
    Evaluate the deployed task policy from fixed starts, every so many env steps.

    Subscribes ``encoder/weights``, ``policy/weights``, ``agent/status``, and ``ground_truth`` for
    the coverage histogram and the record of the run's life; it is the only node that does.
    Publishes ``evaluation``.
    """

    def __init__(self) -> None:
        super().__init__('evaluator')
        self._config = config = declare(self, EvaluatorConfig)
        self._task = task_named(config.task)
        self._run = Path(config.run) if config.run else None
        self._schedule = Marks(config.every, last_film(self._run) if self._run else None)
        self._newest: Weights | None = None
        self._encoder: Weights | None = None
        self._env_steps = 0
        self._done_at: float | None = None
        self._evaluated = self._failed = self._left_out = 0
        self._truth_stamp = -1
        self._coverage = Coverage(self._task)
        self._coverage_changed = False
        self._coverage_written = time.monotonic()
        self._load_coverage()
        self._life = LifeLog(self._run / LIFE, self._task) if self._run else None
        self._jobs: queue.Queue[tuple[Weights, Weights, int] | None] = queue.Queue()
        self._stop = threading.Event()

        self._out = self.create_publisher(Evaluation, 'evaluation', EVALUATION)
        self.create_subscription(Weights, 'encoder/weights', self._on_encoder, WEIGHTS)
        self.create_subscription(Weights, 'policy/weights', self._on_policy, POLICY_WEIGHTS)
        self.create_subscription(AgentStatus, 'agent/status', self._on_status, STATUS)
        self.create_subscription(GroundTruth, 'ground_truth', self._on_truth, GROUND_TRUTH)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(HOUSEKEEPING, self._on_housekeeping, clock=steady)
        self._diagnostics = Diagnostics(self)
        self._diagnostics.add('evaluation', self._report)
        self._worker = threading.Thread(target=self._work, name='evaluation', daemon=True)
        self._worker.start()

    def close(self) -> None:
        """Give up a running evaluation and write the coverage."""
        self._stop.set()
        self._jobs.put(None)
        self._worker.join(STOP_TIMEOUT)
        self._write_coverage()

    def _on_encoder(self, msg: Weights) -> None:
        late = self._encoder is None and self._newest is not None
        self._encoder = msg
        if late:
            self._on_policy(self._newest)

    def _on_policy(self, msg: Weights) -> None:
        self._newest = msg
        if self._encoder is not None and self._schedule.due(msg.env_steps):
            self._enqueue(msg, msg.env_steps)

    def _on_status(self, msg: AgentStatus) -> None:
        self._env_steps = msg.env_steps
        if msg.phase != AgentStatus.DONE:
            self._done_at = None
        elif self._done_at is None:
            self._done_at = time.monotonic()

    def _on_truth(self, msg: GroundTruth) -> None:
        stamp = msg.header.stamp.sec * 10**9 + msg.header.stamp.nanosec
        if stamp == self._truth_stamp:  # an observation that was repeated
            return
        self._truth_stamp = stamp
        state = dict(zip(msg.names, msg.values, strict=False))
        if msg.task != self._task.name or state.keys() != self._task.scene.units.keys():
            self.get_logger().error(
                f"ground truth dropped: {sorted(state)} of task '{msg.task}'",
                throttle_duration_sec=10.0,
            )
            return
        self._coverage.add(state, self._env_steps)
        self._coverage_changed = True
        if self._life is not None:
            self._life.append(state)

    def _on_housekeeping(self) -> None:
        now = time.monotonic()
        if now - self._coverage_written >= COVERAGE_PERIOD:
            self._coverage_written = now
            self._write_coverage()
        if self._done_at is None or self._newest is None or self._encoder is None:
            return
        # The learner publishes its last policy only when it has caught up with the agent.
        caught_up = self._newest.env_steps >= self._env_steps
        patient = now - self._done_at < self._config.final_wait
        if (caught_up or not patient) and self._schedule.final(self._env_steps):
            self._enqueue(self._newest, self._env_steps)

    def _enqueue(self, policy: Weights, env_steps: int) -> None:
        assert self._encoder is not None
        if self._jobs.qsize() >= WAITING:
            self._jobs.get_nowait()
            self._left_out += 1
        self._jobs.put((self._encoder, policy, env_steps))

    def _work(self) -> None:
        evaluator = Evaluator(self._config, self._stop.is_set)
        try:
            if self._run is not None and self._config.baselines:
                evaluator.write_baselines_once(self._run)
            while (job := self._jobs.get()) is not None:
                self._evaluate(evaluator, *job)
        except EvaluationStoppedError:
            pass
        except ConfigError as error:  # such as a camera back end that does not work here
            self.get_logger().error(f'no evaluations: {error}')
        finally:
            evaluator.close()

    def _evaluate(
        self, evaluator: Evaluator, encoder: Weights, policy: Weights, env_steps: int
    ) -> None:
        try:
            result = evaluator.evaluate(
                read_weights(encoder, 'encoder'), read_weights(policy, 'policy')
            )
            if self._run is not None:
                write_film(self._run, film_name(env_steps), result, self._task)
        except (WeightsError, OSError) as error:
            self._failed += 1
            self.get_logger().error(f'policy {policy.version} not evaluated: {error}')
            return
        self._publish(result, policy.version, env_steps)

    def _publish(self, result: EvaluationResult, version: int, env_steps: int) -> None:
        message = Evaluation(
            env_steps=env_steps,
            policy_version=version,
            success_rate=result.success_rate,
            success_rate_strict=result.success_rate_strict,
            final_distance_mean=result.final_distance_mean,
            unit=result.unit,
            starts=len(result.starts),
        )
        message.header.stamp = self.get_clock().now().to_msg()
        self._out.publish(message)
        self._evaluated += 1
        self.get_logger().info(
            f'{env_steps} env steps, policy {version}: success {result.success_rate:.2f} '
            f'(strict {result.success_rate_strict:.2f}), '
            f'final distance {result.final_distance_mean:.3g} {result.unit}'
        )

    def _load_coverage(self) -> None:
        path = self._run / COVERAGE if self._run else None
        if path is not None and path.exists():
            self._coverage.load_json(path.read_text(encoding='utf-8'))

    def _write_coverage(self) -> None:
        if self._run is not None and self._coverage_changed:
            self._coverage_changed = False
            write_atomic(self._run / COVERAGE, self._coverage.to_json())
        if self._life is not None:
            self._life.flush()

    def _report(self) -> Report:
        figures = {
            'evaluations': self._evaluated,
            'failed': self._failed,
            'left out': self._left_out,
            'waiting': self._jobs.qsize(),
        }
        if not self._worker.is_alive():
            return Level.ERROR, 'the evaluation thread has ended', figures
        if self._failed:
            return Level.WARN, f'{self._failed} policies could not be evaluated', figures
        return Level.OK, f'{self._evaluated} evaluations', figures


def main(args: Sequence[str] | None = None) -> None:
    """Run the node until it is stopped."""
    run(EvaluatorNode, args)
