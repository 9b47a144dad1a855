# SPDX-License-Identifier: Apache-2.0
"""The results of an experiment: ``table.md``, ``table.csv``, ``runs.csv`` and the plots."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
import csv
import io
from pathlib import Path
from typing import Any

from r3l_bringup.experiment.description import Experiment
from r3l_bringup.experiment.figures import Figures, figures, LAST, LEVELS
from r3l_bringup.experiment.state import ExperimentFolder, RunState
from r3l_bringup.experiment.summary import Mean, mean, Variant, variants
from r3l_bringup.report import write_report
from r3l_node.core.files import write_atomic

TABLE, TABLE_CSV, RUNS_CSV = 'table.md', 'table.csv', 'runs.csv'
EXPLAINED = (
    f'**Deployed**: success of the deployed policy from fixed starts, mean of the last {LAST} '
    'evaluations; *strict*: the same by the strict limits. **Steps to, hours to** a level: the '
    f'first evaluation from which the mean of {LAST} reaches it. **Lifetime**: deployed success, '
    'mean of all evaluations. **Continuing**: share of all control steps of the training, '
    'warm-up, perturbation and homing included, at which the object was a success. Each is a mean '
    'over seeds ± its standard error.'
)
VERSION_KEYS = ('commit', 'python', 'torch', 'mujoco', 'numpy', 'processor', 'cores', 'system')
Row = dict[str, Any]


def write_results(experiment: Experiment, folder: ExperimentFolder) -> None:
    """Write table and plots of what there is; runs that failed or go on stay in the table."""
    found = [figures(run, folder.state(run), folder.path / run.name) for run in experiment.runs]
    for run in found:
        own = folder.path / run.run.name
        if run.state is RunState.FINISHED and not (own / 'report.md').exists():
            write_report(own)  # of a run that was killed as it wrote it
    groups = variants(found)
    parts = [f'# {experiment.name}', '', EXPLAINED, '']
    for task in dict.fromkeys(group.task for group in groups):
        parts += _task(task, [group for group in groups if group.task == task], folder.path)
    parts += [*_left_over(found, folder), *_machine(found)]
    write_atomic(folder.path / TABLE, '\n'.join(parts) + '\n')
    write_atomic(folder.path / TABLE_CSV, _csv([csv_row(group) for group in groups]))
    write_atomic(folder.path / RUNS_CSV, _csv([run_row(run) for run in found]))


def _task(task: str, groups: Sequence[Variant], folder: Path) -> Iterable[str]:
    unit = next((group.unit for group in groups if group.unit), '-')
    columns = ['Variant', 'Seeds', 'Deployed', 'Strict']
    columns += [f'{what} to {level:g}' for level in LEVELS for what in ('Steps', 'Hours')]
    columns += ['Lifetime', 'Continuing', f'Final distance [{unit}]', 'Hours']
    yield f'## {task}'
    yield ''
    yield f'| {" | ".join(columns)} |'
    yield '|---' * len(columns) + '|'
    for group in groups:
        yield f'| {" | ".join(_cells(group))} |'
    for name, value in baselines(groups).items():
        yield f'| *{name}* |  | {value:.2f} |{" |" * (len(columns) - 3)}'
    yield ''
    yield from _pictures(task, groups, folder)


def _cells(group: Variant) -> list[str]:
    cells = [group.name, seeds(group)]
    cells += [shown(group.mean(lambda run: run.deployed)), shown(group.mean(lambda r: r.strict))]
    for level in LEVELS:
        crossings = group.crossings(level)
        of = len([run for run in group.counted if run.curve])
        cells.append(_reached(mean(float(one.steps) for one in crossings), of, '{:,.0f}'))
        cells.append(_reached(mean(one.hours for one in crossings), of, '{:.2f}'))
    cells.append(shown(group.mean(lambda run: run.lifetime)))
    cells.append(shown(group.mean(lambda run: run.continuing)))
    cells.append(shown(group.mean(lambda run: run.final_distance), '{:.3f}'))
    cells.append(shown(group.mean(lambda run: run.hours or None)))
    return cells


def seeds(group: Variant) -> str:
    """Return how many seeds a row stands for, and what became of the others."""
    finished = group.count(RunState.FINISHED)
    if finished == len(group.runs):
        return str(finished)
    others = [
        f'{count} {state.value}'
        for state in (RunState.FAILED, RunState.STOPPED, RunState.MISSING)
        if (count := group.count(state))
    ]
    return f'{finished} of {len(group.runs)}, {", ".join(others)}'


def shown(value: Mean | None, form: str = '{:.2f}') -> str:
    """Return a mean with its standard error."""
    if value is None:
        return '-'
    text = form.format(value.mean)
    return text if value.error is None else f'{text} ± {form.format(value.error)}'


def _reached(value: Mean | None, of: int, form: str) -> str:
    if value is None:
        return 'never' if of else '-'
    return shown(value, form) + (f' ({value.count} of {of})' if value.count < of else '')


def baselines(groups: Iterable[Variant]) -> dict[str, float]:
    """Return the success of what needs no learning, mean of the runs that measured it."""
    found: dict[str, list[float]] = {}
    for group in groups:
        for run in group.runs:
            for name, value in run.baselines.items():
                found.setdefault(name, []).append(value)
    return {name: sum(values) / len(values) for name, values in found.items()}


def _pictures(task: str, groups: Sequence[Variant], folder: Path) -> Iterable[str]:
    # Imported here: matplotlib takes its time.
    from r3l_bringup.experiment import maps, plots

    lines, drawn = baselines(groups), []
    file = task.replace(':', '.')
    for title, name, draw in (
        ('Learning curves', 'curves', plots.curves),
        ('Deployed success', 'deployed', plots.deployed),
    ):
        path = folder / f'{name}_{file}.png'
        if draw(groups, lines, path):
            drawn.append((title, path))
    covered = maps.coverage(groups, folder / f'coverage_{file}.png')
    drawn += [('Where the object has been', path) for path in covered]
    for title, path in drawn:
        yield f'![{title}: {task}]({path.name})'
        yield ''


def _left_over(found: Sequence[Figures], folder: ExperimentFolder) -> Iterable[str]:
    """Say what became of the runs that did not finish."""
    words = {line.get('run'): line for line in folder.failures()}
    rest = [run for run in found if run.state is not RunState.FINISHED]
    if not rest:
        return
    yield from ('## Runs that did not finish', '', '| Run | State | Env steps | Why |')
    yield '|---|---|---|---|'
    for run in rest:
        line = words.get(run.run.name, {})
        why = f'code {line["exit_code"]}: {line["words"]}' if line else ''
        why = why.replace('|', '\\|')
        yield f'| {run.run.name} | {run.state.value} | {run.env_steps:,} | {why} |'
    yield ''


def _machine(found: Sequence[Figures]) -> Iterable[str]:
    """Say what the runs ran on; more than one value: not all ran on the same."""
    known = [run.versions for run in found if run.versions]
    if not known:
        return
    yield from ('## Machine and versions', '', '| | |', '|---|---|')
    for key in VERSION_KEYS:
        values = dict.fromkeys(str(versions.get(key, '-')) for versions in known)
        yield f'| {key} | {", ".join(values)} |'
    yield f'| hours of all runs | {sum(run.hours for run in found):.2f} |'


def csv_row(group: Variant) -> Row:
    """Return a row of ``table.csv``."""
    row: Row = {
        'task': group.task,
        'variant': group.name,
        'seeds': len(group.runs),
        'finished': group.count(RunState.FINISHED),
        'failed': group.count(RunState.FAILED),
        'unit': group.unit,
    }
    row |= _pair('deployed', group.mean(lambda run: run.deployed))
    row |= _pair('strict', group.mean(lambda run: run.strict))
    row |= _pair('lifetime', group.mean(lambda run: run.lifetime))
    row |= _pair('continuing', group.mean(lambda run: run.continuing))
    row |= _pair('continuing_distance', group.mean(lambda run: run.continuing_distance))
    row |= _pair('final_distance', group.mean(lambda run: run.final_distance))
    for level in LEVELS:
        crossings = group.crossings(level)
        row[f'reached_{level:g}'] = len(crossings)
        row |= _pair(f'steps_to_{level:g}', mean(float(one.steps) for one in crossings))
        row |= _pair(f'hours_to_{level:g}', mean(one.hours for one in crossings))
    return row | _pair('hours', group.mean(lambda run: run.hours or None))


def run_row(run: Figures) -> Row:
    """Return a row of ``runs.csv``."""
    row: Row = {
        'run': run.run.name, 'task': run.run.task, 'variant': run.run.variant,
        'seed': run.run.seed, 'engine': run.run.engine, 'state': run.state.value,
        'env_steps': run.env_steps, 'deployed': run.deployed, 'strict': run.strict,
        'lifetime': run.lifetime, 'continuing': run.continuing,
        'continuing_distance': run.continuing_distance, 'final_distance': run.final_distance,
        'unit': run.unit,
    }  # fmt: skip
    for level in LEVELS:
        reached = run.crossings.get(level)
        row[f'steps_to_{level:g}'] = reached.steps if reached else None
        row[f'hours_to_{level:g}'] = reached.hours if reached else None
    return row | {'hours': run.hours}


def _pair(name: str, value: Mean | None) -> Row:
    return {name: value and value.mean, f'{name}_se': value and value.error}


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator='\n')
    writer.writeheader()
    for row in rows:
        writer.writerow({k: f'{v:.6g}' if isinstance(v, float) else v for k, v in row.items()})
    return out.getvalue()
