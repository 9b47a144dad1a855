# SPDX-License-Identifier: Apache-2.0
"""Settings of a training without ROS: those of the graph's nodes."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
import difflib
from typing import Any

from r3l_agent.core.agent_config import AgentConfig
from r3l_agent.core.training_config import LearnerConfig
from r3l_node.core.errors import ConfigError
from r3l_node.core.parameters import build, flatten, specs
from r3l_perception.core.config import EncoderConfig
from r3l_reward.core.config import RewardConfig

PARTS: dict[str, type] = {
    'agent': AgentConfig,
    'learner': LearnerConfig,
    'reward': RewardConfig,
    'encoder': EncoderConfig,
}


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """
    One dataclass per node of the graph, the same ones, with the same defaults.

    :param evaluate_every: env steps between two evaluations of the deployed policy.
    :param profile: name of these settings, for the records.
    """

    agent: AgentConfig = field(default_factory=AgentConfig)
    learner: LearnerConfig = field(default_factory=LearnerConfig)
    reward: RewardConfig = field(default_factory=RewardConfig)
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    evaluate_every: int = 10_000
    profile: str = ''

    def set(self, **values: Any) -> 'TrainConfig':
        """
        Return a configuration with other values.

        :param values: a parameter by name goes to every part that has one of that name, as in
            ``seed=1``; one part alone is named with two underscores, as in ``learner__batch=64``.
        :raises ConfigError: one sentence naming a parameter that is unknown or wrong.
        """
        changed: dict[str, dict[str, Any]] = {name: {} for name in PARTS}
        every = self.evaluate_every
        # Parts named alone come last, so that the order of the arguments does not matter.
        for name, value in sorted(values.items(), key=lambda item: '__' in item[0]):
            if name == 'evaluate_every':
                every = value
                continue
            part, _, alone = name.rpartition('__')
            takers = [part] if part else _takers(name)
            if part and part not in PARTS:
                raise ConfigError(f'{name}: expected one of {", ".join(PARTS)} before __')
            for taker in takers:
                changed[taker][alone] = value
        parts: dict[str, Any] = {
            name: build(PARTS[name], {**flatten(getattr(self, name)), **own}, node=name)
            for name, own in changed.items()
            if own
        }
        return replace(self, evaluate_every=every, **parts)

    def parts(self) -> Mapping[str, object]:
        """Return the configuration of each node by name."""
        return {item.name: getattr(self, item.name) for item in fields(self) if item.name in PARTS}


def _takers(name: str) -> list[str]:
    known = {part: {spec.name for spec in specs(kind)} for part, kind in PARTS.items()}
    takers = [part for part, names in known.items() if name in names]
    if not takers:
        close = difflib.get_close_matches(name, set().union(*known.values()), 1)
        hint = f": did you mean '{close[0]}'?" if close else ''
        raise ConfigError(f"there is no parameter '{name}'{hint}")
    return takers
