# SPDX-License-Identifier: Apache-2.0
"""Deployed evaluation of the policy of a run, in a scene of its own and without ROS."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TYPE_CHECKING

from r3l_node.core.errors import ConfigError
from r3l_node.core.files import write_atomic

from r3l_bringup import config
from r3l_bringup.config import Values
from r3l_bringup.prepare import CONFIG

if TYPE_CHECKING:
    from r3l_sim.core.evaluation import Act, EvaluationResult
    from r3l_sim.core.tasks import Task

POLICIES = ('deployed', 'random', 'hold', 'untrained')


def evaluate_run(run: Path, policy: str, starts: int, seed: int) -> dict[str, Any]:
    """
    Run a policy from fixed starts; print a table, write a film strip into the run.

    :param policy: 'deployed', or a baseline by the same measure: 'random', 'hold', 'untrained'.
    :param seed: of the starts (0: the fixed set) and of a random policy.
    :return: the result as a line of ``evaluation.jsonl`` has it.
    :raises ConfigError: if the run has no such policy.
    """
    if policy not in POLICIES:
        raise ConfigError(f"policy is '{policy}': expected one of {', '.join(POLICIES)}")
    if not (run / CONFIG).exists():
        raise ConfigError(f'{run} is no run: expected a folder with {CONFIG}')
    values = config.load(run / CONFIG)
    act = _act(run, policy, values, seed)

    from r3l_sim.core.evaluation import evaluate
    from r3l_sim.core.pictures import film_strip, png
    from r3l_sim.core.scene import Scene
    from r3l_sim.core.servo import ServoConfig

    sim = values['sim']
    servos = ServoConfig(profile_speed=sim['profile_speed'], torque_limit=sim['torque_limit'])
    scene = Scene(
        sim['task'],
        image_size=sim['image_size'],
        control_rate=sim['control_rate'],
        backend=sim['backend'],
        servos=servos,
    )
    try:
        result = evaluate(scene, act, scene.task.starts(starts, seed))
        strip = run / 'evaluation' / f'{policy}_{starts}_{seed}.png'
        write_atomic(strip, png(film_strip(result, scene.task)))
        line = _line(result, policy)
        print(_table(result, policy, scene.task), f'film strip: {strip}', sep='\n\n')
    finally:
        scene.close()
    if policy != 'deployed':
        _keep_baseline(run, policy, line)
    return line


def _act(run: Path, policy: str, values: Values, seed: int) -> Act:
    from r3l_sim.core.evaluation import hold_still, random_motion

    agent = values['agent']
    if policy == 'hold':
        return hold_still
    if policy == 'random':
        low, high = agent['joint_low'], agent['joint_high']
        return random_motion(low, high, seed, agent['random_hold'])

    from r3l_node.core.weights import load
    from r3l_perception.core.vae import from_weights
    from r3l_sim.core.deployed import DeployedPolicy

    encoder_file = run / 'checkpoints' / 'encoder.safetensors'
    policy_file = run / 'checkpoints' / 'policy.safetensors'
    for path in (encoder_file, *([policy_file] if policy == 'deployed' else [])):
        if not path.exists():
            raise ConfigError(f'{run} has no {path.relative_to(run)}: it was stopped before')
    encoder = from_weights(*load(encoder_file))
    if policy == 'deployed':
        return DeployedPolicy(encoder, *load(policy_file))
    return DeployedPolicy(encoder, *_untrained(values, seed))


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


def _line(result: EvaluationResult, policy: str) -> dict[str, Any]:
    return {
        'policy': policy,
        'success_rate': round(result.success_rate, 6),
        'success_rate_strict': round(result.success_rate_strict, 6),
        'final_distance_mean': round(result.final_distance_mean, 6),
        'unit': result.unit,
        'starts': len(result.starts),
    }


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


def _keep_baseline(run: Path, policy: str, line: dict[str, Any]) -> None:
    path = run / 'baselines.json'
    found = json.loads(path.read_text(encoding='utf-8')) if path.exists() else {}
    write_atomic(path, json.dumps({**found, policy: line}, indent=2) + '\n')
