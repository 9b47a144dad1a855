# SPDX-License-Identifier: Apache-2.0
"""Scores of an episode, gathered while it runs and a little longer."""

from dataclasses import dataclass

from r3l_agent.core.decision import PolicyKind, Step

NAMES = {
    PolicyKind.RANDOM: 'random',
    PolicyKind.TASK: 'task',
    PolicyKind.PERTURBATION: 'perturbation',
}


@dataclass(slots=True)
class _Window:
    """One episode on the axis of stamps."""

    policy: PolicyKind
    start: int
    end: int | None = None
    scored: int = 0
    probability: float = 0.0
    reward: float = 0.0
    latest: tuple[int, float] = (0, 0.0)  # stamp and probability of the latest scored image


class EpisodeScores:
    """Sum the classifier's opinion of the images of an episode."""

    def __init__(self) -> None:
        self._running: _Window | None = None
        self._ended: _Window | None = None

    def follow(self, stamp: int, step: Step) -> None:
        """
        Take note of where an episode begins and ends.

        :param stamp: of the observation [ns].
        :param step: the step taken there.
        """
        if step.first:
            self._running = _Window(step.policy, stamp)
        if step.last and self._running is not None:
            self._running.end = stamp
            self._running, self._ended = None, self._running

    def score(self, stamp: int, probability: float, reward: float) -> None:
        """
        Take the classifier's opinion of one image; it may come after the episode has ended.

        :param stamp: of the image [ns].
        :param probability: of success [-].
        :param reward: given to the agent.
        """
        for window in (self._running, self._ended):
            # The first image is a result of homing, not of the episode.
            if window and window.start < stamp and (window.end is None or stamp <= window.end):
                window.scored += 1
                window.probability += probability
                window.reward += reward
                window.latest = max(window.latest, (stamp, probability))
                return

    def take(self) -> dict[str, float]:
        """Return the scalars of the episode that ended last, once; empty if there is none."""
        window, self._ended = self._ended, None
        if window is None or window.scored == 0:
            return {}
        name = NAMES[window.policy]
        return {
            f'rollout/success_probability_{name}': window.probability / window.scored,
            f'rollout/final_probability_{name}': window.latest[1],
            f'rollout/ep_rew_mean_{name}': window.reward,
            f'rollout/ep_len_mean_{name}': float(window.scored),
        }
