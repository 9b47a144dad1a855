# SPDX-License-Identifier: Apache-2.0
"""Deployed evaluation of the policy of a run, in a scene of its own and without ROS."""

from __future__ import annotations

from collections.abc import Mapping
import json
from pathlib import Path
from typing import Any, TYPE_CHECKING

from r3l_bringup import config
from r3l_bringup.hardware import Values
from r3l_bringup.prepare import CONFIG
from r3l_node.core.errors import ConfigError
from r3l_node.core.files import write_atomic

if TYPE_CHECKING:
    from r3l_sim.core.evaluation import EvaluationResult, Watch
    from r3l_sim.core.evaluator import Evaluator
    from r3l_sim.core.tasks import Task
    from r3l_sim.core.video import Video

# Name on the command line -> name in reports.
POLICIES = {
    'deployed': 'deployed',
    'random': 'random motion',
    'hold': 'hold still',
    'untrained': 'untrained',
}


def evaluate_run(
    run: Path, policy: str, starts: int, seed: int, video: Path | None = None
) -> dict[str, object]:
    """
    Run a policy from fixed starts; print a table, write a film strip into the run.

    :param policy: 'deployed', or a baseline by the same measure: 'random', 'hold', 'untrained'.
    :param seed: of the starts (0: the fixed set) and of a random policy.
    :param video: file for a video of it, .mp4 or .gif; None: none.
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
    filmed = None if video is None else _video(video, task, settings.control_rate, policy)
    evaluator = Evaluator(settings)
    try:
        watch: Watch = filmed.watch if filmed is not None else lambda scenes: None
        result = _result(evaluator, run, policy, values, seed, watch)
        if filmed is not None:
            filmed.finish(result)
    finally:
        evaluator.close()
        if filmed is not None:
            filmed.discard()
    strip = write_film(run, f'{policy}_{starts}_{seed}', result, task)
    print(_table(result, policy, task), f'film strip: {strip}', sep='\n\n')
    if video is not None:
        print(f'video: {video}')
    line = summary(result)
    if policy != 'deployed':
        _keep_baseline(run, POLICIES[policy], line)
    return line


def _video(path: Path, task: Task, control_rate: float, policy: str) -> Video:
    from r3l_sim.core.video import Video

    return Video(path, task, 1.0 / control_rate, f'{task.name}, {policy} policy')


def _scene(values: Values) -> dict[str, Any]:
    """Return the scene to evaluate in; a run on a real hand gets the simulator's."""
    if 'evaluator' in values:
        return values['evaluator']
    names = ('run', 'task', 'control_rate', 'image_size')
    return {name: own[name] for own in values.values() for name in names if name in own}


def _result(
    evaluator: Evaluator, run: Path, policy: str, values: Values, seed: int, watch: Watch
) -> EvaluationResult:
    from r3l_node.core.weights import load
    from r3l_sim.core.evaluation import hold_still, random_motion

    if policy == 'hold':
        return evaluator.run(hold_still, film=True, watch=watch)
    if policy == 'random':
        agent = values['agent']
        moving = random_motion(agent['joint_low'], agent['joint_high'], seed, agent['random_hold'])
        return evaluator.run(moving, film=True, watch=watch)
    files = {'encoder': run / 'checkpoints' / 'encoder.safetensors'}
    if policy == 'deployed':
        files['policy'] = run / 'checkpoints' / 'policy.safetensors'
    for name, path in files.items():
        if not path.exists():
            raise ConfigError(f'{run} has no {path.relative_to(run)}: expected a trained {name}')
    weights = load(files['policy']) if policy == 'deployed' else _untrained(values, seed)
    return evaluator.evaluate(load(files['encoder']), weights, watch=watch)


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
    from r3l_sim.core.pictures import errors_text

    lines = [f'{"start":>14}  {"end":>14}  success  strict']
    for row, success in enumerate(result.success):
        first, last = (
            errors_text({name: float(e[row, k]) for name, e in result.errors.items()}, task)
            for k in (0, -1)
        )
        strict = 'yes' if result.success_strict[row] else 'no'
        lines.append(f'{first:>14}  {last:>14}  {"yes" if success else "no":>7}  {strict:>6}')
    unit = '' if result.unit == '1' else f' {result.unit}'
    lines.append('')
    lines.append(
        f'{policy}: success {result.success_rate:.2f} ({_limits(task.lenient, task)} through '
        f'the last {task.hold:g} s), strict {result.success_rate_strict:.2f} '
        f'({_limits(task.strict, task)}), mean final distance '
        f'{result.final_distance_mean:.3g}{unit}, {len(result.starts)} starts'
    )
    return '\n'.join(lines)


def _limits(limits: Mapping[str, float], task: Task) -> str:
    return ', '.join(f'{name} < {x:g} {task.error_units[name]}' for name, x in limits.items())


def _keep_baseline(run: Path, policy: str, line: dict[str, object]) -> None:
    from r3l_sim.core.records import BASELINES

    path = run / BASELINES
    found = json.loads(path.read_text(encoding='utf-8')) if path.exists() else {}
    write_atomic(path, json.dumps({**found, policy: line}, indent=2) + '\n')
