# SPDX-License-Identifier: Apache-2.0
"""What a viewer draws: the hand, what the run is doing, and which limits are near."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
import math

import numpy as np
from r3l_bringup.core.kinematics import HandModel, Pose, quaternion, SPHERE

Color = tuple[float, float, float, float]  # red, green, blue, opacity; 0 to 1

WHITE: Color = (0.95, 0.95, 0.95, 1.0)
GREY: Color = (0.62, 0.62, 0.62, 1.0)
GREEN: Color = (0.35, 0.85, 0.40, 1.0)
YELLOW: Color = (1.0, 0.85, 0.20, 1.0)
ORANGE: Color = (1.0, 0.55, 0.10, 1.0)
RED: Color = (1.0, 0.30, 0.25, 1.0)

# Names of SafetyState's constants by value, and how each is shown.
SAFETY: tuple[tuple[str, Color], ...] = (
    ('unspecified', GREY),
    ('RUN', GREEN),
    ('DEGRADED', YELLOW),
    ('HOLD', ORANGE),
    ('LIMP', RED),
    ('STOP', RED),
)
TEXT = 'text'
TEXT_HEIGHT = 0.016  # [m]
# Beside the hand and above each other, as seen from a side [m].
TEXT_PLACE = (0.0, 0.0, 0.135)
LIMIT_SIZE = 0.045  # larger than a servo [m]
# Angles beyond a limit that a servo's control error explains [rad].
BEYOND = 0.02


@dataclass(frozen=True, slots=True)
class Mark:
    """One thing to draw in the frame of the hand's root."""

    group: str  # marks of a group can be hidden together
    number: int  # within the group
    kind: str  # 'box', 'cylinder', 'sphere' or 'text'
    size: tuple[float, float, float]  # of the box around it; a text: its height, last [m]
    color: Color
    position: tuple[float, float, float]  # [m]
    rotation: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 1.0)  # quaternion x, y, z, w
    text: str = ''


@dataclass(slots=True)
class Seen:
    """What has been heard of a run; None: nothing yet."""

    phase: str | None = None
    episode: int = 0
    step: int = 0
    env_steps: int = 0
    probability: float | None = None
    novelty: float | None = None
    safety: int | None = None
    reason: str = ''
    goal_distance: float | None = None  # to the nearest goal image, in latent space [-]
    angles: dict[str, float] = field(default_factory=dict)  # of joints [rad]
    silent: tuple[str, ...] = ()  # what has not been heard of for a while


def hand_marks(hand: HandModel, poses: Mapping[str, Pose]) -> list[Mark]:
    """
    Return every shape of the hand where it is.

    :param poses: of its links, from :meth:`HandModel.poses`.
    """
    return [
        _placed('hand', number, visual.kind, visual.size, visual.color, pose)
        for number, visual in enumerate(hand.visuals)
        for pose in [poses[visual.link] @ visual.origin]
    ]


def limit_marks(
    hand: HandModel,
    poses: Mapping[str, Pose],
    angles: Mapping[str, float],
    limits: Mapping[str, tuple[float, float]],
    near: float,
) -> list[Mark]:
    """
    Return a mark at each joint that is close to a limit of its range, or beyond.

    :param poses: of the links of the hand, from :meth:`HandModel.poses`.
    :param angles: measured, by joint name [rad].
    :param limits: lower and upper end of the command range, by joint name [rad].
    :param near: share of the range that is close to a limit; 0 to 0.5.
    """
    marks = []
    for number, joint in enumerate(hand.joints):
        angle = angles.get(joint.name)
        if angle is None or joint.name not in limits or not math.isfinite(angle):
            continue
        low, high = limits[joint.name]
        room = min(angle - low, high - angle)
        if room > near * (high - low):
            continue
        beyond = room < -BEYOND
        color = RED if beyond else ORANGE
        pose = poses[joint.parent] @ joint.origin
        size = (LIMIT_SIZE, LIMIT_SIZE, LIMIT_SIZE)
        glow = (*color[:3], 0.75 if beyond else 0.45)
        marks.append(_placed('limits', 2 * number, SPHERE, size, glow, pose))
        if beyond:
            what = f'{joint.name} {math.degrees(angle):.0f}° is beyond its limit'
            place = (float(pose[0, 3]), float(pose[1, 3]), float(pose[2, 3]) + 0.03)
            marks.append(
                Mark('limits', 2 * number + 1, TEXT, (0, 0, 0.6 * TEXT_HEIGHT), RED, place,
                     text=what)
            )  # fmt: skip
    return marks


def status_marks(seen: Seen) -> list[Mark]:
    """Return one line of text for each thing that a user asks first, the first on top."""
    lines = [_phase(seen), _probability(seen), _novelty(seen), _safety(seen)]
    x, y, z = TEXT_PLACE
    return [
        Mark(group, 0, TEXT, (0, 0, TEXT_HEIGHT), GREY if group in seen.silent else color,
             (x, y, z - 1.5 * TEXT_HEIGHT * row), text=text)
        for row, (group, text, color) in enumerate(lines)
    ]  # fmt: skip


def _phase(seen: Seen) -> tuple[str, str, Color]:
    if seen.phase is None:
        return 'phase', 'no agent heard', GREY
    at = f'episode {seen.episode}, step {seen.step}, {seen.env_steps} env steps'
    return 'phase', f'{seen.phase}: {at}', WHITE


def _probability(seen: Seen) -> tuple[str, str, Color]:
    if seen.probability is None:
        return 'success', 'success: no classifier yet', GREY
    near = '' if seen.goal_distance is None else f', nearest goal at {seen.goal_distance:.2f}'
    p = seen.probability
    color = GREEN if p > 0.5 else YELLOW if p > 0.1 else WHITE
    return 'success', f'success {p:.3f}{near}', color


def _novelty(seen: Seen) -> tuple[str, str, Color]:
    if seen.novelty is None:
        return 'novelty', 'novelty: nothing learned yet', GREY
    return 'novelty', f'novelty {seen.novelty:.3f}, mean of a batch', WHITE


def _safety(seen: Seen) -> tuple[str, str, Color]:
    if seen.safety is None:
        return 'safety', 'safety: no driver', GREY
    name, color = SAFETY[seen.safety] if seen.safety < len(SAFETY) else SAFETY[0]
    return 'safety', f'safety {name}' + (f': {seen.reason}' if seen.reason else ''), color


def _placed(
    group: str,
    number: int,
    kind: str,
    size: tuple[float, float, float],
    color: Color,
    pose: Pose,
) -> Mark:
    place = (float(pose[0, 3]), float(pose[1, 3]), float(pose[2, 3]))
    turn = (0.0, 0.0, 0.0, 1.0) if kind == SPHERE else quaternion(np.asarray(pose))
    return Mark(group, number, kind, size, color, place, turn)
