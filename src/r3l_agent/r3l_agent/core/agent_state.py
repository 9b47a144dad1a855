# SPDX-License-Identifier: Apache-2.0
"""The counts that survive a restart of the agent."""

from dataclasses import asdict, dataclass, replace
import json

from r3l_agent.core.decision import PolicyKind
from r3l_node.core.errors import ConfigError

FORMAT = 1


class AgentStateError(ConfigError):
    """A state file that cannot be continued from; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class AgentState:
    """
    Where a run stands between two episodes.

    :param task: of the run; another task's state is refused.
    :param sequence: number of the next transition message.
    :param episode: number of the next episode.
    :param env_steps: actions taken so far outside homing.
    :param turn: learned episodes begun so far.
    :param since_task: perturbation episodes begun since the last task episode; 0: they are next.
    :param ends: env steps at the end of the last two complete episodes, oldest first.
    """

    task: str
    sequence: int = 0
    episode: int = 0
    env_steps: int = 0
    turn: int = 0
    ends: tuple[int, ...] = ()
    since_task: int = 2

    def reserve(self, messages: int, episodes: int) -> 'AgentState':
        """
        Return the state to restart from if what comes next is lost.

        :param messages: numbers of messages that are never used again.
        :param episodes: numbers of episodes that are never used again.
        """
        return replace(self, sequence=self.sequence + messages, episode=self.episode + episodes)

    def begun(self, policy: PolicyKind) -> 'AgentState':
        """
        Count an episode.

        :param policy: that acts in it.
        """
        if policy is PolicyKind.RANDOM:
            return replace(self, episode=self.episode + 1)
        since = 0 if policy is PolicyKind.TASK else self.since_task + 1
        return replace(self, episode=self.episode + 1, turn=self.turn + 1, since_task=since)

    def taken_back(self, policy: PolicyKind) -> 'AgentState':
        """
        Make an episode that never acted uncounted: its number and its turn are free again.

        :param policy: that was to act in it.
        """
        if policy is PolicyKind.RANDOM:
            return replace(self, episode=self.episode - 1)
        # A task episode that was due still is, whatever the level of a stall.
        since = 2 if policy is PolicyKind.TASK else self.since_task - 1
        return replace(self, episode=self.episode - 1, turn=self.turn - 1, since_task=since)

    def to_json(self) -> str:
        """Serialise."""
        return json.dumps({'format': FORMAT, **asdict(self)}, indent=1) + '\n'

    @staticmethod
    def from_json(text: str, task: str) -> 'AgentState':
        """
        Parse what ``to_json`` wrote.

        :param text: contents of the file.
        :param task: that this run is for.
        :raises AgentStateError: if it is torn, of another format or of another task.
        """
        try:
            values = json.loads(text)
            counts: tuple[int, ...] = ()
            if values.pop('format') != FORMAT:
                raise AgentStateError(f'agent state is of another format: expected {FORMAT}')
            values['ends'] = tuple(int(end) for end in values['ends'])[-2:]
            # In states of before there was such a count, the two policies took strict turns.
            values.setdefault('since_task', 0 if values['turn'] % 2 else 2)
            state = AgentState(**values)
            counts = (
                state.sequence, state.episode, state.env_steps, state.turn, state.since_task,
                *state.ends,
            )  # fmt: skip
            valid = all(type(count) is int and count >= 0 for count in counts)
        except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
            raise AgentStateError(f'agent state is unreadable: {error!r}') from error
        if not valid:
            raise AgentStateError(f'agent state is {counts}: expected counts from 0')
        if state.task != task:
            raise AgentStateError(
                f'the run folder belongs to task {state.task!r}: expected {task!r}'
            )
        return state
