# SPDX-License-Identifier: Apache-2.0
"""The columns of an export: one row per recorded observation, in SI units."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from r3l_bag.core.experience import Experience

POLICIES = {1: 'random motion', 2: '{task}', 3: 'perturb {task}'}  # task of an episode

Arrays = dict[str, NDArray[Any]]


def episodes_of(experience: Experience) -> list[tuple[int, int]]:
    """
    Return the episodes: where each begins and the row behind its end.

    A chain that was interrupted, or of which rows are missing, goes on as another episode.
    """
    begins = experience.first.copy()
    begins[:1] = True
    gap = experience.sequence[1:] != experience.sequence[:-1] + 1
    other = experience.episode[1:] != experience.episode[:-1]
    begins[1:] |= gap | other | experience.last[:-1]
    starts = np.flatnonzero(begins).tolist()
    return list(zip(starts, [*starts[1:], len(experience)], strict=True))


def columns_of(
    experience: Experience, rewards: NDArray[np.float32] | None, episodes: list[tuple[int, int]]
) -> Arrays:
    """
    Return every column but images and tasks, by name; first axis: frames.

    :param rewards: of each image, shape (n,); None: not known.
    :param episodes: from :func:`episodes_of`.
    """
    lengths = np.array([end - begin for begin, end in episodes])
    starts = np.repeat([begin for begin, _ in episodes], lengths)
    rows = np.arange(len(experience))
    frame = rows - starts
    ends = np.zeros(len(experience), dtype=np.bool_)
    ends[[end - 1 for _, end in episodes]] = True
    seconds = frame / experience.robot.control_rate
    if experience.stamp.any():
        seconds = (experience.stamp - experience.stamp[starts]) * 1e-9
    columns: Arrays = {
        'observation.state': experience.joint_position,
        'action': _targets(experience, ends),
        'next.done': ends,
        'policy': experience.policy.astype(np.int64),
        'stamp': experience.stamp,
    }
    if rewards is not None:
        # Of the image that the action led to; behind the last one there is none.
        columns['next.reward'] = np.where(ends, np.nan, np.roll(rewards, -1)).astype(np.float32)
    return columns | {
        'timestamp': seconds.astype(np.float32),
        'frame_index': frame,
        'episode_index': np.repeat(np.arange(len(episodes)), lengths),
        'index': rows,
    }


def _targets(experience: Experience, ends: NDArray[np.bool_]) -> NDArray[np.float32]:
    """
    Return the joint targets [rad], shape (n, joints).

    The last observation of an episode was answered by no action: the target before still holds.
    """
    action = np.where(ends[:, None], experience.previous_action, experience.action)
    low = np.asarray(experience.robot.joint_low, dtype=np.float32)
    high = np.asarray(experience.robot.joint_high, dtype=np.float32)
    targets: NDArray[np.float32] = low + (action + 1.0) / 2.0 * (high - low)
    return targets.astype(np.float32)


def tasks_of(experience: Experience, episodes: list[tuple[int, int]]) -> list[str]:
    """Return what was tried in each episode, by who chose its actions."""
    task = experience.robot.task
    policies = [int(experience.policy[begin]) for begin, _ in episodes]
    return [POLICIES[policy].format(task=task) for policy in policies]
