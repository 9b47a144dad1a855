# SPDX-License-Identifier: Apache-2.0
"""The file of an experiment: which runs there are and how they differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
import re
from typing import Any

from r3l_bringup import config
from r3l_bringup.config import Request
from r3l_bringup.paths import config_folder
from r3l_bringup.prior import read_prior
from r3l_node.core.errors import ConfigError
from r3l_node.core.parameters import build, flatten, parameter
import yaml

ENGINES = ('loop', 'graph')
FOLDER = 'experiments'  # of the files that come with the package
_NAME = re.compile(r'[A-Za-z0-9][A-Za-z0-9_.+-]*')


@dataclass(frozen=True, slots=True)
class Matrix:
    """Every combination of these is a run; one field is one key of the file."""

    tasks: tuple[str, ...] = parameter(('valve',), 'tasks')
    profiles: tuple[str, ...] = parameter(('modern',), 'profiles')
    ablations: tuple[str, ...] = parameter(('none',), "ablations; 'none' is the profile itself")
    seeds: tuple[int, ...] = parameter((0,), 'seeds', range=(0, 2**31 - 1))
    steps: int = parameter(100_000, 'env steps of a run', range=(1, 10**9))
    evaluate_every: int = parameter(
        10_000, 'env steps between two deployed evaluations', range=(1, 10**9)
    )
    starts: int = parameter(32, 'fixed starts of an evaluation', range=(1, 1024))
    engine: str = parameter(
        'loop', 'loop: in one process without ROS; graph: the ROS graph', choices=ENGINES
    )
    sets: tuple[str, ...] = parameter((), 'NODE.PARAM=VALUE, as for r3l train --set')
    prior: tuple[str, ...] = parameter(
        (), 'bags or run folders to learn from, too, as for r3l train --prior'
    )
    label: str = parameter('', 'added to the names of these runs, where nothing else tells them')


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """One run: a combination of a matrix."""

    task: str
    profile: str
    ablation: str
    label: str
    seed: int
    steps: int
    evaluate_every: int
    starts: int
    engine: str
    sets: tuple[str, ...]
    prior: tuple[str, ...] = ()

    @property
    def variant(self) -> str:
        """What the seeds of a task have in common, as in ``modern no_perturbation``."""
        ablation = '' if self.ablation == 'none' else self.ablation
        return ' '.join(part for part in (self.profile, ablation, self.label) if part)

    @property
    def name(self) -> str:
        """Name of the run's folder."""
        parts = [
            self.task.rpartition(':')[2],
            self.profile,
            self.ablation,
            self.label,
            f's{self.seed}',
        ]
        return '-'.join(part for part in parts if part)

    @property
    def request(self) -> Request:
        """What ``r3l train`` is asked for."""
        own = (f'evaluator.every={self.evaluate_every}', f'evaluator.starts={self.starts}')
        return Request(
            task=self.task,
            profile=self.profile,
            ablation=self.ablation,
            steps=self.steps,
            seed=self.seed,
            sets=(*own, *self.sets),
            prior=self.prior,
        )


@dataclass(frozen=True, slots=True)
class Experiment:
    """An experiment: its name and its runs, every first seed before any second one."""

    name: str
    runs: tuple[PlannedRun, ...]


def find(text: str) -> Path:
    """
    Return the file of an experiment.

    :param text: path of the file, or the name of one that comes with the package.
    :raises ConfigError: if there is neither.
    """
    path = Path(text)
    if path.is_file():
        return path
    known = sorted(file.stem for file in (config_folder() / FOLDER).glob('*.yaml'))
    if text in known:
        return config_folder() / FOLDER / f'{text}.yaml'
    raise ConfigError(f"experiment is '{text}': expected a YAML file or one of {', '.join(known)}")


def read(path: Path) -> Experiment:
    """
    Read the file of an experiment.

    :raises ConfigError: with one sentence about the first thing that is wrong in it.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding='utf-8'))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f'{path} cannot be read: {error}') from error
    if not isinstance(document, dict):
        raise ConfigError(f'{path} holds {document!r}: expected tasks, profiles, seeds ...')
    name = document.pop('name', path.stem)
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ConfigError(f'{path}: name is {name!r}: expected letters, digits, _ and -')
    return Experiment(name, _plan(document))


def _plan(document: Mapping[str, Any]) -> tuple[PlannedRun, ...]:
    own = {key: value for key, value in document.items() if key != 'runs'}
    extra = document.get('runs') or []
    if not isinstance(extra, list) or not all(isinstance(entry, dict) for entry in extra):
        raise ConfigError(f'experiment.runs is {extra!r}: expected a list of tasks, seeds ...')
    shared = build(Matrix, own, node='experiment')
    matrices = [shared, *(
        build(Matrix, flatten(shared) | entry, node=f'experiment.runs[{index}]')
        for index, entry in enumerate(extra)
    )]  # fmt: skip
    runs = [run for matrix in matrices for run in _expanded(matrix)]
    if not runs:
        raise ConfigError('the experiment has no run: expected a task, a profile and a seed')
    _check_names(runs)
    return tuple(sorted(runs, key=lambda run: run.seed))


def _expanded(matrix: Matrix) -> list[PlannedRun]:
    if matrix.label and not _NAME.fullmatch(matrix.label):
        raise ConfigError(f'label is {matrix.label!r}: expected letters, digits, _ and -')
    combinations = product(matrix.tasks, matrix.profiles, matrix.ablations, matrix.seeds)
    return [
        PlannedRun(
            task, profile, ablation, matrix.label, seed, matrix.steps, matrix.evaluate_every,
            matrix.starts, matrix.engine, matrix.sets, matrix.prior,
        )
        for task, profile, ablation, seed in combinations
    ]  # fmt: skip


def _check_names(runs: list[PlannedRun]) -> None:
    seen: set[str] = set()
    for run in runs:
        if run.name in seen:
            raise ConfigError(
                f'the experiment has two runs {run.name}: expected a label that tells them apart'
            )
        seen.add(run.name)


def check(experiment: Experiment) -> None:
    """
    Resolve the parameters of every run.

    :raises ConfigError: with one sentence about the first run that could not start.
    """
    seen: set[PlannedRun] = set()
    for run in experiment.runs:
        like = replace(run, seed=0)  # another seed cannot be more wrong
        if like in seen:
            continue
        seen.add(like)
        try:
            values = config.resolve(run.request)
            if run.engine == 'graph':
                config.refuse_oracles(values)
            read_prior(run.prior, values)
        except ConfigError as error:
            raise ConfigError(f'{run.name}: {error}') from error


def settings(run: PlannedRun) -> dict[str, Any]:
    """Return what a run is made of, as JSON has it."""
    return asdict(run) | {'sets': list(run.sets), 'prior': list(run.prior)}
