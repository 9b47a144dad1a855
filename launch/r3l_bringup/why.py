# SPDX-License-Identifier: Apache-2.0
"""``r3l why``: what the robot saw, was told and did at a moment of a recording."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from r3l_agent.core.rnd.stored import novelty, stored_rnd
from r3l_bag.core.answers import RecordedWeights
from r3l_bag.core.moment import clock_text, date_text, parse_moment
from r3l_bag.core.names import WEIGHTS
from r3l_bag.core.reader import Bag
from r3l_bringup import config
from r3l_bringup.models import ImageEncoder, recorded_classifier, recorded_encoder, weights_of
from r3l_bringup.moment import Moment, moment_of
from r3l_bringup.replay import run_of
from r3l_bringup.why_plot import draw, Picture
from r3l_node.core.files import write_atomic
from r3l_node.core.status import SAFETY_STATES
from r3l_reward.core.goals import load_goals
from r3l_reward.core.vice.model import log_sigmoid
import torch

NEAREST = 5
REPORT, PLOT = 'why.md', 'why.png'
POLICIES = ('unspecified', 'random motion', 'the task policy', 'the perturbation controller')

Array = NDArray[np.float32]


def explain(path: Path, at: str, goals: Path | None = None, out: Path | None = None) -> str:
    """
    Write why the reward at a moment was what it was.

    :param path: of the bag.
    :param at: moment, see ``parse_moment``.
    :param goals: folder of goal images; None: those of the run that the bag lies in.
    :param out: folder to write into; None: ``why_<bag>_<time>`` in the current folder.
    :return: the same as text, and where the files are.
    :raises ConfigError: one sentence, if there is no such moment.
    """
    torch.set_num_threads(1)
    bag = Bag(path)
    moment = moment_of(bag, parse_moment(at, bag.start, bag.end, '--at'))
    run = run_of(path)
    encoder = recorded_encoder(bag)
    latent = _latent(moment, encoder)
    near = _nearest(encoder, latent, goals or (run and run / 'goals'), moment)
    lines = [
        f'image: of {date_text(moment.time)} ({(moment.time - bag.start) * 1e-9:.2f} s from the '
        f'start), stamp {moment.stamp * 1e-9:.3f} s',
        *_doing(moment),
        _rewarded(moment),
        *_logits(bag, moment, latent),
        _neighbours(moment),
        *_goals(near),
        _novelty(run, latent),
    ]
    lines += bag.problems
    out = out or Path(f'why_{path.stem}_{clock_text(moment.time).replace(":", "-")}')
    out.mkdir(parents=True, exist_ok=True)
    draw(_pictures(moment, encoder, latent, near), _title(moment), out / PLOT)
    text = '\n'.join(f'- {line}' for line in lines)
    write_atomic(out / REPORT, f'# {_title(moment)}\n\n{text}\n\n![images]({PLOT})\n')
    return '\n'.join([*lines, '', f'{out / REPORT}'])


def _title(moment: Moment) -> str:
    reward = moment.reward
    what = 'no reward' if reward is None else f'reward {reward.reward:.3f}'
    return f'{what} at {date_text(moment.time)}'


def _latent(moment: Moment, encoder: ImageEncoder | None) -> Array | None:
    """Return the latent of the image, shape (latent,): the recorded one if there is one."""
    if moment.latent is not None and moment.latent.model_version > 0:
        return np.array(moment.latent.mean, np.float32)
    if encoder is None:
        return None
    latent: Array = encoder.encode(moment.pixels[None])[0][0].numpy()
    return latent


def _doing(moment: Moment) -> list[str]:
    lines = []
    if moment.status is not None:
        status = moment.status
        lines.append(
            f'agent: phase {moment.phase}, episode {status.episode}, step {status.step}, '
            f'env step {status.env_steps}, policy version {status.policy_version}'
        )
    if moment.transition is not None:
        transition = moment.transition
        who = POLICIES[transition.policy] if transition.policy < len(POLICIES) else 'unknown'
        what = 'none: the last observation of its episode'
        if not transition.last:
            what = f'{_numbers(transition.action)} (-1 to 1), chosen by {who}'
        lines.append(f'action: {what}')
    else:
        lines.append('action: none; no transition has this stamp (homing, paused or dropped)')
    if moment.safety is not None:
        safety = moment.safety
        state = SAFETY_STATES[safety.state] if safety.state < len(SAFETY_STATES) else 'unknown'
        reason = f': {safety.code} {safety.reason}' if safety.code else ''
        lines.append(f'driver: {state}{reason}')
    return lines


def _rewarded(moment: Moment) -> str:
    reward = moment.reward
    if reward is None:
        return 'reward: none was recorded for this image (no classifier yet, or it was dropped)'
    return (
        f'reward: {reward.reward:.4f}, success probability {reward.probability:.4f}, '
        f'logit {reward.logit:.4f}, by classifier version {reward.model_version}'
    )


def _logits(bag: Bag, moment: Moment, latent: Array | None) -> list[str]:
    """Score the image with the classifier of the time, the one before and the newest."""
    versions = weights_of(bag, 'reward')
    if not versions:
        return ['classifiers: none in the bag']
    used = versions[-1] if moment.reward is None else int(moment.reward.model_version)
    wanted = {used: 'then in use'} if moment.reward is not None else {}
    earlier = [version for version in versions if version < used]
    if earlier and wanted:
        wanted[max(earlier)] = 'the one before'
    wanted.setdefault(max(versions), 'the newest')
    weights = RecordedWeights(bag, WEIGHTS['reward'])
    lines = []
    for version in sorted(wanted):
        message = weights.find(version)
        if message is None:
            lines.append(f'classifier {version} ({wanted[version]}): its weights are not recorded')
            continue
        model = recorded_classifier(bag, message)
        if model.input == 'latent' and latent is None:
            return ['classifiers: no encoder in the bag, so nothing to score']
        asked = latent if model.input == 'latent' else moment.pixels
        assert asked is not None
        logit = model.logits(asked[None])
        lines.append(
            f'classifier {version} ({wanted[version]}): logit {float(logit[0]):.4f}, '
            f'probability {float(np.exp(log_sigmoid(logit))[0]):.4f}'
        )
    return lines


def _neighbours(moment: Moment) -> str:
    parts = []
    for name, reward in (('before', moment.before), ('after', moment.after)):
        what = (
            'none' if reward is None else f'logit {reward.logit:.4f} (p {reward.probability:.4f})'
        )
        parts.append(f'one step {name}: {what}')
    return ', '.join(parts)


def _nearest(
    encoder: ImageEncoder | None, latent: Array | None, folder: Path | None, moment: Moment
) -> list[tuple[float, int, NDArray[np.uint8]]]:
    """Return distance [latent units], number and pixels of the goal images nearest to now."""
    if encoder is None or latent is None or folder is None or not folder.is_dir():
        return []
    goals = load_goals(folder, moment.pixels.shape[0])
    distances = np.linalg.norm(encoder.encode(goals)[0].numpy() - latent, axis=1)
    order = np.argsort(distances, kind='stable')[:NEAREST]
    return [(float(distances[row]), int(row), goals[row]) for row in order]


def _goals(near: list[tuple[float, int, NDArray[np.uint8]]]) -> list[str]:
    if not near:
        return ['nearest goals: unknown (no encoder, or no folder of goal images: --goals)']
    shown = ', '.join(f'goal {row} at {distance:.3f}' for distance, row, _ in near)
    return [f'nearest goals in latent space: {shown}']


def _novelty(run: Path | None, latent: Array | None) -> str:
    if run is None or latent is None:
        return 'novelty: unknown (the bag lies in no run, or there is no encoder)'
    learner = config.load(run / 'config.yaml').get('learner', {})
    rnd = stored_rnd(run / 'checkpoints' / 'learner.safetensors', len(latent), learner)
    if rnd is None:
        return 'novelty: unknown (the run has no checkpoint with one of latents)'
    value = float(novelty(rnd, latent[None])[0])
    return f"novelty: {value:.3f} by the run's newest checkpoint (1: usual spread of the error)"


def _pictures(
    moment: Moment,
    encoder: ImageEncoder | None,
    latent: Array | None,
    near: list[tuple[float, int, NDArray[np.uint8]]],
) -> list[Picture]:
    pictures = [Picture('image', moment.pixels)]
    if encoder is not None and latent is not None:
        pictures.append(Picture('reconstruction', encoder.decode(latent[None])[0]))
    return pictures + [
        Picture(f'goal {row}\n{distance:.2f}', image) for distance, row, image in near
    ]


def _numbers(values: NDArray[np.float32]) -> str:
    return '[' + ', '.join(f'{value:+.2f}' for value in values) + ']'
