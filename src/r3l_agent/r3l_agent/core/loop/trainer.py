# SPDX-License-Identifier: Apache-2.0
"""
The training step by step: what the graph's nodes do in lockstep, one after the other.

Nothing depends on how fast anything is: a policy acts two episodes after the data that it was
trained on, and a classifier is used two rounds after its own, as in the graph.
"""

from collections import deque
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import NamedTuple

import numpy as np
from r3l_agent.core.agent_config import LEARNED
from r3l_agent.core.agent_state import AgentState
from r3l_agent.core.alternation import Alternation
from r3l_agent.core.decision import Decision, Observation, Phase, PolicyKind, Step
from r3l_agent.core.episodes import EpisodeScores, NAMES
from r3l_agent.core.interventions import append
from r3l_agent.core.loop.config import TrainConfig
from r3l_agent.core.loop.encoding import Encoding
from r3l_agent.core.loop.learning import Learning
from r3l_agent.core.loop.records import Records
from r3l_agent.core.loop.result import Evaluate, TrainingStoppedError
from r3l_agent.core.loop.world import Feedback, Sensed, Witness, World
from r3l_agent.core.marks import Marks
from r3l_agent.core.observation import Layout
from r3l_agent.core.policy_store import KEPT, read_version
from r3l_node.core.status import PHASES
from r3l_node.core.weights import unpack
from r3l_reward.core.vice.objective import Examples

SECOND = 10**9  # [ns]
PATIENCE = 20  # answers without a command in a row
ASK_PERIOD = 0.05  # [s]
STOP_WAIT = 2.0  # longest wait for the end of an episode, once told to stop [s]


class Published(NamedTuple):
    """A version of the policies."""

    version: int
    env_steps: int
    data: bytes  # safetensors


class Trainer:
    """
    Own all parts of a training and let them take turns.

    :param world: to act in; was reset, or is where ``state`` left it.
    :param goals: examples of success, as they are sensed.
    :param reset_goals: of the second classifier; None: there is none.
    :param config: settings that fit the world.
    :param layout: of what is stored.
    :param records: are told what happens.
    :param evaluate: judges policies; None: nobody does.
    :param stop: asked all the time; True ends the training soon.
    :param state: where an earlier training stopped, and its steps of homing left.
    """

    def __init__(
        self,
        world: World,
        goals: Examples,
        reset_goals: Examples | None,
        config: TrainConfig,
        layout: Layout,
        records: Records,
        evaluate: Evaluate | None,
        stop: Callable[[], bool],
        state: tuple[AgentState, int] | None = None,
    ) -> None:
        self.world = world
        self.config = config
        self._stop = stop
        self._stopped_at: float | None = None
        self._ask_again = 0.0  # [s]
        self.records = records
        self.marks = Marks(config.evaluate_every)
        self.alternation = Alternation(
            config.agent,
            state[0] if state else None,
            joints=world.joints,
            homing=state[1] if state else None,
        )
        self.encoding = Encoding(config.encoder, world, self._encoder_progress)
        self.learning = Learning(
            config, layout, self.encoding, goals, reset_goals, records, self._on_policy,
            self._out_of_time,
        )  # fmt: skip
        learned = config.agent.perturbation in LEARNED
        self.kinds = (PolicyKind.TASK, PolicyKind.PERTURBATION) if learned else (PolicyKind.TASK,)
        self.published: deque[Published] = deque(maxlen=KEPT)
        self.stamp = SECOND
        self.resets = 0
        self.interventions = 0
        self.episode_over = False
        self._period = round(SECOND / config.agent.control_rate)
        self._feedback = Feedback()
        self._own_return = 0.0
        self._scores = EpisodeScores()
        self._evaluate = evaluate
        self._witness = world if isinstance(world, Witness) else None

    @property
    def env_steps(self) -> int:
        """Actions taken outside homing."""
        return self.alternation.state.env_steps

    @property
    def rows(self) -> int:
        """Observations ever stored to learn from."""
        return self.learning.training.learner.replay.ring.count

    def begin(self) -> None:
        """Take an encoder that was given with the settings."""
        if self.encoding.encoder is not None:
            self.learning.take_encoder()

    def step(self) -> bool:
        """
        Answer one observation and let time pass.

        :return: false once all steps are taken.
        :raises TrainingStoppedError: if it cannot be saved any more before the end.
        """
        self._ask_now()
        if self._out_of_time():
            raise TrainingStoppedError
        self.episode_over = False
        sensed = self.world.observe()
        if self._witness is not None:
            self._witness.note(self.env_steps)
        if self.encoding.due():
            self.encoding.fit()
            self.learning.take_encoder()
        decision = self._decide(sensed)
        if decision.step is not None:
            self._tell(decision, decision.step, sensed)
        self._show(decision)
        if decision.phase is Phase.DONE:
            return False
        self._act(decision)
        return True

    def stopping(self) -> bool:
        """Whether it was told to stop."""
        # Between the steps not at each of the many questions: the answer may cost something.
        if monotonic() >= self._ask_again:
            self._ask_now()
        return self._stopped_at is not None

    def _ask_now(self) -> None:
        if self._stopped_at is None and self._stop():
            self._stopped_at = monotonic()
        self._ask_again = monotonic() + ASK_PERIOD

    def evaluate_last(self) -> None:
        """Judge the last policy, if it was not yet."""
        if self.published and self.marks.final(self.env_steps):
            self._judge(self.published[-1], self.env_steps)

    def _out_of_time(self) -> bool:
        if not self.stopping():
            return False
        assert self._stopped_at is not None
        return monotonic() - self._stopped_at > STOP_WAIT

    def _decide(self, sensed: Sensed) -> Decision:
        observation = Observation(
            self.stamp,
            np.asarray(sensed.joint_position, np.float64),
            *self.encoding.sense(sensed),
        )
        if self._feedback.terminal:
            self.alternation.end_episode()
        for _ in range(PATIENCE):
            decision = self.alternation.observe(observation)
            if decision.target is not None or decision.phase is Phase.DONE:
                return decision
        raise RuntimeError(f'the training cannot go on: {decision.reason}')

    def _tell(self, decision: Decision, step: Step, sensed: Sensed) -> None:
        if step.first:
            self.records.metrics('agent', self.env_steps, self._scores.take())
        self._scores.follow(decision.stamp, step)
        raw = self.encoding.raw(sensed)
        opinion = self.learning.opinion(step, raw)
        if opinion is not None:
            self._scores.score(decision.stamp, *opinion)
        self._sum(step)
        self.learning.add(step, raw, self._feedback)

    def _sum(self, step: Step) -> None:
        """Add the world's own reward up, for people to read."""
        self._own_return = 0.0 if step.first else self._own_return + self._feedback.reward
        if step.last and self.learning.training.learner.layout.outcomes:
            name = f'rollout/own_return_{NAMES[step.policy]}'
            self.records.metrics('agent', self.env_steps, {name: self._own_return})

    def _act(self, decision: Decision) -> None:
        """Let a control period pass, or reset the world where that must be."""
        last = decision.step is not None and decision.step.last
        ended = self._feedback.terminal
        self._feedback = Feedback()
        if last and (ended or self.config.agent.resets):
            self._reset(intervention=ended)
        else:
            assert decision.target is not None
            self._feedback = self.world.step(decision.target)
            if self._feedback.terminal and not self.alternation.acting:
                self._feedback = Feedback()
                self._reset(intervention=True)
        self.stamp += self._period
        self.episode_over = last

    def _reset(self, *, intervention: bool) -> None:
        self.resets += 1
        self.interventions += intervention
        self.world.reset(np.random.default_rng([self.config.agent.seed, 6, self.resets]))
        if intervention:
            found = {'rollout/interventions': float(self.interventions)}
            self.records.metrics('agent', self.env_steps, found)
            if self.config.agent.run:
                values = {'count': self.interventions}
                append(Path(self.config.agent.run), 'reset', self.env_steps, values)

    def _show(self, decision: Decision) -> None:
        status, agent, training = self.records.status, self.alternation, self.learning.training
        status.phase = PHASES[decision.phase]
        status.episode = agent.state.episode
        status.env_steps = agent.state.env_steps
        status.policy_version = agent.policy_version
        status.update_ratio = training.ratio
        status.updates = training.learner.updates
        self.records.tend()

    def _encoder_progress(self, images: int, values: dict[str, float]) -> None:
        self.records.metrics('encoder', images, values)
        self.records.tend()
        if self.stopping():
            raise TrainingStoppedError

    def _on_policy(self, version: int, env_steps: int, data: bytes) -> None:
        self.adopt(Published(version, env_steps, data))
        if self.marks.due(env_steps):
            self._judge(self.published[-1], env_steps)

    def adopt(self, published: Published) -> None:
        """Let a version of the policies act when its time has come."""
        self.published.append(published)
        tensors, metadata = unpack(published.data)
        self.alternation.policies.add(
            read_version(
                tensors,
                metadata,
                published.env_steps,
                published.version,
                len(self.world.low),
                self.kinds,
            )
        )

    def _judge(self, published: Published, env_steps: int) -> None:
        if self._evaluate is not None:
            found = self._evaluate(self.encoding.weights(), unpack(published.data), env_steps)
            self.records.evaluation(env_steps, published.version, found)
