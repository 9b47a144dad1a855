# SPDX-License-Identifier: Apache-2.0
"""
Resolves task, profile and options into one ROS parameter file.

Order, later wins: defaults of the dataclasses, task file, profile file, the profile's file for the
task, ablation file, ``--steps`` ``--seed`` ``--pace`` ``--hardware``, ``--set``. Everything is
checked against the dataclasses before anything starts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from r3l_agent.core.learner_config import check_trunk
from r3l_bringup import hardware
from r3l_bringup.graph import ALL_NODES, NodeSpec
from r3l_bringup.hardware import EVERY, graph_of, Values
from r3l_bringup.paths import config_folder, module_file, names
from r3l_node.core.errors import ConfigError
from r3l_node.core.parameters import build, flatten, specs
import yaml

NO_ABLATION = 'none'
# For --set: every node that has such a parameter.
ALL = 'all'
# Parameters that mean one thing for the whole graph.
SHARED = (
    'task', 'lockstep', 'pace', 'seed', 'image_size', 'control_rate', 'latent_size',
    'joint_names', 'joint_low', 'joint_high', 'perturbation', 'profile_speed', 'torque_limit',
    'steps', 'warmup_steps', 'round_steps', 'bus_rate', 'baud_rate', 'model', 'ids', 'directions',
    'offsets', 'hand_model',
)  # fmt: skip
# Random motion that is enough where no images are gathered [env steps].
PRETRAINED_WARM_UP = 1_000
# Lengths of the beginning of a run [env steps, images] and their largest share of a short run.
WARM_UP = {'warmup_steps': 3, 'gather_images': 3, 'initial_negatives': 6, 'round_steps': 6}


@dataclass(frozen=True, slots=True)
class Request:
    """What a user asks for; None: as the task and the profile say."""

    task: str = 'valve'
    profile: str = 'modern'
    ablation: str = NO_ABLATION
    steps: int | None = None
    seed: int | None = None
    pace: str | None = None
    sets: tuple[str, ...] = ()
    hardware: str | None = None
    driver: str | None = None
    port: str | None = None
    calibration: str | None = None
    prior: tuple[str, ...] = ()  # bags or runs to learn from, too
    pretrained: str | None = None  # folder of r3l pretrain


def shortcuts(model: str | None, device: str | None, *, record: bool = True) -> tuple[str, ...]:
    """
    Return what ``--set`` would say in place of options with names of their own.

    :param model: look of the simulated hand; None or empty: as the parameters say.
    :param device: where networks are trained; None or empty: as the parameters say.
    :param record: False: without a recorder.
    :raises ConfigError: if the device is not there, while there is no run folder yet.
    """
    if device == 'cuda':
        from r3l_node.core.compute import Compute

        Compute.named(device, 'fp32', node='all')
    named = {'hand_model': model, 'device': device}
    texts = [f'{ALL}.{name}={value}' for name, value in named.items() if value]
    return tuple(texts if record else [*texts, 'recorder.enabled=false'])


def resolve(request: Request) -> Values:
    """
    Return every parameter of every node, by node and name.

    :raises ConfigError: with one sentence about the first thing that is wrong.
    """
    options = hardware.options(
        request.hardware, request.driver, request.pace, request.port, request.calibration
    )
    nodes = graph_of(options)
    merged: Values = {spec.name: {} for spec in nodes}
    for layer in (*_files(request, nodes), _options(request), options, *_settings(request)):
        _merge(merged, layer, nodes)
    values = {spec.name: complete(spec, merged[spec.name]) for spec in nodes}
    _shorten(values, request)
    if request.pretrained is not None:
        _skip_gathering(values, request)
    _check_shared(values)
    if {'reward', 'agent'} <= values.keys():
        # Imported here, like the nodes' parameters: it brings torch along.
        from r3l_reward.core.config import check_warm_up

        reward = values['reward']
        check_warm_up(
            values['agent']['warmup_steps'], reward['round_steps'], reward['initial_negatives']
        )
        _check_pixels(values)
        _check_reset_goals(values)
    return values


def refuse_oracles(values: Values) -> None:
    """
    Refuse for the graph what only a training without ROS can do.

    :raises ConfigError: naming the parameter.
    """
    agent, learner = values.get('agent', {}), values.get('learner', {})
    if agent.get('resets'):
        raise ConfigError(
            'agent.resets is true: expected false in the graph, where nothing can reset the '
            'world (r3l train --no-ros can)'
        )
    source = learner.get('reward_source', 'classifier')
    if source != 'classifier':
        raise ConfigError(
            f"learner.reward_source is '{source}': expected 'classifier' in the graph, where "
            'nothing tells a reward (r3l train --no-ros does)'
        )


def _shorten(values: Values, request: Request) -> None:
    """
    Leave a short run time to learn: its warm-up takes a third of it at most.

    What the user set by name stays.
    """
    if request.steps is None:
        return
    for node, own in values.items():
        for name, share in WARM_UP.items():
            limit = max(2, request.steps // share)
            if name in own and own[name] > limit and not _is_set(request, node, name):
                own[name] = limit


def _skip_gathering(values: Values, request: Request) -> None:
    """Move at random no longer than the first classifier needs; what the user set stays."""
    from r3l_reward.core.config import first_round

    reward = values['reward']
    first = first_round(reward['round_steps'], reward['initial_negatives'])
    for node, own in values.items():
        if 'warmup_steps' in own and not _is_set(request, node, 'warmup_steps'):
            own['warmup_steps'] = min(own['warmup_steps'], max(first, PRETRAINED_WARM_UP))


def _is_set(request: Request, node: str, name: str) -> bool:
    return any(text.startswith((f'{node}.{name}=', f'{ALL}.{name}=')) for text in request.sets)


def dump(values: Values) -> str:
    """Return values as the text of a ROS parameter file."""
    lockstep = values.get('monitor', {}).get('pace', 'lockstep') == 'lockstep'
    document = {}
    for spec in graph_of(values):
        # ROS cannot tell the type of an empty list; the default of such a parameter is empty.
        own = {name: value for name, value in values[spec.name].items() if value != []}
        if lockstep and spec.sim_time:
            own['use_sim_time'] = True
        document[f'/**/{spec.name}'] = {'ros__parameters': _nested(own)}
    text: str = yaml.safe_dump(document, sort_keys=False, default_flow_style=None, width=99)
    return text


def load(path: Path) -> Values:
    """
    Read a parameter file that :func:`dump` wrote.

    :raises ConfigError: if it is none.
    """
    values = _sections(path)
    for section in values.values():
        section.pop('use_sim_time', None)
    for spec in graph_of(values) if 'monitor' in values else ():
        if not spec.vital:  # a run may be older than such a node
            values.setdefault(spec.name, complete(spec, {}))
    for spec in ALL_NODES:
        for parameter in specs(spec.config_type()):
            if parameter.default == () and spec.name in values:
                values[spec.name].setdefault(parameter.name, [])  # see dump
    return values


def _files(request: Request, nodes: Iterable[NodeSpec]) -> Iterable[Values]:
    """Read the files of a request; what they say of nodes of another hardware is left out."""
    absent = {spec.name for spec in ALL_NODES} - {spec.name for spec in nodes}
    layers = [
        _task(request.task),
        _named('profiles', 'profile', request.profile),
        _overlay(request.profile, request.task),
    ]
    if request.ablation != NO_ABLATION:
        layers.append(_named('ablations', 'ablation', request.ablation))
    for layer in layers:
        yield {node: own for node, own in layer.items() if node not in absent}


def _task(name: str) -> Values:
    """Read the file of a task; that of a ``MODULE:NAME`` is NAME.yaml beside the module."""
    module, _, own = name.rpartition(':')
    if not module:
        return _named('tasks', 'task', name)
    return _sections(module_file(module).with_name(f'{own}.yaml'))


def _overlay(profile: str, task: str) -> Values:
    """Read what a profile says of one task, beside what it says of all."""
    path = config_folder() / 'profiles' / profile / f'{task}.yaml'
    return _sections(path) if path.exists() else {}


def _options(request: Request) -> Values:
    options: dict[str, Any] = {
        'task': request.task, 'profile': request.profile, 'ablation': request.ablation,
    }  # fmt: skip
    if request.steps is not None:
        options['steps'] = request.steps
    if request.seed is not None:
        options['seed'] = request.seed
    if request.pace is not None:
        if request.pace not in ('lockstep', 'realtime'):
            raise ConfigError(f"pace is '{request.pace}': expected lockstep or realtime")
        options['pace'] = request.pace
        options['lockstep'] = request.pace == 'lockstep'
    return {EVERY: options}


def _settings(request: Request) -> Iterable[Values]:
    return (_setting(text) for text in request.sets)


def _named(kind: str, what: str, name: str) -> Values:
    known = names(kind)
    if name not in known:
        raise ConfigError(f"{what} is '{name}': expected one of {', '.join(known)}")
    return _sections(config_folder() / kind / f'{name}.yaml')


def _sections(path: Path) -> Values:
    try:
        document = yaml.safe_load(path.read_text(encoding='utf-8')) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f'{path} cannot be read: {error}') from error
    result: Values = {}
    for key, section in document.items() if isinstance(document, dict) else [('', None)]:
        if not isinstance(section, dict) or not isinstance(section.get('ros__parameters'), dict):
            raise ConfigError(f'{path}: expected /**/NODE: ros__parameters: with values')
        name = EVERY if key == EVERY else str(key).removeprefix('/**/')
        result[name] = _flat(section['ros__parameters'])
    return result


def _flat(section: Mapping[str, Any], prefix: str = '') -> dict[str, Any]:
    """Return groups of parameters as ROS names them: ``group.name``."""
    result: dict[str, Any] = {}
    for name, value in section.items():
        if isinstance(value, Mapping):
            result |= _flat(value, f'{prefix}{name}.')
        else:
            result[f'{prefix}{name}'] = value
    return result


def _nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the inverse of :func:`_flat`."""
    result: dict[str, Any] = {}
    for name, value in values.items():
        *groups, last = name.split('.')
        place = result
        for group in groups:
            place = place.setdefault(group, {})
        place[last] = value
    return result


def _setting(text: str) -> Values:
    target, equals, value = text.partition('=')
    node, dot, name = target.partition('.')
    if not (equals and dot and node and name):
        raise ConfigError(f"--set is '{text}': expected NODE.PARAM=VALUE, as in agent.seed=1")
    try:
        parsed = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {target} is '{value}': expected a YAML value") from error
    return {EVERY if node == ALL else node: {name: _number(parsed)}}


def _number(value: Any) -> Any:
    """Return '1e-4', which YAML 1.1 takes for a string, as the number it is."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return '' if value is None else value


def _merge(merged: Values, layer: Values, graph: tuple[NodeSpec, ...]) -> None:
    for node, own in layer.items():
        if node == EVERY:
            _merge_every(merged, own, graph)
        elif node in merged:
            merged[node].update(own)
        else:
            known = [*merged, ALL]
            close = get_close_matches(node, known, 1)
            hint = (
                f"did you mean '{close[0]}'?" if close else f'expected one of {", ".join(known)}'
            )
            raise ConfigError(f"the graph has no node '{node}': {hint}")


def _merge_every(merged: Values, own: Mapping[str, Any], graph: tuple[NodeSpec, ...]) -> None:
    for name, value in own.items():
        takers = [spec.name for spec in graph if name in _parameters(spec)]
        if not takers:
            raise ConfigError(f"no node has a parameter '{name}'")
        for taker in takers:
            merged[taker][name] = value


def _parameters(spec: NodeSpec) -> set[str]:
    return {parameter.name for parameter in specs(spec.config_type())}


def complete(spec: NodeSpec, own: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return all parameters of a node.

    :param own: those that differ from the defaults, at least.
    :raises ConfigError: if one is unknown or wrong.
    """
    config: object = build(spec.config_type(), own, node=spec.name)
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in flatten(config).items()
    }


def _check_reset_goals(values: Values) -> None:
    """Refuse a second classifier that nobody would listen to."""
    given, perturbation = values['reward']['reset_goals'], values['agent']['perturbation']
    if given and perturbation != 'goals':
        raise ConfigError(
            f"reward.reset_goals is '{given}' and perturbation is {perturbation}: expected "
            'perturbation goals, or no reset_goals'
        )


def _check_pixels(values: Values) -> None:
    """Refuse pixels as latents for those that do not see them through convolutions."""
    encoder, learner = values['encoder'], values['learner']
    pixels = encoder['kind'] == 'pixels'
    if pixels != bool(learner['trunk']):
        expected = 'the channels of convolutions' if pixels else 'none'
        raise ConfigError(
            f"encoder.kind is '{encoder['kind']}' and learner.trunk is {learner['trunk']}: "
            f'expected {expected}'
        )
    check_trunk(
        learner['trunk'], learner['image_size'], learner['latent_size'], learner['history']
    )
    if pixels and values['reward']['input'] != 'pixels':
        raise ConfigError(
            f"encoder.kind is 'pixels' and reward.input is '{values['reward']['input']}': "
            "expected 'pixels', because there are no latents"
        )


def _check_shared(values: Values) -> None:
    for name in SHARED:
        found = {node: own[name] for node, own in values.items() if name in own}
        first = next(iter(found.items()), None)
        for node, value in found.items():
            if first is not None and value != first[1]:
                raise ConfigError(
                    f'{first[0]}.{name} is {first[1]} and {node}.{name} is {value}: expected '
                    f'one value for the whole graph (--set {ALL}.{name}=...)'
                )
