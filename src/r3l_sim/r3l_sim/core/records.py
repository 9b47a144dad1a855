# SPDX-License-Identifier: Apache-2.0
"""What an evaluation leaves in the run folder."""

import json
from pathlib import Path

from r3l_node.core.files import write_atomic
from r3l_sim.core.evaluation import EvaluationResult
from r3l_sim.core.pictures import film_strip, png
from r3l_sim.core.tasks import Task

FILMS = 'evaluation'  # folder of the film strips
BASELINES = 'baselines.json'
COVERAGE = 'coverage.json'


def summary(result: EvaluationResult) -> dict[str, object]:
    """Return the figures of an evaluation as they are written down."""
    return {
        'success_rate': round(result.success_rate, 6),
        'success_rate_strict': round(result.success_rate_strict, 6),
        'final_distance_mean': round(result.final_distance_mean, 6),
        'unit': result.unit,
        'starts': len(result.starts),
    }


def write_film(run: Path, name: str, result: EvaluationResult, task: Task) -> Path:
    """
    Write the film strip of an evaluation.

    :param run: folder of the run.
    :param name: of the picture, without ending.
    :return: the file.
    """
    path = run / FILMS / f'{name}.png'
    write_atomic(path, png(film_strip(result, task)))
    return path


def film_name(env_steps: int) -> str:
    """Return the name of the film strip of a policy, which sorts by env steps."""
    return f'{env_steps:08d}'


def last_film(run: Path) -> int | None:
    """Return the env steps of the newest film strip of a run, or None if there is none."""
    stems = [path.stem for path in (run / FILMS).glob('*.png')]
    return max((int(stem) for stem in stems if stem.isdecimal()), default=None)


def write_baselines(run: Path, results: dict[str, EvaluationResult]) -> None:
    """
    Write down what needs no learning.

    :param run: folder of the run.
    :param results: by name of the behaviour.
    """
    lines = {name: {'env_steps': 0, **summary(result)} for name, result in results.items()}
    write_atomic(run / BASELINES, json.dumps(lines, indent=1))
