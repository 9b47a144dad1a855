# SPDX-License-Identifier: Apache-2.0
"""``r3l replay --compare``: a bag scored with other models, without ROS."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
import heapq
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from r3l_bag.core.answers import stamp_of
from r3l_bag.core.moment import date_text, parse_moment
from r3l_bag.core.reader import Bag
from r3l_bringup import compare_plots
from r3l_bringup.models import Models, models_of, recorded_classifier, recorded_encoder
from r3l_bringup.recorded import pictures, Told, told
from r3l_node.core.errors import ConfigError
from r3l_node.core.files import write_atomic
from r3l_reward.core.vice.model import log_sigmoid
import torch

BATCH = 256
SHOWN = 12
REPORT, PLOT, FRAMES = 'compare.md', 'compare.png', 'disagreements.png'

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Frame:
    """An image about which two classifiers disagree."""

    time: int  # log time [ns]
    pixels: NDArray[np.uint8]  # shape (height, width, 3)
    recorded: float  # probability
    other: float  # probability


def compare_bag(
    path: Path, other: Path, start: str = '', stop: str = '', out: Path | None = None
) -> Path:
    """
    Score a bag with other models and write where they differ from what the robot was told.

    :param path: of the bag.
    :param other: run folder, folder of weights or file of weights; what it lacks of encoder and
        classifier is taken from the bag.
    :param start: moment, see ``parse_moment``; empty: the start.
    :param stop: moment; empty: the end.
    :param out: folder to write into; None: ``compare_<bag>_<other>`` in the current folder.
    :return: path of ``compare.md``.
    :raises ConfigError: one sentence, if the models do not fit the bag.
    """
    torch.set_num_threads(1)
    bag = Bag(path)
    first = parse_moment(start, bag.start, bag.end, '--from') if start else bag.start
    end = parse_moment(stop, bag.start, bag.end, '--to') if stop else bag.end + 1
    models = models_of(other).completed_by(_of_bag(bag))
    recorded = told(bag, first, end)
    if not len(recorded.stamps):
        raise ConfigError(f'{path} has no reward in that time: expected a bag of a training')
    seen, logits, frames = _score(bag, models, recorded, first, end)
    out = out or Path(f'compare_{path.stem}_{other.stem}')
    out.mkdir(parents=True, exist_ok=True)
    probabilities = np.exp(log_sigmoid(logits))
    rows = table(recorded, seen, probabilities, logits)
    compare_plots.over_time(
        recorded.times[seen], recorded.probabilities[seen], probabilities, models.name, out / PLOT
    )
    compare_plots.frames(frames, out / FRAMES)
    lines = [
        f'# {path.name}, scored by {models.name}', '',
        f'{len(seen)} of {len(recorded.stamps)} rewarded images from {date_text(first)} to '
        f'{date_text(end)}. recorded: what the robot was told, by the classifier of the time; '
        f'{models.name}: encoder and classifier that were given, or those of the bag (its newest '
        'classifier) for what was not.',
        '', *rows, '', f'![over time]({PLOT})', '',
        f'## The {len(frames)} largest disagreements', '',
        '| time | recorded | ' + models.name + ' |', '|---|---|---|',
        *(f'| {date_text(f.time)} | {f.recorded:.3f} | {f.other:.3f} |' for f in frames),
        '', f'![frames]({FRAMES})', '',
    ]  # fmt: skip
    write_atomic(out / REPORT, '\n'.join([*lines, *bag.problems]).rstrip() + '\n')
    print('\n'.join(rows), f'{out / REPORT}', sep='\n\n')
    return out / REPORT


def table(
    recorded: Told, seen: NDArray[np.int64], probabilities: Array, logits: Array
) -> list[str]:
    """
    Compare two classifiers by phase, as a table in Markdown.

    :param recorded: what the robot was told.
    :param seen: rows of ``recorded`` that were scored again, n of them.
    :param probabilities: of the other classifier, shape (n,).
    :param logits: of the other classifier, shape (n,) [nat].
    """
    phases = np.array(recorded.phases)[seen]
    own, own_logits = recorded.probabilities[seen], recorded.logits[seen]
    lines = [
        '| phase | images | mean recorded | mean other | correlation of logits '
        '| opposite verdicts (p > 0.5) |',
        '|---|---|---|---|---|---|',
    ]
    for name in ('all', *dict.fromkeys(phases.tolist())):
        rows = np.ones(len(seen), bool) if name == 'all' else phases == name
        opposite = float(((own[rows] > 0.5) != (probabilities[rows] > 0.5)).mean())
        correlation = _correlation(own_logits[rows], logits[rows])
        lines.append(
            f'| {name} | {rows.sum()} | {own[rows].mean():.3f} | {probabilities[rows].mean():.3f} '
            f'| {"-" if correlation is None else f"{correlation:.3f}"} | {opposite:.1%} |'
        )
    return lines


def _of_bag(bag: Bag) -> Models:
    newest = deque(bag.messages(['reward/weights']), maxlen=1)
    classifier = recorded_classifier(bag, newest[0]) if newest else None
    return Models(recorded_encoder(bag), classifier, 'the bag')


def _score(
    bag: Bag, models: Models, recorded: Told, start: int, stop: int
) -> tuple[NDArray[np.int64], Array, list[Frame]]:
    """Return the rows of ``recorded`` that have an image, their logits and the worst frames."""
    row_of = {int(stamp): row for row, stamp in enumerate(recorded.stamps)}
    rows: list[int] = []
    logits: list[Array] = []
    worst: list[tuple[float, int, Frame]] = []
    batch: list[NDArray[np.uint8]] = []

    def flush() -> None:
        if not batch:
            return
        scored = models.score(np.stack(batch))
        logits.append(scored)
        first = len(rows) - len(batch)
        for row, pixels, p in zip(rows[first:], batch, np.exp(log_sigmoid(scored)), strict=True):
            own = float(recorded.probabilities[row])
            frame = Frame(int(recorded.times[row]), pixels, own, float(p))
            # The row decides between equals; frames cannot be compared.
            heapq.heappush(worst, (abs(own - float(p)), -row, frame))
            if len(worst) > SHOWN:
                heapq.heappop(worst)
        batch.clear()

    for message, pixels in pictures(bag, start, stop):
        row = row_of.pop(stamp_of(message.data), None)
        if row is None:
            continue
        if pixels.shape[0] != models.image_size or pixels.shape[1] != models.image_size:
            raise ConfigError(
                f'images of the bag are {pixels.shape[1]}x{pixels.shape[0]} pixels: expected '
                f'{models.image_size}x{models.image_size} for {models.name}'
            )
        rows.append(row)
        batch.append(pixels)
        if len(batch) == BATCH:
            flush()
    flush()
    if not rows:
        raise ConfigError(f'{bag.path} has no image with a reward: expected camera/image_raw')
    return np.array(rows), np.concatenate(logits), [f for *_, f in sorted(worst, reverse=True)]


def _correlation(one: Array, other: Array) -> float | None:
    if len(one) < 2 or not one.std() or not other.std():
        return None
    return float(np.corrcoef(one, other)[0, 1])
