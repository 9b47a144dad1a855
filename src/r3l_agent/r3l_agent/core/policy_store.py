# SPDX-License-Identifier: Apache-2.0
"""The newest policy versions, and which of them may act next."""

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray
from r3l_agent.core.decision import PolicyKind, PolicyVersion
from r3l_agent.core.policy import Policy
from r3l_agent.core.success import SuccessHead
from r3l_node.core.weights import WeightsError

KEPT = 10


def read_version(
    tensors: Mapping[str, NDArray[Any]],
    metadata: Mapping[str, str],
    env_steps: int,
    version: int,
    actions: int,
    kinds: Sequence[PolicyKind] = (PolicyKind.TASK,),
) -> PolicyVersion:
    """
    Make a version of what the learner published.

    :param tensors: arrays by name.
    :param metadata: as published with them.
    :param env_steps: env step up to whose data it was trained.
    :param version: of the weights, from 1.
    :param actions: number of joints that the agent moves.
    :param kinds: policies that it must hold.
    :raises WeightsError: one sentence, if it does not hold them for that many joints.
    """
    try:
        actors = {
            kind: Policy.from_weights(tensors, metadata, kind.name.lower()) for kind in kinds
        }
        first = actors[kinds[0]]
        success = SuccessHead.from_weights(tensors, first.spec.latent_size)
    except ValueError as error:
        raise WeightsError(f'policy weights version {version}: {error}') from error
    if first.spec.action_size != actions:
        raise WeightsError(
            f'policy weights version {version} move {first.spec.action_size} joints: '
            f'expected {actions}'
        )
    level = metadata.get('stall_level', '0')
    if not level.isdigit():
        raise WeightsError(
            f'policy weights version {version} have stall_level {level!r}: expected a count'
        )
    return PolicyVersion(
        env_steps, version, first.spec, dict(actors), first.senses, int(level), success
    )


class PolicyStore:
    """
    Keep the last versions and choose one by the env step that it was trained up to.

    In lockstep an episode must use the version that a fixed lag prescribes, however fast the
    learner happens to be, or two runs with one seed would differ.
    """

    def __init__(self) -> None:
        self._versions: dict[int, PolicyVersion] = {}
        self._rejected: set[int] = set()
        self._shift = 0

    def __len__(self) -> int:
        """Count the versions kept."""
        return len(self._versions)

    def add(self, version: PolicyVersion) -> bool:
        """
        Keep a version, and forget the oldest ones.

        :param version: replaces one that was trained up to the same env step.
        :return: false if it was rejected before.
        """
        if version.version in self._rejected:
            return False
        self._versions[version.env_steps] = version
        while len(self._versions) > KEPT:
            del self._versions[min(self._versions)]
        return True

    def newest(self) -> PolicyVersion | None:
        """Return the version trained on the most data."""
        return self._versions[max(self._versions)] if self._versions else None

    def choose(self, required: int) -> PolicyVersion | None:
        """
        Return the version trained up to ``required`` env steps or the least that is more.

        After a fault the counts of agent and learner may differ by a part of an episode, hence
        the least that is more and not the exact one only.

        :param required: by the agent's count of env steps.
        :return: None if the learner is not that far.
        """
        enough = [steps for steps in self._versions if steps >= required - self._shift]
        return self._versions[min(enough)] if enough else None

    def rebase(self, required: int) -> bool:
        """
        Accept that the learner has seen fewer steps than the agent has taken.

        :param required: env step up to which the newest version will count as trained.
        :return: false if there is no version at all.
        """
        newest = self.newest()
        if newest is None:
            return False
        self._shift = max(0, required - newest.env_steps)
        return True

    def align(self) -> None:
        """Take the learner's count at its word again."""
        self._shift = 0

    def reject(self, version: PolicyVersion) -> PolicyVersion | None:
        """
        Forget a version that gave unusable actions, for good.

        :return: the newest of the versions that were trained on less data.
        """
        self._rejected.add(version.version)
        self._versions = {
            steps: kept
            for steps, kept in self._versions.items()
            if kept.version not in self._rejected
        }
        older = [steps for steps in self._versions if steps < version.env_steps]
        return self._versions[max(older)] if older else None
