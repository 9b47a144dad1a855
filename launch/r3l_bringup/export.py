# SPDX-License-Identifier: Apache-2.0
"""``r3l export``: what was recorded, in the format of another tool."""

from __future__ import annotations

from pathlib import Path
import shutil

import numpy as np
from numpy.typing import NDArray
from r3l_bag.core.experience import Experience, read_experience
from r3l_bag.core.reader import Bag
from r3l_node.core.errors import ConfigError

FORMATS = ('lerobot',)


def export(source: Path, out: Path, to: str) -> str:
    """
    Write a bag or a run in the format of another tool.

    :param source: a bag, or a run; a run without bags is read from its replay.
    :param out: folder to make.
    :param to: one of :data:`FORMATS`.
    :return: one sentence about what was written.
    :raises ConfigError: if the format is not known, there is nothing to export or ``out`` is
        there already.
    """
    if to not in FORMATS:
        raise ConfigError(f"--to is '{to}': expected one of {', '.join(FORMATS)}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f'{out} exists already: expected a new or an empty folder')
    from r3l_bringup.export_lerobot import write_dataset

    experience = read_experience(source)
    if not len(experience):
        raise ConfigError(f'{source} has no transitions: expected a bag or a run of a training')
    # Whole or absent: a folder of this name is what other tools would load.
    part = out.with_name(f'.{out.name}.part')
    shutil.rmtree(part, ignore_errors=True)
    try:
        summary = write_dataset(experience, rewards_of(source, experience), part)
        if out.exists():
            out.rmdir()
        part.rename(out)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return f'{summary} in {out}'


def rewards_of(source: Path, experience: Experience) -> NDArray[np.float32] | None:
    """
    Return the reward that each image was given when it was recorded.

    :param source: of the experience.
    :return: shape (n,), NaN where an image was not scored; None where no reward was recorded.
    """
    try:
        bag = Bag(source)
    except ConfigError:
        return None  # a replay keeps no rewards: today's classifier gives them
    if not experience.stamp.any() or bag.find('reward') is None:
        return None
    by_stamp: dict[int, float] = {}
    for message in bag.messages(['reward']):
        # The first answer is what the agent was given.
        by_stamp.setdefault(message.stamp, float(bag.decode(message).reward))
    values = [by_stamp.get(int(stamp), np.nan) for stamp in experience.stamp]
    return np.asarray(values, dtype=np.float32)
