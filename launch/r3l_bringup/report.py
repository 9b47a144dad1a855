# SPDX-License-Identifier: Apache-2.0
"""``report.md`` of a run, made from nothing but the files of the run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
import json
from pathlib import Path
from typing import Any

from r3l_bringup import config
from r3l_bringup.hardware import graph_of
from r3l_bringup.report_bag import night_of
from r3l_bringup.report_timeline import time_line
from r3l_node.core.files import write_atomic
from r3l_node.core.parameters import flatten
from r3l_node.core.records import MOVING, read_lines
from r3l_node.core.status import duration, read_status, Status

CURVE, COVERAGE, SCALARS = 'learning_curve.png', 'coverage.png', 'scalars.png'
# Scalars drawn if they are there; the first part of a name is its source.
DRAWN = ('rollout/', 'vice/', 'rnd/', 'vae/', 'train/', 'robot/')
_MOST_DRAWN = 30
_MOST_STRIPS = 2


def write_report(run: Path) -> Path:
    """
    Write the report of a run with its plots.

    :param run: folder of the run; what is missing in it is left out.
    :return: path of ``report.md``.
    """
    evaluations = read_lines(run / 'evaluation.jsonl')
    parts = [
        *_head(run, evaluations),
        *_curve(run, evaluations),
        *time_line(night_of(run), run),
        *_coverage(run),
        *_films(run),
        *_reconstructions(run),
        *_scalars(run),
        *_faults(run),
        *_settings(run),
        *_versions(run),
    ]
    write_atomic(run / 'report.md', '\n'.join(parts) + '\n')
    return run / 'report.md'


def _head(run: Path, evaluations: list[dict[str, Any]]) -> Iterable[str]:
    status = read_status(run / 'status.json')
    yield f'# {run.name}'
    yield ''
    if status is not None:
        state = 'finished' if status.phase == 'done' else f'stopped while {status.phase}'
        ratio = '' if status.update_ratio is None else f', update ratio {status.update_ratio:.3f}'
        yield (
            f'Task **{status.task}**, profile **{_profile(run, status)}**: {state} after '
            f'{status.env_steps} of {status.steps} env steps in {duration(status.wall_s)}{ratio}.'
        )
    if evaluations:
        last = evaluations[-3:]
        mean = sum(line['success_rate'] for line in last) / len(last)
        yield (
            f'Deployed success, mean of the last {len(last)} evaluations from '
            f'{last[-1]["starts"]} fixed starts: **{mean:.0%}**.'
        )
    else:
        yield 'No policy was evaluated.'
    yield ''


def _profile(run: Path, status: Status) -> str:
    """Return the profile and what was changed in it; the loop knows only its parameters."""
    path = run / 'config.yaml'
    monitor = config.load(path).get('monitor', {}) if path.exists() else {}
    ablation = monitor.get('ablation', config.NO_ABLATION)
    profile = str(monitor.get('profile', status.profile))
    return profile if ablation == config.NO_ABLATION else f'{profile} {ablation}'


def _curve(run: Path, evaluations: list[dict[str, Any]]) -> Iterable[str]:
    baselines = _baselines(run)
    if evaluations:
        from r3l_bringup.plots import learning_curve

        learning_curve(
            evaluations, {k: v['success_rate'] for k, v in baselines.items()}, run / CURVE
        )
        yield '## Deployed evaluations'
        yield ''
        yield f'![Learning curve]({CURVE})'
        yield ''
        unit = evaluations[-1]['unit']
        yield f'| Policy | Env steps | Success | Strict | Final distance [{unit}] | Starts |'
        yield '|---|---|---|---|---|---|'
        for name, line in baselines.items():
            yield _row(name, line)
        for line in evaluations:
            yield _row(f'version {line["policy_version"]}', line)
        yield ''


def _row(name: str, line: Mapping[str, Any]) -> str:
    return (
        f'| {name} | {line.get("env_steps", "")} | {line["success_rate"]:.2f} '
        f'| {line["success_rate_strict"]:.2f} | {line["final_distance_mean"]:.3f} '
        f'| {line["starts"]} |'
    )


def _baselines(run: Path) -> dict[str, dict[str, Any]]:
    """Return evaluations of other policies that were left in the run."""
    found = _json(run / 'baselines.json')
    return {
        name: line
        for name, line in (found or {}).items()
        if isinstance(line, dict) and 'success_rate' in line
    }


def _coverage(run: Path) -> Iterable[str]:
    counts = _json(run / 'coverage.json')
    if counts:
        from r3l_bringup.plots import coverage

        coverage(counts, run / COVERAGE)
        yield from ('## Where the object has been', '', f'![Coverage]({COVERAGE})', '')


def _films(run: Path) -> Iterable[str]:
    strips = sorted((run / 'evaluation').glob('*.png'))
    if strips:
        yield '## Film strips'
        yield ''
        chosen = strips if len(strips) <= _MOST_STRIPS else [strips[0], strips[-1]]
        for strip in chosen:
            yield f'{strip.stem}:'
            yield ''
            yield f'![{strip.stem}](evaluation/{strip.name})'
            yield ''


def _reconstructions(run: Path) -> Iterable[str]:
    if (run / 'reconstructions.png').exists():
        yield '## What the VAE keeps of an image'
        yield ''
        yield '![Images and their reconstructions](reconstructions.png)'
        yield ''


def _scalars(run: Path) -> Iterable[str]:
    series: dict[str, tuple[list[float], list[float]]] = {}
    for line in read_lines(run / 'metrics.jsonl'):
        for name, value in line.items():
            if name.startswith(DRAWN) and isinstance(value, int | float):
                steps, values = series.setdefault(name, ([], []))
                steps.append(line.get('env_steps', 0))
                values.append(value)
    chosen = {name: series[name] for name in sorted(series)[:_MOST_DRAWN]}
    if chosen:
        from r3l_bringup.plots import scalars

        scalars(chosen, run / SCALARS)
        yield from ('## Scalars', '', f'![Scalars]({SCALARS})', '')


def _faults(run: Path) -> Iterable[str]:
    faults = read_lines(run / 'faults.jsonl')
    yield '## Faults'
    yield ''
    if not faults:
        yield 'No node died.'
    else:
        yield '| Node | Exit code (negative: signal) | Times |'
        yield '|---|---|---|'
        counts = Counter((line.get('node'), line.get('exit_code')) for line in faults)
        for (node, code), times in sorted(counts.items(), key=str):
            yield f'| {node} | {code} | {times} |'
    yield ''
    yield from _holds(run)


def _holds(run: Path) -> Iterable[str]:
    """Count what made the driver leave RUN and DEGRADED, where there is one."""
    moving = True
    counts: Counter[tuple[str, str]] = Counter()
    for line in read_lines(run / 'safety.jsonl'):
        stopped = line['state'] not in MOVING
        if stopped and moving:
            counts[line['state'], line['code']] += 1
        moving = not stopped
    if counts:
        yield from ('| The hand was | because of | Times |', '|---|---|---|')
        for (state, code), times in counts.most_common():
            yield f'| {state} | {code} | {times} |'
        yield ''


def _settings(run: Path) -> Iterable[str]:
    if not (run / 'config.yaml').exists():
        return
    yield '## Settings that differ from the defaults'
    yield ''
    yield 'All of them are in [config.yaml](config.yaml).'
    yield ''
    yield '| Parameter | Value | Default |'
    yield '|---|---|---|'
    values = config.load(run / 'config.yaml')
    for spec in graph_of(values):
        defaults = flatten(spec.config_type()())
        for name, value in values.get(spec.name, {}).items():
            default = defaults.get(name)
            default = list(default) if isinstance(default, tuple) else default
            if value != default and name != 'run':
                yield f'| {spec.name}.{name} | {_short(value)} | {_short(default)} |'
    yield ''


def _short(value: object) -> str:
    text = str(value) if value != '' else "''"
    return text if len(text) <= 60 else f'{text[:57]}...'


def _versions(run: Path) -> Iterable[str]:
    found = _json(run / 'versions.json')
    if found:
        yield '## Machine and versions'
        yield ''
        yield '| | |'
        yield '|---|---|'
        for name, value in found.items():
            yield f'| {name} | {"-" if value is None else value} |'


def _json(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None
