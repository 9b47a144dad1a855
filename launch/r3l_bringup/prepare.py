# SPDX-License-Identifier: Apache-2.0
"""Makes or takes up the folder of a run: parameters, goal images, versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
import json
import os
from pathlib import Path
import shutil
from typing import Any, TYPE_CHECKING

from r3l_bringup import config
from r3l_bringup.config import Request
from r3l_bringup.graph import NodeSpec
from r3l_bringup.hardware import enabled_graph, graph_of, Values
from r3l_bringup.pretrained import (
    check_pretrained,
    keep_pretrained,
    place_pretrained,
    take_pretrained,
    told_pretrained,
)
from r3l_bringup.prior import check_prior, read_prior, told_prior, write_prior
from r3l_bringup.versions import versions
from r3l_node.core.errors import ConfigError
from r3l_node.core.files import lock_folder, write_atomic
from r3l_reward.core.goals import load_goals, save_goals

if TYPE_CHECKING:
    from r3l_bag.core.experience import Experience

CONFIG = 'config.yaml'
# What may differ between a run and its continuation.
_FREE = {
    ('monitor', 'run'), ('monitor', 'steps'), ('monitor', 'final_wait'),
    ('driver', 'port'), ('driver', 'calibration'), ('hand', 'link'),
    ('encoder', 'weights'), ('reward', 'weights'),
}  # fmt: skip
CALIBRATION = 'calibration.yaml'
TTY = 'hand.tty'  # the emulated serial device
_FREE_EVERYWHERE = ('run', 'steps', 'goals', 'reset_goals', *config.WARM_UP)
# What the images of each folder of goals show.
_SHOWN = {'goals': 'success', 'reset_goals': 'states to begin from'}


@dataclass(frozen=True, slots=True)
class Run:
    """A run folder that is ready to start."""

    folder: Path
    values: Values
    resumed: bool

    @property
    def graph(self) -> tuple[NodeSpec, ...]:
        """Nodes of the run that are started."""
        return enabled_graph(self.values)

    @property
    def given(self) -> tuple[str, ...]:
        """Lines that tell what the run was given beside its own experience."""
        lines = (
            told_prior(self.folder, self.values['learner']['prior_share']),
            told_pretrained(self.folder, self.values),
        )
        return tuple(line for line in lines if line)

    @property
    def config_file(self) -> Path:
        """ROS parameter file of every node."""
        return self.folder / CONFIG


def prepare(request: Request, folder: Path | None, runs: Path, given: bool = True) -> Run:
    """
    Make a run folder, or take up the one that is there.

    :param folder: the run folder; None: a new one in ``runs``, named by time, task and seed.
    :param given: False if the user named nothing but the folder and perhaps the steps: an
        existing run then keeps its other parameters.
    :raises ConfigError: if the request is wrong or the folder belongs to another run.
    """
    if folder is not None and (folder / CONFIG).exists():
        check_prior(request.prior, folder.resolve())
        check_pretrained(request.pretrained, folder.resolve())
        return _resume(request, folder.resolve(), given)
    values = config.resolve(request)
    prior = read_prior(request.prior, values)
    if request.pretrained is not None:
        take_pretrained(Path(request.pretrained), values)
    if folder is None:
        stamp = datetime.now().astimezone().strftime('%Y-%m-%d_%H-%M-%S')
        task = request.task.rpartition(':')[2]
        folder = runs / f'{stamp}_{task}_{values["monitor"]["seed"]}'
    folder = folder.resolve()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(
            f'{folder} exists and is no run: expected a new, empty or earlier run folder'
        )
    return _create(values, folder, request.prior, prior)


def lock(run: Path) -> int:
    """
    Take a run folder for this process; it is free again when the process ends.

    :return: a file descriptor that holds the lock.
    :raises ConfigError: if another process has it.
    """
    return lock_folder(run, 'a run that no other process trains')


def _create(
    values: Values, folder: Path, paths: Sequence[str], prior: Sequence[Experience]
) -> Run:
    reward = values['reward']
    missing = [kind for kind in _goal_kinds(values) if not reward[kind]]
    for kind in _goal_kinds(values):
        if reward[kind]:
            load_goals(reward[kind], reward['image_size'], reward['minimum_goals'])
    part = folder.with_name(f'.{folder.name}.{os.getpid()}.part')
    part.mkdir(parents=True)
    try:
        _keep_calibration(values, part)
        for kind in missing:
            _make_goals(values, part / kind, kind)
        if prior:
            write_prior(prior, paths, values, part)
        keep_pretrained(values, part)
        place_pretrained(values, folder, part)
        _place(values, folder, made=missing)
        write_atomic(part / CONFIG, config.dump(values))
        write_atomic(part / 'versions.json', json.dumps(versions(), indent=2) + '\n')
        if folder.exists():
            folder.rmdir()
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return Run(folder, values, resumed=False)


def _resume(request: Request, folder: Path, given: bool) -> Run:
    stored = config.load(folder / CONFIG)
    monitor = stored.get('monitor', {})
    if given:
        if request.task != monitor.get('task'):
            raise ConfigError(
                f'{folder} is a run of task {monitor.get("task")}: expected one of {request.task}'
            )
        request = replace(
            request,
            steps=request.steps or monitor.get('steps'),
            hardware=request.hardware or monitor.get('hardware'),
            driver=request.driver or _driver_of(monitor),
        )
        wanted = config.resolve(request)
        _refuse_changes(stored, wanted, folder)
        _take_onlookers(stored, wanted)
    if request.steps is not None:
        for own in stored.values():
            if 'steps' in own:
                own['steps'] = request.steps
    _take_device(stored, request, folder)
    # The folder may have been moved since.
    made = [kind for kind in _goal_kinds(stored) if (folder / kind).is_dir()]
    _place(stored, folder, made=made)
    place_pretrained(stored, folder, folder)
    write_atomic(folder / CONFIG, config.dump(stored))
    return Run(folder, stored, resumed=True)


def _refuse_changes(stored: Values, wanted: Values, folder: Path) -> None:
    for spec in graph_of(wanted):
        if not spec.vital:
            continue
        node, before = spec.name, config.complete(spec, stored.get(spec.name, {}))
        for name, value in wanted[node].items():
            old = before[name]
            if name not in _FREE_EVERYWHERE and (node, name) not in _FREE and old != value:
                raise ConfigError(
                    f'{folder} was begun with {node}.{name} {old}, not {value}: expected the '
                    'same parameters, or another --run'
                )


def _take_onlookers(stored: Values, wanted: Values) -> None:
    """Take parameters of nodes that change nothing of what is learned."""
    stored.update({spec.name: wanted[spec.name] for spec in graph_of(wanted) if not spec.vital})


def _driver_of(monitor: Mapping[str, Any]) -> str | None:
    return monitor.get('driver') if monitor.get('hardware') == 'real' else None


def _take_device(stored: Values, request: Request, folder: Path) -> None:
    """Take another port or calibration of the same hand."""
    given = {'port': request.port, 'calibration': request.calibration}
    for name, value in given.items():
        if value is not None:
            if name not in stored.get('driver', {}) or 'hand' in stored:
                raise ConfigError(f"{name} is '{value}': {folder} is no run of a real hand")
            stored['driver'][name] = value
    if request.calibration is not None:
        _keep_calibration(stored, folder)


def _keep_calibration(values: Values, folder: Path) -> None:
    """Copy the calibration into the run folder, where a continuation finds it."""
    given = values.get('driver', {}).get('calibration')
    if given:
        source = Path(given).expanduser()
        try:
            text = source.read_text(encoding='utf-8')
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f'calibration {source} cannot be read: {error}') from error
        write_atomic(folder / CALIBRATION, text)


def _goal_kinds(values: Values) -> list[str]:
    """Name the parameters of the reward node that are folders of goal images."""
    second = values['learner']['perturbation'] == 'goals'
    return ['goals', 'reset_goals'] if second else ['goals']


def _place(values: Values, folder: Path, *, made: Sequence[str]) -> None:
    """Write the run's folder into the parameters that name it."""
    for own in values.values():
        if 'run' in own:
            own['run'] = str(folder)
    if 'hand' in values:
        values['hand']['link'] = values['driver']['port'] = str(folder / TTY)
    if values.get('driver', {}).get('calibration'):
        values['driver']['calibration'] = str(folder / CALIBRATION)
    for kind in _goal_kinds(values):
        given = Path(values['reward'][kind]).expanduser().resolve()
        values['reward'][kind] = str(folder / kind if kind in made else given)


def _make_goals(values: Values, folder: Path, kind: str) -> None:
    reward, hardware = values['reward'], values['monitor']['hardware']
    if hardware == 'real':
        raise ConfigError(
            f"reward.{kind} is '': expected a folder of photos of {_SHOWN[kind]} (r3l goals), "
            'with hardware real'
        )
    # Imported here: the other commands need no simulator.
    from r3l_sim.core.goals import generate_goals, generate_starts
    from r3l_sim.core.scene import Scene

    scene = Scene(
        values['monitor']['task'],
        image_size=reward['image_size'],
        control_rate=values['agent']['control_rate'],
        hand_model=values['hand' if hardware == 'fake' else 'sim']['hand_model'],
    )
    try:
        generate = generate_starts if kind == 'reset_goals' else generate_goals
        images = generate(scene, values['monitor']['goal_count'], values['monitor']['seed'])
    finally:
        scene.close()
    save_goals(folder, images)
