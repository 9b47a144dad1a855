# SPDX-License-Identifier: Apache-2.0
"""Deployed evaluation of the policy of a run, in a scene of its own and without ROS."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TYPE_CHECKING

from r3l_bringup import config
from r3l_bringup.hardware import Values
from r3l_bringup.prepare import CONFIG
from r3l_node.core.errors import ConfigError
from r3l_node.core.files import write_atomic

if TYPE_CHECKING:
    from r3l_sim.core.evaluation import EvaluationResult
    from r3l_sim.core.evaluator import Evaluator
    from r3l_sim.core.tasks import Task

# Name on the command line -> name in reports.
POLICIES = {
    'deployed': 'deployed',
    'random': 'random motion',
    'hold': 'hold still',
    'untrained': 'untrained',
}


def evaluate_run(run: Path, policy: str, starts: int, seed: int) -> dict[str, object]:
    """
    Run a policy from fixed starts; print a table, write a film strip into the run.

    :param policy: 'deployed', or a baseline by the same measure: 'random', 'hold', 'untrained'.
    :param seed: of the starts (0: the fixed set) and of a random policy.
    :return: the figures, as in ``baselines.json``.
    :raises ConfigError: if the run has no such policy.
    """
    if policy not in POLICIES:
        raise ConfigError(f"policy is '{policy}': expected one of {', '.join(POLICIES)}")
    if not (run / CONFIG).exists():
        raise ConfigError(f'{run} is no run: expected a folder with {CONFIG}')
    values = config.load(run / CONFIG)

    from r3l_node.core.parameters import build
    from r3l_sim.core.config import EvaluatorConfig
    from r3l_sim.core.evaluator import Evaluator
    from r3l_sim.core.records import summary, write_film
    from r3l_sim.core.tasks import task_named

    asked = {'starts': starts, 'starts_seed': seed}
    settings = build(EvaluatorConfig, _scene(values) | asked, node='evaluator')
    task = task_named(settings.task)
    evaluator = Evaluator(settings)
    try:
        result = _result(evaluator, run, policy, values, seed)
    finally:
        evaluator.close()
    strip = write_film(run, f'{policy}_{starts}_{seed}', result, task)
    print(_table(result, policy, task), f'film strip: {strip}', sep='\n\n')
    line = summary(result)
    if policy != 'deployed':
        _keep_baseline(run, POLICIES[policy], line)
    return line


def _scene(values: Values) -> dict[str, Any]:
    """Return the scene to evaluate in; a run on a real hand gets the simulator's."""
    if 'evaluator' in values:
        return values['evaluator']
    names = ('run', 'task', 'control_rate', 'image_size')
    return {name: own[name] for own in values.values() for name in names if name in own}


def _result(
    evaluator: Evaluator, run: Path, policy: str, values: Values, seed: int
) -> EvaluationResult:
    from r3l_node.core.weights import load
    from r3l_sim.core.evaluation import hold_still, random_motion

    if policy == 'hold':
        return evaluator.run(hold_still, film=True)
    if policy == 'random':
        agent = values['agent']
        moving = random_motion(agent['joint_low'], agent['joint_high'], seed, agent['random_hold'])
        return evaluator.run(moving, film=True)
    files = {'encoder': run / 'checkpoints' / 'encoder.safetensors'}
    if policy == 'deployed':
        files['policy'] = run / 'checkpoints' / 'policy.safetensors'
    for name, path in files.items():
        if not path.exists():
            raise ConfigError(f'{run} has no {path.relative_to(run)}: expected a trained {name}')
    weights = load(files['policy']) if policy == 'deployed' else _untrained(values, seed)
    return evaluator.evaluate(load(files['encoder']), weights)


def _untrained(values: Values, seed: int) -> tuple[Any, dict[str, str]]:
    """Return the weights that the learner starts with."""
    from r3l_agent.core.learner import Learner
    from r3l_agent.core.learner_config import LearningConfig
    from r3l_agent.core.observation import JointRange
    from r3l_node.core.parameters import build, specs

    known = {spec.name for spec in specs(LearningConfig)}
    own = {name: value for name, value in values['learner'].items() if name in known}
    settings = build(LearningConfig, own | {'capacity': 100}, node='learner')
    joints = JointRange(tuple(values['agent']['joint_low']), tuple(values['agent']['joint_high']))
    learner = Learner(settings, joints, values['encoder']['latent_size'], seed)
    return learner.policy_weights()


def _table(result: EvaluationResult, policy: str, task: Task) -> str:
    lines = [f'start [{result.unit}]  end [{result.unit}]  success  strict']
    rows = zip(result.errors, result.success, result.success_strict, strict=True)
    for errors, success, strict in rows:
        lines.append(
            f'{errors[0]:+11.3f}  {errors[-1]:+9.3f}  {"yes" if success else "no":>7}'
            f'  {"yes" if strict else "no":>6}'
        )
    lines.append('')
    lines.append(
        f'{policy}: success {result.success_rate:.2f} (< {task.lenient:g} {result.unit} through '
        f'the last {task.hold:g} s), strict {result.success_rate_strict:.2f} '
        f'(< {task.strict:g} {result.unit}), mean final distance '
        f'{result.final_distance_mean:.3f} {result.unit}, {len(result.starts)} starts'
    )
    return '\n'.join(lines)


def _keep_baseline(run: Path, policy: str, line: dict[str, object]) -> None:
    from r3l_sim.core.records import BASELINES

    path = run / BASELINES
    found = json.loads(path.read_text(encoding='utf-8')) if path.exists() else {}
    write_atomic(path, json.dumps({**found, policy: line}, indent=2) + '\n')
