# SPDX-License-Identifier: Apache-2.0
"""Experience of earlier runs for a new one: read, checked, and kept in its folder."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
import json
from pathlib import Path
from typing import Any, TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from r3l_bringup.hardware import Values
from r3l_node.core.errors import ConfigError
from r3l_node.core.files import write_atomic

if TYPE_CHECKING:
    from r3l_bag.core.experience import Experience

# Below the folder of a run: what it was given.
PRIOR = 'prior.json'
# Limits that agree to so many decimals are the same [rad].
DECIMALS = 6


def read_prior(paths: Iterable[str], values: Values) -> tuple[Experience, ...]:
    """
    Read experience that a run is to learn from, too.

    :param paths: bags or run folders.
    :param values: every parameter of every node of the run.
    :raises ConfigError: one sentence, if one cannot be read or is of another robot.
    """
    given = [Path(path).expanduser() for path in paths]
    source = values['learner']['reward_source']
    if given and source != 'classifier':
        raise ConfigError(
            f"learner.reward_source is '{source}': expected 'classifier' with --prior, because a "
            'recording tells no other reward'
        )
    return tuple(_fitting(path, values) for path in given)


def _fitting(path: Path, values: Values) -> Experience:
    # Imported here: other runs need no reader of recordings.
    from r3l_bag.core.experience import read_experience

    found = read_experience(path)
    check_robot(found, path, values)
    if not found.transitions:
        raise ConfigError(
            f'{path} holds {len(found)} observations and no transition: expected episodes'
        )
    return found


def check_robot(found: Experience, path: Path, values: Values) -> None:
    """
    Refuse experience of another robot, camera or control rate; another task may be.

    :param found: as read.
    :param path: where from, for the message.
    :param values: every parameter of every node of the run.
    :raises ConfigError: naming the first thing that differs, and both values.
    """
    agent, robot = values['agent'], found.robot
    for what, theirs, ours in (
        ('joints', list(robot.joint_names), list(agent['joint_names'])),
        ('lower joint limits', _rounded(robot.joint_low), _rounded(agent['joint_low'])),
        ('upper joint limits', _rounded(robot.joint_high), _rounded(agent['joint_high'])),
        ('control rate', float(robot.control_rate), float(agent['control_rate'])),
        ('image size', int(robot.image_size), int(values['learner']['image_size'])),
    ):
        if theirs != ours:
            unit = {'control rate': ' Hz', 'image size': ' pixels'}.get(what, '')
            unit = ' rad' if what.endswith('limits') else unit
            raise ConfigError(
                f'{path} was recorded with {what} {theirs}{unit}: expected {ours}{unit}, as this '
                'run has'
            )


def _rounded(limits: Iterable[float]) -> list[float]:
    return [round(float(value), DECIMALS) for value in limits]


def write_prior(found: Sequence[Experience], paths: Sequence[str], values: Values,
                folder: Path) -> None:  # fmt: skip
    """
    Keep experience in the folder of a run, so that a continuation needs no source.

    :param found: as read.
    :param paths: where from.
    :param values: every parameter of every node of the run.
    :param folder: of the run.
    """
    # Imported here: it brings torch along.
    from r3l_agent.core.observation import JointRange
    from r3l_agent.core.replay.buffer import Replay
    from r3l_agent.core.training import PRIOR as RING

    learner = values['learner']
    latents = 0 if learner['trunk'] else learner['latent_size']
    joints = JointRange(tuple(learner['joint_low']), tuple(learner['joint_high']))
    rows = sum(map(len, found))
    replay = Replay(folder / RING, rows, learner['image_size'], latents, len(joints.low))
    before = -2
    for one in found:
        connected = one.connected
        # Numbered anew, with a gap wherever a row does not lead to the next one.
        sequence = np.cumsum(np.append(before + 2, np.where(connected, 1, 2)))
        before = int(sequence[-1])
        columns: dict[str, NDArray[Any]] = {
            'sequence': sequence.astype(np.uint64),
            'policy': one.policy,
            # Also after a gap: there is nothing before it to compare with.
            'first': np.append(True, ~connected),
            'last': one.last,
            'image': one.image,
            'joint_position': joints.normalise(one.joint_position),
            'previous_action': one.previous_action,
            'action': one.action,
        }
        if latents:
            columns['latent'] = np.zeros((len(sequence), latents), np.float32)
        replay.ring.extend(**columns)
    replay.ring.flush()
    about = [
        {'path': path, 'task': one.robot.task, 'rows': len(one), 'transitions': one.transitions}
        for path, one in zip(_absolute(paths), found, strict=True)
    ]  # fmt: skip
    write_atomic(folder / PRIOR, json.dumps(about, indent=1) + '\n')


def check_prior(paths: Sequence[str], folder: Path) -> None:
    """
    See that a run that is gone on with was begun with the same experience; it has a copy.

    :param paths: bags or run folders; none: whatever it was begun with.
    :param folder: of the run.
    :raises ConfigError: naming both, if not.
    """
    before = sources(folder)
    own = [str(entry['path']) for entry in before]
    if paths and _absolute(paths) != own:
        begun = f'with prior {", ".join(own)}' if own else 'without prior experience'
        raise ConfigError(
            f'{folder} was begun {begun}, not with {", ".join(_absolute(paths))}: expected the '
            'same --prior, none, or another --run'
        )


def sources(folder: Path) -> list[dict[str, Any]]:
    """
    Return what a run was given: path, task, rows and transitions of each recording.

    :param folder: of the run.
    :raises ConfigError: if the file cannot be read.
    """
    path = folder / PRIOR
    if not path.exists():
        return []
    try:
        found: list[dict[str, Any]] = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError) as error:
        raise ConfigError(f'{path} cannot be read: {error}') from error
    return found


def told_prior(folder: Path, share: float) -> str:
    """
    Say in a line what a run learns from beside its own experience; empty: nothing.

    :param folder: of the run.
    :param share: of each batch [-].
    """
    given = sources(folder)
    if not given:
        return ''
    rows = sum(entry['transitions'] for entry in given)
    names = ', '.join(f'{Path(entry["path"]).name} ({entry["task"]})' for entry in given)
    if not share:
        return f'prior: {names}; unused, because learner.prior_share is 0'
    return f'prior: {rows:,} transitions of {names}; {share:.0%} of each batch'


def _absolute(paths: Iterable[str]) -> list[str]:
    return [str(Path(path).expanduser().resolve()) for path in paths]
