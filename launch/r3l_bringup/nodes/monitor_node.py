# SPDX-License-Identifier: Apache-2.0
"""Keeps the records of a run and ends it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
import signal
import sys
import threading
import time
import traceback

from r3l_bringup.settings import MonitorConfig
from r3l_msgs.msg import AgentStatus, Evaluation, LearnerStatus, Metrics, SafetyState
from r3l_node.core.errors import ConfigError
from r3l_node.core.records import JsonLines, read_lines, Scalars
from r3l_node.core.status import (
    phase_name,
    plain_line,
    RateMeter,
    read_status,
    safety_name,
    Status,
    take_scalars,
    write_status,
)
from r3l_node.nodes.parameters import declare
from r3l_node.nodes.qos import EVALUATION, SAFETY, STATUS
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions

# Deeper than the publishers': messages wait here for half a second.
METRICS_QOS = QoSProfile(depth=1000, reliability=ReliabilityPolicy.RELIABLE)
_IDLE = 2  # looks in a row that find nothing, after which there is nothing


class MonitorNode(Node):
    """
    Record metrics and evaluations; see when the run is over.

    Subscribes ``metrics``, ``agent/status``, ``learner/status`` and ``evaluation``. Writes
    ``metrics.jsonl``, TensorBoard events, ``evaluation.jsonl`` and ``status.json`` of the run, and
    ``safety.jsonl`` where the graph has a driver (``driver/safety``).
    """

    def __init__(self) -> None:
        """
        Open the records of the run.

        :raises ConfigError: if no run folder was given.
        """
        super().__init__('monitor')
        self._config = declare(self, MonitorConfig)
        if not self._config.run:
            raise ConfigError("monitor.run is '': expected the path of the run folder")
        self.folder = Path(self._config.run)
        earlier = read_status(self.folder / 'status.json')
        self._begun = time.monotonic() - (earlier.wall_s if earlier else 0.0)
        self.status = Status(
            task=self._config.task, profile=self._config.profile, steps=self._config.steps
        )
        self._rate = RateMeter()
        self._scalars = Scalars(self.folder)
        done = read_lines(self.folder / 'evaluation.jsonl')
        self._seen = {(line['env_steps'], line['policy_version']) for line in done}
        self.status.evaluation = done[-1] if done else None
        self._evaluations = JsonLines(self.folder / 'evaluation.jsonl')
        has_driver = self._config.hardware != 'sim'
        self._safety = JsonLines(self.folder / 'safety.jsonl') if has_driver else None
        self._safety_seen: tuple[int, str, int] | None = None
        self._done_at: float | None = None
        self._next_line = 0.0
        self.handled = 0
        self.create_subscription(Metrics, 'metrics', self._on_metrics, METRICS_QOS)
        self.create_subscription(AgentStatus, 'agent/status', self._on_agent, STATUS)
        self.create_subscription(LearnerStatus, 'learner/status', self._on_learner, STATUS)
        self.create_subscription(Evaluation, 'evaluation', self._on_evaluation, EVALUATION)
        if has_driver:
            self.create_subscription(SafetyState, 'driver/safety', self._on_safety, SAFETY)

    def update(self) -> bool:
        """
        Write the status.

        :return: whether the run is over.
        """
        now, status = time.monotonic(), self.status
        status.wall_s = round(now - self._begun, 2)
        rate = self._rate.add(now, status.env_steps)
        status.steps_per_s = None if rate is None else round(rate, 2)
        left = max(0, status.steps - status.env_steps)
        status.eta_s = round(left / rate, 1) if rate else None
        status.finished = self._finished(now)
        self._scalars.flush()
        self._evaluations.flush()
        if self._safety is not None:
            self._safety.flush()
        write_status(status, self.folder / 'status.json')
        if now >= self._next_line:
            self._next_line = now + self._config.line_period
            self.get_logger().info(plain_line(status))
        return status.finished

    def close(self) -> None:
        """Close the records."""
        self._scalars.close()
        self._evaluations.close()
        if self._safety is not None:
            self._safety.close()

    def _finished(self, now: float) -> bool:
        if self.status.phase != 'done':
            self._done_at = None
            return False
        if self._done_at is None:
            self._done_at = now
        last = self.status.evaluation
        if last is not None and last['env_steps'] >= self.status.steps:
            return True
        if now - self._done_at < self._config.final_wait:
            return False
        self.get_logger().warning(
            f'no evaluation of the last policy came within {self._config.final_wait:.0f} s'
        )
        return True

    def _on_metrics(self, msg: Metrics) -> None:
        self.handled += 1
        if len(msg.names) != len(msg.values):
            self.get_logger().error(
                f'metrics of {msg.source!r} dropped: {len(msg.names)} names for '
                f'{len(msg.values)} values',
                throttle_duration_sec=10.0,
            )
            return
        values = dict(zip(msg.names, msg.values, strict=True))
        self._scalars.write(msg.source, msg.env_steps, time.monotonic() - self._begun, values)
        take_scalars(self.status, values)

    def _on_agent(self, msg: AgentStatus) -> None:
        self.handled += 1
        self.status.phase = phase_name(msg.phase)
        self.status.episode = msg.episode
        self.status.env_steps = msg.env_steps
        self.status.policy_version = msg.policy_version

    def _on_learner(self, msg: LearnerStatus) -> None:
        self.handled += 1
        self.status.update_ratio = msg.update_ratio
        self.status.updates = msg.updates

    def _on_evaluation(self, msg: Evaluation) -> None:
        self.handled += 1
        # The topic repeats its last messages to a monitor that was started again.
        if (msg.env_steps, msg.policy_version) in self._seen:
            return
        self._seen.add((msg.env_steps, msg.policy_version))
        line = {
            'env_steps': msg.env_steps,
            'wall_s': round(time.monotonic() - self._begun, 2),
            'success_rate': round(msg.success_rate, 6),
            'success_rate_strict': round(msg.success_rate_strict, 6),
            'final_distance_mean': round(msg.final_distance_mean, 6),
            'unit': msg.unit,
            'starts': msg.starts,
            'policy_version': msg.policy_version,
        }
        self._evaluations.write(line)
        self.status.evaluation = line

    def _on_safety(self, msg: SafetyState) -> None:
        self.handled += 1
        since = msg.since.sec + msg.since.nanosec * 1e-9
        # Not by the time: the driver counts on another clock, and its stamps of one moment differ.
        seen = (msg.state, msg.code, msg.interruptions)
        if self._safety is None or seen == self._safety_seen:
            return
        self._safety_seen = seen
        line = {
            'since': round(since, 4),
            'wall_s': round(time.monotonic() - self._begun, 2),
            'state': safety_name(msg.state),
            'code': msg.code,
            'reason': msg.reason,
            'interruptions': msg.interruptions,
        }
        self._safety.write(line)


def watch(node: MonitorNode, period: float, stop: threading.Event) -> bool:
    """
    Handle what has come twice a second, not one by one: the monitor must cost nothing.

    :param period: of the looks [s].
    :param stop: ends it.
    :return: whether the run is over.
    """
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        while not stop.wait(period):
            idle = 0
            # An executor that has given one message of each topic first says that there is none.
            while idle < _IDLE:
                before = node.handled
                executor.spin_once(timeout_sec=0)
                idle = 0 if node.handled != before else idle + 1
            if node.update():
                return True
    finally:
        executor.remove_node(node)
    return False


def _report(node: MonitorNode) -> None:
    # Imported at the end: plots need matplotlib.
    from r3l_bringup.report import write_report

    try:
        write_report(node.folder)
    except Exception as error:  # the run itself is whole, and would be as whole after a restart
        node.get_logger().error(traceback.format_exc())
        raise ConfigError(f'the report could not be written: {error!r}') from error


def main(args: Sequence[str] | None = None) -> None:
    """Run the monitor; exit code 0 when the run is over or it was asked to stop."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    try:
        node = MonitorNode()
        node.get_logger().info('ready')
        over = watch(node, 1.0 / node.get_parameter('status_rate').value, stop)
        node.close()
        if over:
            _report(node)
        node.destroy_node()
    except ConfigError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    finally:
        rclpy.try_shutdown()
    # 130 tells the runner that it was the signal and not the end of the run.
    sys.exit(0 if over else 128 + signal.SIGINT)


if __name__ == '__main__':
    main()
