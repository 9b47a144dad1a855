# SPDX-License-Identifier: Apache-2.0
"""
The agent without ROS: who acts when, and what the learner is told about it.

Random warm-up, then task policy and perturbation controller in strict turn, an episode each, and
between two episodes a homing of the robot alone. One observation in, one decision out.
"""

from dataclasses import replace

import numpy as np
from r3l_agent.core.acting import Episode, policy_action, random_action
from r3l_agent.core.agent_config import AgentConfig
from r3l_agent.core.agent_state import AgentState
from r3l_agent.core.decision import (
    Array,
    Decision,
    Observation,
    Phase,
    PHASE_OF,
    PolicyKind,
    PolicyVersion,
    Positions,
    Step,
)
from r3l_agent.core.observation import JointRange
from r3l_agent.core.policy_store import PolicyStore
from r3l_agent.core.safety import DriverState, SafetyGate

# Non-finite actions in a row after which a version of the policy is given up.
PATIENCE = 3
# A stamp this much older than the last one means that the clock was set back [ns].
CLOCK_RESET = 1_000_000_000


class Alternation:
    """
    Decide what the hand does next; knows no clock, no topic and no file.

    :param config: settings of the agent.
    :param state: where an earlier life of the agent stopped; None: a new run.
    :param joints: number of proprioceptive values; None: one for each joint that is commanded.
    :param homing: control steps of homing left at that moment; None: all.
    """

    def __init__(
        self,
        config: AgentConfig,
        state: AgentState | None = None,
        *,
        joints: int | None = None,
        homing: int | None = None,
    ) -> None:
        self.config = config
        self.policies = PolicyStore()
        self.dropped = 0
        self.interrupted = 0
        self._state = state or AgentState(task=config.task)
        self._range = JointRange(config.joint_low, config.joint_high)
        self._home: Positions = np.asarray(config.home, dtype=np.float64)
        self._zeros: Array = np.zeros(len(config.joint_names), dtype=np.float32)
        self._period = 1e9 / config.control_rate
        self._gate = SafetyGate(config.driver, self._period)
        self._after_fault = False
        # The hand may be anywhere when a run begins, and after a restart.
        self._homing = config.homing_steps if homing is None else homing
        self._joints = self._home.shape if joints is None else (joints,)
        self._ends = False
        self._episode: Episode | None = None
        self._answered = Decision(stamp=-1, phase=Phase.WAITING)
        self._phase = Phase.WAITING
        self._bad_actions = 0
        self._late = 0
        self._received = 0

    @property
    def phase(self) -> Phase:
        """What the agent is doing."""
        return self._phase

    @property
    def state(self) -> AgentState:
        """Counts as they stand now."""
        return self._state

    @property
    def step(self) -> int:
        """Control step within the running episode; 0 between two episodes."""
        return self._episode.step if self._episode else 0

    @property
    def acting(self) -> bool:
        """Whether an episode runs."""
        return self._episode is not None

    @property
    def homing(self) -> int:
        """Control steps of homing that are left."""
        return self._homing

    def end_episode(self) -> None:
        """Let the running episode end with the next observation, because the world ended there."""
        self._ends = self._episode is not None

    @property
    def policy_version(self) -> int:
        """Version of the weights that act; 0: random actions or none."""
        version = self._episode.version if self._episode else None
        return version.version if version else 0

    @property
    def required(self) -> int:
        """Env step up to which the policy of the next episode must have been trained."""
        ends = self._state.ends
        return ends[0] if len(ends) == 2 else 0

    def reserved(self, episodes: int) -> AgentState:
        """
        Return the state to keep while episodes run: a restart repeats no number of theirs.

        :param episodes: the running one and those after it.
        """
        length = self.config.longest_episode + 1
        return self._state.reserve(length * episodes - self.step, episodes - 1)

    def note_received(self, count: int) -> None:
        """
        Take note of how many actions the learner knows.

        A restarted agent learns from it how many steps its earlier life took after the last
        state it kept.

        :param count: transitions with ``last`` false that the learner has received.
        """
        self._received = count
        if count >= self._state.env_steps:
            self.policies.align()

    def note_driver(self, state: DriverState) -> list[int]:
        """
        Take note of what the driver allows.

        :return: numbers of steps already told that a fault has spoilt: no transition ends there.
        """
        fault = self._gate.update(state)
        if self._gate.reason and self._phase is not Phase.DONE:
            self._phase = Phase.PAUSED  # Also where no observation comes any more.
        if not fault:
            return []
        self._interrupt()
        self._homing = self.config.homing_steps
        self._after_fault = True
        # The command before the fault is not repeated after it.
        self._answered = replace(self._answered, target=None)
        return self._gate.spoilt()

    def release(self) -> bool:
        """
        Stop waiting for a learner that has nothing left to do.

        :return: false if there is no policy to go on with.
        """
        return self.policies.rebase(self.required)

    def observe(self, observation: Observation) -> Decision:
        """
        Answer one observation.

        The same stamp again gets the same command and no further step.

        :param observation: complete, in the order of the configured joints.
        :return: the decision; offer the observation again later if it has neither a command nor
            ``dropped``.
        """
        answered = self._answered.target is not None
        if answered and observation.stamp == self._answered.stamp:
            return replace(self._answered, step=None)
        reason = self._fault(observation) or self._follow(observation.stamp)
        if reason:
            return self._drop(observation, reason)
        decision = self._decide(observation)
        self._phase = decision.phase
        if decision.target is not None:
            self._answered = decision
        return decision

    def _fault(self, observation: Observation) -> str:
        joints = observation.joint_position
        if joints.shape != self._joints:
            return f'{joints.size} joint positions: expected {self._joints[0]}'
        if not np.isfinite(joints).all():
            return 'joint positions are not finite'
        if not np.isfinite(observation.latent).all():
            return 'latent is not finite'
        if (observation.encoder_version == 0) != (observation.latent.size == 0):
            return (
                f'latent of {observation.latent.size} values with encoder version '
                f'{observation.encoder_version}: expected none exactly for version 0'
            )
        return ''

    def _follow(self, stamp: int) -> str:
        """Compare with the last answered stamp; a jump ends the episode without an end."""
        if self._answered.stamp < 0:
            return ''
        delta = stamp - self._answered.stamp
        if delta < 0:
            self._late += 1
            if delta > -CLOCK_RESET and self._late < PATIENCE:
                return 'older than an observation already answered'
            self._interrupt()
        elif delta > 1.5 * self._period:
            self._interrupt()
        self._late = 0
        return ''

    def early(self, stamp: int) -> bool:
        """
        Tell whether an image came between two control steps: cameras are faster than control.

        :param stamp: of the image [ns].
        """
        delta = stamp - self._answered.stamp
        return self._answered.stamp >= 0 and 0 < delta < 0.75 * self._period

    def _interrupt(self) -> None:
        """Give up the running episode: its next observation is not what its action led to."""
        if self._episode is not None:
            if self._episode.step == 0:  # It never acted: its number and its turn are free again.
                self._state = self._state.taken_back(self._episode.policy)
            self._episode = None
            self._homing = self.config.homing_steps
            self.interrupted += 1

    def _drop(self, observation: Observation, reason: str) -> Decision:
        self.dropped += 1
        return Decision(observation.stamp, self._phase, reason=reason, dropped=True)

    def _decide(self, observation: Observation) -> Decision:
        if self._gate.reason:
            return self._pause(observation)
        running = self._episode
        if running and running.version and observation.encoder_version == 0:
            # The encoder lost its weights: random motion must gather images again.
            self._interrupt()
        if self._episode is None:
            if self._homing > 0:
                return self._go_home(observation)
            if self._received > self._state.env_steps:
                self._state = replace(self._state, env_steps=self._received)
            if self._state.env_steps >= self.config.steps:
                return self._rest(observation, Phase.DONE, 'all steps are taken')
            reason = self._begin(observation)
            if reason:
                return self._rest(observation, Phase.WAITING, reason)
        return self._act(observation)

    def _go_home(self, observation: Observation, step: Step | None = None) -> Decision:
        self._homing -= 1
        return Decision(observation.stamp, Phase.HOMING, self._home, step)

    def _rest(self, observation: Observation, phase: Phase, reason: str) -> Decision:
        """Keep a real hand where it is; a simulation in lockstep stands still by itself."""
        target = None if self.config.lockstep else self._home
        return Decision(observation.stamp, phase, target, reason=reason)

    def _pause(self, observation: Observation) -> Decision:
        """Command nothing, unless only that ends the fault or makes time pass."""
        done = self._phase is Phase.DONE
        ticks = self.config.lockstep and self._gate.known and not done
        target = self._home if ticks or self._gate.cured_by_commands else None
        phase = Phase.DONE if done else Phase.PAUSED
        return Decision(observation.stamp, phase, target, reason=self._gate.reason)

    def _begin(self, observation: Observation) -> str:
        """Start the next episode, or say what it waits for."""
        state = self._state
        version: PolicyVersion | None = None
        policy = PolicyKind.RANDOM
        if state.env_steps >= self.config.warmup_steps and observation.encoder_version > 0:
            lockstep = self.config.lockstep
            version = self.policies.choose(self.required) if lockstep else self.policies.newest()
            if version is None:
                return f'waits for a policy trained up to env step {self.required}'
            expected = version.spec.latent_size
            if expected != observation.latent.size:
                return f'policy expects {expected} latents: got {observation.latent.size}'
            policy = self._next_policy(version.stall_level)
        # Random perturbation has no actor, and neither has warm-up.
        actor = version.actors.get(policy) if version else None
        if version and policy is PolicyKind.PERTURBATION and self._at_random(version.stall_level):
            actor = None
        self._state = state.begun(policy)
        self._episode = Episode(
            policy, version, actor, self._zeros, observation.latent, observation.encoder_version
        )
        return ''

    def _next_policy(self, stall_level: int) -> PolicyKind:
        alone = self.config.perturbation == 'none' or self.config.resets
        wanted = 2 if stall_level >= 2 else 1
        if alone or self._state.since_task >= wanted:
            return PolicyKind.TASK
        return PolicyKind.PERTURBATION

    def _at_random(self, stall_level: int) -> bool:
        """Tell whether the next perturbation is random motion: always, or every second one."""
        if self.config.perturbation == 'random' or stall_level == 0:
            return self.config.perturbation == 'random'
        if stall_level >= 2:
            return self._state.since_task == 1
        return self._state.turn // 2 % 2 == 1

    def _act(self, observation: Observation) -> Decision:
        episode, state, config = self._episode, self._state, self.config
        assert episode is not None
        perturbs = episode.policy is PolicyKind.PERTURBATION
        length = config.perturbation_steps if perturbs else config.episode_steps
        last = episode.step >= length or state.env_steps >= config.steps
        successes = self._successes(episode, observation)
        last = last or 0 < config.success_steps < successes
        last, self._ends = last or self._ends, False
        action = self._zeros if last else self._choose(episode, observation)
        if action is None:
            return self._drop(observation, 'action is not finite')
        step = Step(
            sequence=state.sequence,
            episode=state.episode - 1,
            policy=episode.policy,
            first=episode.step == 0,
            last=last,
            joint_position=observation.joint_position,
            previous_action=episode.previous_action,
            action=action,
            latent=observation.latent,
            encoder_version=observation.encoder_version,
            interrupted=self._after_fault,
        )
        self._after_fault = False
        self._gate.tell(step.sequence, observation.stamp)
        taken = state.env_steps + (not last)
        ends = (*state.ends, taken)[-2:] if last else state.ends
        self._state = replace(state, sequence=state.sequence + 1, env_steps=taken, ends=ends)
        if last:
            self._episode = None
            # A reset brings the robot home, too.
            self._homing = 1 if config.resets else config.homing_steps
            return self._go_home(observation, step)
        episode.remember(observation, action)
        episode.successes = successes
        phase = PHASE_OF[episode.policy]
        return Decision(observation.stamp, phase, self._range.target(action), step)

    def _successes(self, episode: Episode, observation: Observation) -> int:
        """Count the observations in a row that look as if the task policy were done."""
        head = episode.version.success if episode.version else None
        attempt = episode.policy is PolicyKind.TASK and episode.step > 0  # not what homing left
        if head is None or not attempt or self.config.success_steps == 0:
            return 0
        probability = head.probability(observation.latent)
        return episode.successes + 1 if probability >= self.config.success_probability else 0

    def _choose(self, episode: Episode, observation: Observation) -> Array | None:
        """Return an action in -1..1, or None if the policy gives none that is finite."""
        config, sequence = self.config, self._state.sequence
        while True:
            if episode.actor is None:
                return random_action(config.seed, sequence, config.random_hold, len(self._zeros))
            action = policy_action(episode, observation, self._range, config.seed, sequence)
            if np.isfinite(action).all():
                self._bad_actions = 0
                return action
            self._bad_actions += 1
            if self._bad_actions < PATIENCE or episode.version is None:
                return None
            self._bad_actions = 0
            older = self.policies.reject(episode.version)
            if older is None:
                self._interrupt()
                return None
            episode.version, episode.actor = older, older.actors[episode.policy]
