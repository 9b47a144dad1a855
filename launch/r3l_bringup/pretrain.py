# SPDX-License-Identifier: Apache-2.0
"""Encoder and first classifier from recordings alone, for ``r3l train --pretrained``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
import sys
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from r3l_bag.core.experience import Experience, read_experience
from r3l_bringup import config
from r3l_bringup.config import Request
from r3l_bringup.goals import check_new
from r3l_bringup.hardware import Values
from r3l_bringup.pretrained import FILES
from r3l_node.core.compute import Compute
from r3l_node.core.errors import ConfigError
from r3l_node.core.files import write_atomic
from r3l_node.core.parameters import build
from r3l_node.core.weights import save
from r3l_perception.core.config import EncoderConfig
from r3l_perception.core.picture import comparison, png
from r3l_perception.core.stored import PICTURE, PREVIEW_IMAGES
from r3l_perception.core.vae import to_weights, train_vae, Vae
from r3l_reward.core.config import RewardConfig
from r3l_reward.core.goals import load_goals
from r3l_reward.core.schedule import draw
from r3l_reward.core.vice import ViceTrainer
import torch

Metrics = dict[str, float]
# Rounds of the classifier, at most: later ones would only learn by heart which goals there are.
ROUNDS = 40
REPORT = 'pretrain.md'
_ENCODE_CHUNK = 1024


@dataclass(frozen=True, slots=True)
class Read:
    """What was read: all rows, and how long that took [s]."""

    paths: tuple[Path, ...]
    found: tuple[Experience, ...]
    seconds: float

    @property
    def images(self) -> int:
        """Number of images."""
        return sum(map(len, self.found))

    @property
    def rate(self) -> float:
        """Images read per second."""
        return self.images / max(self.seconds, 1e-9)


def pretrain(
    paths: Sequence[Path], out: Path, goals: Path | None, request: Request, count: int
) -> None:
    """
    Train an encoder, and with goals a classifier, and write them.

    :param paths: bags or run folders; their images must be of one size.
    :param out: new folder to write into.
    :param goals: folder of goal images; None: no classifier.
    :param request: profile, seed and changed parameters; the task is that of the first recording.
    :param count: images that the VAE is trained on, at most, evenly spaced.
    :raises ConfigError: one sentence, before anything is trained.
    """
    check_new(out)
    read = read_all(paths)
    print(f'read {read.images:,} images in {read.seconds:.1f} s: {read.rate:,.0f} images/s')
    values = _parameters(read, request)
    torch.set_num_threads(values['learner']['threads'])
    encoder = build(EncoderConfig, values['encoder'], node='encoder')
    reward = build(RewardConfig, values['reward'], node='reward')
    examples = None
    if goals is not None:
        examples = load_goals(str(goals), reward.image_size, reward.minimum_goals)
    images = _evenly(read, count)
    vae, metrics = _train_vae(images, encoder)
    out.mkdir(parents=True, exist_ok=True)
    save(out / FILES['encoder'], *to_weights(vae))
    some = images[np.linspace(0, len(images) - 1, PREVIEW_IMAGES).astype(int)]
    write_atomic(out / PICTURE, png(comparison(some, vae.decode(vae.encode(some)[0]))))
    scores: Metrics = {}
    if examples is not None:
        scores = _train_classifier(vae, examples, read, reward, out)
    write_atomic(out / REPORT, report(read, len(images), metrics, scores, out))
    print((out / REPORT).read_text(encoding='utf-8'))


def read_all(paths: Sequence[Path]) -> Read:
    """
    Read recordings.

    :param paths: bags or run folders.
    :raises ConfigError: one sentence, if one cannot be read or their images differ in size.
    """
    begun = time.perf_counter()
    found = tuple(read_experience(path.expanduser()) for path in paths)
    seconds = time.perf_counter() - begun
    size = found[0].robot.image_size
    for path, one in zip(paths, found, strict=True):
        if one.robot.image_size != size:
            raise ConfigError(
                f'{path} has images of {one.robot.image_size} pixels: expected {size}, as '
                f'{paths[0]} has'
            )
    if sum(map(len, found)) < 2:
        raise ConfigError(f'{paths[0]} holds {len(found[0])} images: expected at least 2')
    return Read(tuple(paths), found, seconds)


def _parameters(read: Read, request: Request) -> Values:
    robot = read.found[0].robot
    size = f'all.image_size={robot.image_size}'
    asked = Request(
        task=robot.task, profile=request.profile, seed=request.seed, sets=(size, *request.sets)
    )
    return config.resolve(asked)


def _evenly(read: Read, count: int) -> NDArray[np.uint8]:
    """Choose images of all recordings, evenly spaced, shape (at most count, size, size, 3)."""
    chosen = np.linspace(0, read.images - 1, min(count, read.images)).astype(int)
    parts, begin = [], 0
    for one in read.found:
        mine = chosen[(chosen >= begin) & (chosen < begin + len(one))]
        parts.append(one.image[mine - begin])
        begin += len(one)
    return np.concatenate(parts)


def _train_vae(images: NDArray[np.uint8], own: EncoderConfig) -> tuple[Vae, Metrics]:
    if own.kind != 'vae':
        raise ConfigError(f"encoder.kind is '{own.kind}': expected 'vae', or nothing to train")
    compute = Compute.named(own.device, own.precision, node='encoder')

    def show(step: int, metrics: Metrics) -> None:
        _show(f'VAE {step} of {own.vae_steps} steps, loss {metrics["vae/loss"]:.1f}')

    trained = train_vae(images, own, own.seed, show, compute)
    _show('')
    return trained


def _train_classifier(
    vae: Vae, goals: NDArray[np.uint8], read: Read, own: RewardConfig, out: Path
) -> Metrics:
    """Train on goals against all that was recorded, as the rounds of a run would."""
    encode = _raw if own.input == 'pixels' else _encoder(vae)
    steps = [one.image[~one.last] for one in read.found]
    compute = Compute.named(own.device, own.precision, node='reward')
    trainer = ViceTrainer(own, encode(goals), own.seed, compute)
    negatives = [encode(images) for images in steps]
    everything = negatives[0] if len(negatives) == 1 else np.concatenate(negatives)
    rounds = min(ROUNDS, len(everything) // own.round_steps)
    metrics: Metrics = {}
    for index in range(rounds + 1):
        updates = own.updates_per_round if index else own.initial_updates
        drawn = draw(own.seed, index, len(everything), (updates, own.batch))
        metrics = trainer.round(everything[drawn])
        _show(f'classifier {index} of {rounds} rounds, loss {metrics["vice/loss"]:.2f}')
    _show('')
    tensors, metadata = trainer.weights()
    save(out / FILES['reward'], tensors, metadata | {'version': '1', 'env_steps': '0'})
    return metrics


def _raw(images: NDArray[np.uint8]) -> NDArray[Any]:
    return images


def _encoder(vae: Vae) -> Callable[[NDArray[np.uint8]], NDArray[Any]]:
    def encode(images: NDArray[np.uint8]) -> NDArray[Any]:
        chunks = range(0, len(images), _ENCODE_CHUNK)
        parts = [vae.encode(images[k : k + _ENCODE_CHUNK])[0].numpy() for k in chunks]
        return np.concatenate(parts)

    return encode


def _show(line: str) -> None:
    """Show progress in place, on a terminal only."""
    if sys.stdout.isatty():
        print(f'\r\x1b[K{line}', end='', flush=True)


def report(read: Read, images: int, vae: Metrics, classifier: Metrics, out: Path) -> str:
    """
    Return what came of it, as Markdown.

    :param read: the recordings.
    :param images: that the VAE was trained on.
    :param vae: its metrics on images held out.
    :param classifier: its metrics; empty: there is none.
    :param out: folder of the files.
    """
    lines = [
        '# Pretraining',
        '',
        '| Recording | Task | Images | Transitions |',
        '|---|---|--:|--:|',
    ]
    for path, one in zip(read.paths, read.found, strict=True):
        lines.append(f'| {path} | {one.robot.task} | {len(one):,} | {one.transitions:,} |')
    lines += ['', f'{read.images:,} images read at {read.rate:,.0f} images/s; the VAE is trained '
              f'on {images:,} of them.', '', '| Figure | Value |', '|---|--:|']  # fmt: skip
    lines += [f'| {name} | {value:.3f} |' for name, value in sorted((vae | classifier).items())]
    lines += ['', f'![Images above their reconstructions]({PICTURE})', '']
    if not classifier:
        lines += ['No goals were given, so there is no classifier.', '']
    lines += ['Start from it:', '', f'    r3l train --pretrained {out}', '']
    return '\n'.join(lines)
