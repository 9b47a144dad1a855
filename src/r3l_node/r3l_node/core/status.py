# SPDX-License-Identifier: Apache-2.0
"""The state of a run in a few numbers, as the screen shows it."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass, field
import json
import os
from pathlib import Path
from typing import Any

PHASES = (
    'unknown', 'waiting', 'warm-up', 'task', 'perturbation', 'homing', 'paused', 'done',
)  # fmt: skip
# Of the driver, worse and worse.
SAFETY_STATES = ('unspecified', 'run', 'degraded', 'hold', 'limp', 'stop')
# Scalars on the screen: field of Status -> names it may come under, the first one counts.
SHOWN = {
    'success_probability': (
        'rollout/success_probability_task', 'rollout/success_probability_random',
    ),
    'classifier_accuracy': ('vice/held_out_accuracy',),
    'novelty': ('rnd/reward_mean',),
}  # fmt: skip
_RATE_WINDOW = 30.0  # [s]


def phase_name(phase: int) -> str:
    """
    Return a phase of the agent as a word.

    :param phase: a constant of AgentStatus; another one is unknown.
    """
    return PHASES[phase] if 0 <= phase < len(PHASES) else PHASES[0]


def safety_name(state: int) -> str:
    """
    Return a state of the driver as a word.

    :param state: a constant of SafetyState; another one is unspecified.
    """
    return SAFETY_STATES[state] if 0 <= state < len(SAFETY_STATES) else SAFETY_STATES[0]


@dataclass(slots=True)
class Status:
    """One moment of a run; None: not known yet."""

    task: str = ''
    profile: str = ''
    phase: str = 'starting'
    episode: int = 0
    env_steps: int = 0
    steps: int = 0
    steps_per_s: float | None = None
    wall_s: float = 0.0
    eta_s: float | None = None
    update_ratio: float | None = None
    updates: int = 0
    policy_version: int = 0
    success_probability: float | None = None
    classifier_accuracy: float | None = None
    novelty: float | None = None
    evaluation: dict[str, Any] | None = None
    finished: bool = False


@dataclass(slots=True)
class RateMeter:
    """Steps per second over the last half minute."""

    _points: deque[tuple[float, int]] = field(default_factory=deque)

    def add(self, seconds: float, steps: int) -> float | None:
        """
        Add a reading.

        :param seconds: steady time.
        :return: the rate [1/s], None before there are two readings.
        """
        # A run that goes on jumps from 0 to where it stopped: that was not done in a second.
        if self._points and (steps < self._points[-1][1] or self._points[-1][1] == 0):
            self._points.clear()
        self._points.append((seconds, steps))
        while seconds - self._points[0][0] > _RATE_WINDOW and len(self._points) > 2:
            self._points.popleft()
        span = seconds - self._points[0][0]
        return (steps - self._points[0][1]) / span if span > 0 else None


def take_scalars(status: Status, values: dict[str, float]) -> None:
    """Put the scalars that the screen shows into the status."""
    for name, keys in SHOWN.items():
        for key in keys:
            if key in values:
                setattr(status, name, values[key])
                break


def write_status(status: Status, path: Path) -> None:
    """Write a status for the screen in one step; it need not survive a power cut."""
    part = path.with_suffix('.part')
    part.write_text(json.dumps(asdict(status)) + '\n', encoding='utf-8')
    os.replace(part, path)


def read_status(path: Path) -> Status | None:
    """Read what :func:`write_status` wrote; None if there is nothing yet."""
    try:
        return Status(**json.loads(path.read_text(encoding='utf-8')))
    except (OSError, ValueError, TypeError):
        return None


def plain_line(status: Status) -> str:
    """Return a status as one line."""
    parts = [
        f'{status.phase}',
        f'{status.env_steps}/{status.steps} steps',
        _maybe('{:.0f} steps/s', status.steps_per_s),
        _maybe('update ratio {:.2f}', status.update_ratio),
        f'ETA {duration(status.eta_s)}' if status.eta_s is not None else '',
        _maybe('p(success) {:.2f}', status.success_probability),
        _maybe('held-out goals {:.0%}', status.classifier_accuracy),
        _maybe('novelty {:.2f}', status.novelty),
        evaluation_text(status.evaluation),
    ]
    return '  '.join(part for part in parts if part)


def evaluation_text(evaluation: dict[str, Any] | None) -> str:
    """Return the last evaluation in a few words; empty if there is none."""
    if evaluation is None:
        return ''
    if evaluation.get('success_rate') is None:  # of an environment that does not say
        return f'deployed return {evaluation.get("return_mean"):.1f} at {evaluation["env_steps"]}'
    return (
        f'deployed {evaluation["success_rate"]:.0%} '
        f'(strict {evaluation["success_rate_strict"]:.0%}) at {evaluation["env_steps"]}'
    )


def duration(seconds: float | None) -> str:
    """Return seconds as a text like ``1:02:03``."""
    if seconds is None:
        return '-'
    whole = int(seconds)
    hours, minutes = whole // 3600, whole // 60 % 60
    return f'{hours}:{minutes:02}:{whole % 60:02}' if hours else f'{minutes}:{whole % 60:02}'


def _maybe(text: str, value: float | None) -> str:
    return '' if value is None else text.format(value)
