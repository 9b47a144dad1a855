# SPDX-License-Identifier: Apache-2.0
"""Env steps per second of the graph in lockstep, without learning, over those without ROS."""

from __future__ import annotations

import json
from pathlib import Path
import sys
import tempfile
from typing import Any

from r3l_bringup.bench.single import SingleProcess, untrained_encoder
from r3l_bringup.config import dump, Request, resolve
from r3l_bringup.domain import graph_environment, run_domain
from r3l_bringup.hardware import graph_of, Values
from r3l_bringup.prepare import CONFIG
from r3l_bringup.process import Program
from r3l_bringup.runner import Runner
from r3l_bringup.train import programs
from r3l_node.core.errors import ConfigError
from r3l_node.core.weights import save
from r3l_reward.core.goals import save_goals
from r3l_sim.core.goals import generate_goals
from r3l_sim.core.scene import Scene
import torch

# Not measured: what only looks on.
ABSENT = ('monitor', 'evaluator', 'recorder')
_GOALS = 20
# Random actions for ever; the classifier is trained just enough that there are rewards.
SETTINGS = (
    'all.steps=100000000',
    'all.warmup_steps=100000000',
    'learner.update_ratio=0',
    'all.round_steps=500',
    'reward.initial_negatives=500',
    'reward.initial_updates=1',
    'reward.updates_per_round=1',
    f'reward.minimum_goals={_GOALS}',
)


def measure(seconds: float) -> dict[str, Any]:
    """
    Run the loop in one process and as a graph, one after the other, twice.

    :param seconds: of each measurement [s].
    :return: ``ratio`` and the figures behind it.
    """
    torch.set_num_threads(1)
    values = resolve(Request(sets=SETTINGS))
    single = SingleProcess(values)
    try:
        single.run(1.0)
        single.spent = dict.fromkeys(single.spent, 0.0)
        before = single.run(seconds / 2)
        graph = run_graph(values, seconds)
        after = single.run(seconds / 2)
    finally:
        single.close()
    alone = (before + after) / 2
    figures = {
        'ratio': round(graph['rate'] / alone, 3),
        'graph_steps_per_second': round(graph['rate'], 1),
        'single_steps_per_second': round(alone, 1),
        'graph_hops_ms': graph['hops_ms'],
        'cpu_ms': graph['cpu_ms'],
        'single_share': _shares(single.spent),
    }
    _show(figures)
    return figures


def _shares(spent: dict[str, float]) -> dict[str, float]:
    total = sum(spent.values())
    return {name: round(value / total, 3) for name, value in spent.items()}


def run_graph(values: Values, seconds: float, probe: str = 'probe') -> dict[str, Any]:
    """
    Run a graph without learning.

    :param values: of a request with ``SETTINGS``.
    :param seconds: of the measurement [s].
    :param probe: module beside this one that measures.
    :return: what the probe wrote; ``probe``: env steps per second as ``rate``, ``hops_ms``, and
        ``cpu_ms`` of each node per step.
    """
    with tempfile.TemporaryDirectory(prefix='r3l_bench_') as name:
        folder = Path(name)
        encoder = folder / 'encoder.safetensors'
        save(encoder, *untrained_encoder(values))
        scene = Scene(values['monitor']['task'], image_size=values['encoder']['image_size'])
        save_goals(folder / 'goals', generate_goals(scene, _GOALS))
        scene.close()
        values['encoder']['weights'] = str(encoder)
        values['reward']['goals'] = str(folder / 'goals')
        values['recorder']['run'] = str(folder)
        if 'hand' in values:
            values['hand']['link'] = values['driver']['port'] = str(folder / 'hand.tty')
        (folder / CONFIG).write_text(dump(values), encoding='utf-8')
        found = folder / 'probe.json'
        code = _run(values, folder, found, seconds, probe)
        if code != 0 or not found.exists():
            raise ConfigError(f'the graph could not be measured: it ended with code {code}')
        result: dict[str, Any] = json.loads(found.read_text(encoding='utf-8'))
        return result


def _run(values: Values, folder: Path, found: Path, seconds: float, probe: str) -> int:
    specs = tuple(spec for spec in graph_of(values) if spec.name not in ABSENT)
    nodes = [_without_absent(node) for node in programs(folder / CONFIG, specs)]
    program = Program(
        'probe',
        [sys.executable, '-m', f'r3l_bringup.bench.{probe}', '--seconds', str(seconds),
         '--out', str(found), '--config', str(folder / CONFIG),
         '--ros-args', '--disable-external-lib-logs'],
        after=tuple(spec.name for spec in specs),
        respawn=False,
        ends_run=True,
    )  # fmt: skip
    with run_domain() as domain:
        return Runner([*nodes, program], folder, graph_environment(domain), on_event=print).run()


def _without_absent(program: Program) -> Program:
    present = tuple(name for name in program.after if name not in ABSENT)
    return Program(program.name, program.command, present, respawn=False)


def _show(figures: dict[str, Any]) -> None:
    processes, rate = len(figures['cpu_ms']), figures['graph_steps_per_second']
    print(f'graph of {processes} processes: {rate} env steps/s')
    print(f'one process, no ROS:      {figures["single_steps_per_second"]} env steps/s')
    print(f'ratio: {figures["ratio"]}')
    print('time of each hop in the graph, median (with a listener, which costs time itself):')
    for name, ms in figures['graph_hops_ms'].items():
        print(f'  {name:28} {ms:7.3f} ms')
    print('share of the time in one process:')
    for name, share in figures['single_share'].items():
        print(f'  {name:28} {share:7.1%}')
