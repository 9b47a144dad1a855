# SPDX-License-Identifier: Apache-2.0
"""The agent: observations in, joint commands and transitions out."""

from collections import deque
from pathlib import Path
from time import monotonic

from r3l_agent.core.agent_config import AgentConfig, LEARNED
from r3l_agent.core.agent_state import AgentState, AgentStateError
from r3l_agent.core.alternation import Alternation
from r3l_agent.core.decision import Decision, Observation, Phase, PolicyKind
from r3l_agent.core.episodes import EpisodeScores
from r3l_agent.core.join import Joined, ObservationJoiner
from r3l_agent.nodes.conversions import (
    driver_state,
    fill_transition,
    JointReader,
    latent_mean,
    nanoseconds,
    OBEYS,
    policy_version,
)
from r3l_msgs.msg import (
    AgentStatus,
    Latent,
    LearnerStatus,
    Reward,
    SafetyState,
    Transition,
    Weights,
)
from r3l_node.core.errors import ConfigError
from r3l_node.core.files import write_atomic
from r3l_node.nodes import qos
from r3l_node.nodes.diagnostics import Diagnostics, Level, Report
from r3l_node.nodes.fields import float_field, MessageError
from r3l_node.nodes.main import run
from r3l_node.nodes.metrics import MetricsPublisher
from r3l_node.nodes.parameters import declare
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from sensor_msgs.msg import Image, JointState
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

STATE_FILE = 'agent_state.json'
RATE_WINDOW = 10  # [s]
# Episodes per write of the state file: waiting for the disk costs some control steps otherwise.
RESERVED_EPISODES = 8
Complete = Joined[JointState, Image, Latent]


class AgentNode(Node):
    """
    Answer every observation with a command, and tell the learner.

    Subscribes ``camera/image_raw``, ``latent``, ``joint_states``, ``reward``,
    ``policy/weights``, ``learner/status`` and, with a driver, ``driver/safety``. Publishes
    ``joint_command`` [rad] with the stamp of the image that it answers, ``transition``,
    ``agent/status`` and ``metrics``.
    """

    def __init__(self) -> None:
        super().__init__('agent')
        self._config = declare(self, AgentConfig)
        if self._config.resets:
            raise ConfigError('agent.resets is true: expected false, nothing can reset the world')
        self._alternation = Alternation(self._config, self._load())
        tolerance = None if self._config.lockstep else int(self._config.joint_tolerance * 1e9)
        self._joiner: ObservationJoiner[JointState, Image, Latent] = ObservationJoiner(tolerance)
        self._reader = JointReader(self._config.joint_names)
        self._scores = EpisodeScores()
        self._pending: tuple[Observation, Image] | None = None
        self._shown: tuple[Phase, int] = (Phase.UNSPECIFIED, -1)
        learned = self._config.perturbation in LEARNED
        self._kinds = (PolicyKind.TASK, PolicyKind.PERTURBATION) if learned else (PolicyKind.TASK,)
        self._malformed = 0
        self._reserved = 0
        self._reason = self._fault = ''
        self._idle_since: float | None = None
        self._pace: deque[tuple[float, int]] = deque(maxlen=RATE_WINDOW + 1)

        # Kept and filled again for every step: constructing messages costs more than sending.
        self._command = JointTrajectory(
            joint_names=list(self._config.joint_names), points=[JointTrajectoryPoint()]
        )
        self._transition = Transition()
        self._connect()
        self._metrics = MetricsPublisher(self, 'agent')
        self._diagnostics = Diagnostics(self)
        self._diagnostics.add('alternation', self._report)
        self._timer = self.create_timer(
            1.0, self._on_second, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )

    def _connect(self) -> None:
        sensor = qos.sensor(lockstep=self._config.lockstep)
        self._commands = self.create_publisher(JointTrajectory, 'joint_command', qos.COMMAND)
        self._transitions = self.create_publisher(Transition, 'transition', qos.TRANSITION)
        self._status = self.create_publisher(AgentStatus, 'agent/status', qos.STATUS)
        self.create_subscription(JointState, 'joint_states', self._on_joints, sensor)
        self.create_subscription(Image, 'camera/image_raw', self._on_image, sensor)
        self.create_subscription(Latent, 'latent', self._on_latent, qos.OBSERVATION)
        self.create_subscription(Reward, 'reward', self._on_reward, qos.OBSERVATION)
        self.create_subscription(Weights, 'policy/weights', self._on_policy, qos.POLICY_WEIGHTS)
        self.create_subscription(LearnerStatus, 'learner/status', self._on_learner, qos.STATUS)
        if self._config.driver:
            self.create_subscription(SafetyState, 'driver/safety', self._on_safety, qos.SAFETY)

    def _load(self) -> AgentState | None:
        """Return where the last agent of this run stopped."""
        self._file = Path(self._config.run) / STATE_FILE if self._config.run else None
        if self._file is None or not self._file.exists():
            return None
        try:
            return AgentState.from_json(self._file.read_text('utf-8'), self._config.task)
        except (OSError, UnicodeDecodeError) as error:
            raise AgentStateError(f'{self._file} cannot be read: {error}') from error
        except AgentStateError as error:
            raise AgentStateError(f'{self._file}: {error}') from error

    def _save(self, state: AgentState) -> None:
        if self._file is not None:
            write_atomic(self._file, state.to_json())

    def _reserve(self, sequence: int) -> None:
        """Make sure that no number of the coming episode is used again after a restart."""
        if sequence + self._config.longest_episode >= self._reserved:
            state = self._alternation.reserved(RESERVED_EPISODES)
            self._save(state)
            self._reserved = state.sequence

    def _on_joints(self, message: JointState) -> None:
        self._take(self._joiner.add_joints(nanoseconds(message.header), message))

    def _on_image(self, message: Image) -> None:
        self._take(self._joiner.add_image(nanoseconds(message.header), message))

    def _on_latent(self, message: Latent) -> None:
        self._take(self._joiner.add_latent(nanoseconds(message.header), message))

    def _on_reward(self, message: Reward) -> None:
        self._scores.score(nanoseconds(message.header), message.probability, message.reward)

    def _on_policy(self, message: Weights) -> None:
        try:
            version = policy_version(message, len(self._config.joint_names), self._kinds)
        except ConfigError as error:
            self._refuse('policy/weights', error)
            return
        self._alternation.policies.add(version)
        if self._pending is not None:
            self._answer(*self._pending)

    def _on_learner(self, message: LearnerStatus) -> None:
        self._alternation.note_received(message.received)
        if message.env_steps < message.received:
            self._idle_since = None  # It has work to do.
        elif self._idle_since is None:
            self._idle_since = monotonic()

    def _on_safety(self, message: SafetyState) -> None:
        for sequence in self._alternation.note_driver(driver_state(message)):
            self._transitions.publish(Transition(sequence=sequence, interrupted=True))
        if self._alternation.phase is not Phase.PAUSED:
            return
        if self._pending is not None:
            self._answer(*self._pending)
        if self._shown[0] != self._alternation.phase:
            self._publish_status()
        if message.state not in OBEYS and message.code != self._fault:
            self.get_logger().warning(f'paused: {message.code}: {message.reason}')
        self._fault = message.code

    def _refuse(self, what: str, error: Exception) -> None:
        self._malformed += 1
        self.get_logger().error(f'{what} dropped: {error}', throttle_duration_sec=1.0)

    def _take(self, joined: Complete | None) -> None:
        """Turn a complete observation into arrays and answer it."""
        if joined is None:
            return
        if not self._config.lockstep and self._alternation.early(joined.stamp):
            return
        try:
            observation = Observation(
                joined.stamp,
                self._reader.positions(joined.joints),
                latent_mean(joined.latent),
                joined.latent.model_version,
            )
        except MessageError as error:
            self._refuse('observation', error)
            return
        self._answer(observation, joined.image)

    def _answer(self, observation: Observation, image: Image) -> None:
        decision = self._alternation.observe(observation)
        self._pending = None
        self._reason = decision.reason
        if decision.target is not None:
            self._command.header.stamp = image.header.stamp
            self._command.points[0].positions = float_field(decision.target, 'float64')
            self._commands.publish(self._command)
        elif decision.dropped:
            self.get_logger().error(
                f'observation dropped: {decision.reason}', throttle_duration_sec=1.0
            )
        elif decision.phase != Phase.DONE:
            self._pending = (observation, image)
        if decision.step is not None:
            self._tell(decision, image)
        if self._shown != (self._alternation.phase, self._alternation.state.episode):
            self._publish_status()

    def _tell(self, decision: Decision, image: Image) -> None:
        """Publish a transition; its number is reserved on disk before."""
        step = decision.step
        assert step is not None
        if step.first:
            self._reserve(step.sequence)
            self._publish_metrics()
        self._scores.follow(decision.stamp, step)
        fill_transition(self._transition, step, image)
        self._transitions.publish(self._transition)

    def _publish_metrics(self) -> None:
        values = self._scores.take()
        if values:
            values['time/control_rate'] = self._rate()
            self._metrics.publish(self._alternation.state.env_steps, values)

    def _publish_status(self) -> None:
        agent = self._alternation
        self._shown = (agent.phase, agent.state.episode)
        status = AgentStatus(
            phase=int(agent.phase),
            episode=agent.state.episode,
            step=agent.step,
            env_steps=agent.state.env_steps,
            policy_version=agent.policy_version,
            observations_dropped=self._dropped,
            control_rate=self._rate(),
        )
        status.header.stamp = self.get_clock().now().to_msg()
        self._status.publish(status)

    @property
    def _dropped(self) -> int:
        return self._alternation.dropped + self._joiner.incomplete + self._malformed

    def _rate(self) -> float:
        """Control steps outside homing per second of wall time, over the last seconds [Hz]."""
        if len(self._pace) < 2:
            return 0.0
        (start, first), (end, last) = self._pace[0], self._pace[-1]
        return (last - first) / (end - start) if end > start else 0.0

    def _on_second(self) -> None:
        self._pace.append((monotonic(), self._alternation.state.env_steps))
        self._publish_status()
        if self._pending is None or not self._config.lockstep:
            return
        idle = self._idle_since
        if idle is not None and monotonic() - idle > self._config.policy_wait:
            required = self._alternation.required
            if self._alternation.release():
                self.get_logger().warning(
                    f'the learner is done but has not seen env step {required}: going on'
                )
                self._answer(*self._pending)

    def _report(self) -> Report:
        agent = self._alternation
        figures = {
            'phase': agent.phase.name,
            'env steps': agent.state.env_steps,
            'episode': agent.state.episode,
            'policy version': agent.policy_version,
            'control rate [Hz]': f'{self._rate():.2f}',
            'observations dropped': self._dropped,
            'messages malformed': self._malformed,
            'episodes interrupted': agent.interrupted,
        }
        waits = self._reason and agent.phase != Phase.DONE
        return Level.WARN if waits else Level.OK, self._reason or agent.phase.name.lower(), figures

    def close(self) -> None:
        """Keep the counts as they stand, so that a later agent goes on without a gap."""
        self._save(self._alternation.state)
        self._publish_status()


def main(args: list[str] | None = None) -> None:
    """Run the agent until it is stopped."""
    run(AgentNode, args)
