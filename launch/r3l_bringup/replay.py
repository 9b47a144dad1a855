# SPDX-License-Identifier: Apache-2.0
"""``r3l replay``: a bag played into fresh encoder and reward nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
import json
from pathlib import Path
import shutil
import sys
import tempfile
import time
from typing import Any

from r3l_bag.core.moment import parse_moment
from r3l_bag.core.names import WEIGHTS
from r3l_bag.core.reader import Bag
from r3l_bringup.domain import graph_environment, run_domain
from r3l_bringup.graph import node, NodeSpec
from r3l_bringup.runner import Member, Runner
from r3l_bringup.terminal import Terminal
from r3l_bringup.train import programs
from r3l_bringup.viewer import check_viewer, how_to_look, viewer_programs
from r3l_node.core.errors import ConfigError
from r3l_node.core.weights import unpack
import yaml

NODES = ('encoder', 'reward', 'viewer', 'none')
PLAYER = NodeSpec(
    'player',
    'r3l_bag',
    'player_node',
    'r3l_bag.core.player_config:PlayerConfig',
    respawn=False,
    ends_run=True,
    sim_time=False,
)
RESULT = 'result.json'
_REFRESH = 0.5  # [s]


@dataclass(frozen=True, slots=True)
class ReplayRequest:
    """What is asked for; None and '': not named."""

    bag: Path
    rate: float | None = None  # times real time; 0: as fast as the nodes answer
    start: str = ''
    stop: str = ''
    nodes: Sequence[str] = field(default_factory=tuple)
    port: int | None = None  # of the viewer; None: no viewer


@dataclass(frozen=True, slots=True)
class Plan:
    """What a replay starts."""

    graph: tuple[NodeSpec, ...]
    parameters: Mapping[str, Mapping[str, Any]]  # of each node
    run: Path | None  # run folder of the bag, for goal images

    def write(self, folder: Path) -> Path:
        """
        Write the ROS parameter file.

        :param folder: where to.
        :return: the file.
        """
        player = {**self.parameters['player'], 'result': str(folder / RESULT)}
        document = {
            f'/**/{name}': {'ros__parameters': dict(values)}
            for name, values in {**self.parameters, 'player': player}.items()
        }
        path = folder / 'config.yaml'
        path.write_text(yaml.safe_dump(document, sort_keys=False), encoding='utf-8')
        return path


def plan(request: ReplayRequest) -> Plan:
    """
    Decide what a replay starts, and check that it can.

    :param request: of the user.
    :raises ConfigError: one sentence, before anything starts.
    """
    for name in request.nodes:
        if name not in NODES:
            raise ConfigError(f"--node is '{name}': expected one of {', '.join(NODES)}")
    bag = Bag(request.bag)
    for option, text in (('--from', request.start), ('--to', request.stop)):
        if text:
            parse_moment(text, bag.start, bag.end, option)
    # The viewer comes beside the usual nodes unless others are named.
    named = [name for name in request.nodes if name != 'viewer']
    chosen = [name for name in named or NODES[:2] if name in NODES[:2]]
    viewed = request.port is not None or 'viewer' in request.nodes
    rate = request.rate if request.rate is not None else float(viewed or not chosen)
    if rate == 0.0 and not chosen:
        raise ConfigError('--rate is 0: expected more than that where no node answers')
    sim_time = {'use_sim_time': bag.info.get('pace') == 'lockstep'}
    parameters: dict[str, dict[str, Any]] = {
        'player': {
            'bag': str(request.bag.expanduser().resolve()),
            'rate': rate,
            'start': request.start,
            'stop': request.stop,
            **{name: name in chosen for name in NODES[:2]},
        }
    }
    if 'encoder' in chosen:
        parameters['encoder'] = {'replay': True, **sim_time}
    if 'reward' in chosen:
        kind = classifier_input(bag)
        parameters['reward'] = {'replay': True, 'input': kind, **sim_time}
        if kind == 'latent' and 'encoder' not in chosen:
            raise ConfigError(
                "--node is 'reward': expected encoder, too, whose latents the classifier scores"
            )
    specs = tuple(replace(node(name), respawn=False) for name in chosen)
    player = replace(PLAYER, after=tuple(chosen))
    return Plan((*specs, player), parameters, run_of(request.bag))


def classifier_input(bag: Bag) -> str:
    """
    Return what the recorded classifiers score: ``latent`` or ``pixels``.

    :raises ConfigError: if the weights in the bag are none of a classifier.
    """
    for message in bag.messages([WEIGHTS['reward']]):
        _, metadata = unpack(bytes(bag.decode(message).data))
        try:
            return str(json.loads(metadata['config'])['input'])
        except (KeyError, ValueError, TypeError) as error:
            raise ConfigError(f'{bag.path}: the reward weights describe no classifier') from error
    return 'latent'


def run_of(bag: Path) -> Path | None:
    """
    Return the run folder that a bag lies in, None if it lies elsewhere.

    :param bag: file, folder of a bag, folder of bags or run folder.
    """
    path = bag.expanduser().resolve()
    for folder in (path, *list(path.parents)[:3]):
        if (folder / 'config.yaml').is_file() and (folder / 'bags').is_dir():
            return folder
    return None


def replay(request: ReplayRequest) -> int:
    """
    Play a bag to its end and tell how its answers compare.

    :param request: of the user.
    :return: exit code: 1 if they differ.
    :raises ConfigError: one sentence, before anything starts.
    """
    if request.port is not None:
        check_viewer(request.port)
    chosen = plan(request)
    folder = Path(tempfile.mkdtemp(prefix='r3l_replay_'))
    config_file = chosen.write(folder)
    started = programs(config_file, chosen.graph)
    if request.port is not None:
        started += viewer_programs(chosen.run, request.port)
        print(how_to_look(request.port), flush=True)
    events: list[str] = []
    with run_domain() as domain, _Screen() as screen:
        environment = graph_environment(domain)
        print(f'ROS_DOMAIN_ID={environment["ROS_DOMAIN_ID"]}', flush=True)
        code = Runner(started, folder, environment, screen.tick, events.append).run()
    if not (folder / RESULT).exists():
        print('\n'.join(events), file=sys.stderr)
        if code < 128:
            print(f'the replay failed; its logs are in {folder / "logs"}', file=sys.stderr)
        return code
    result = json.loads((folder / RESULT).read_text(encoding='utf-8'))
    print('\n'.join(result['lines']))
    shutil.rmtree(folder)
    return 0 if result['good'] else 1


class _Screen(Terminal):
    """Shows on a terminal where the replay is."""

    def tick(self, members: Mapping[str, Member]) -> None:
        """Show the player's last line."""
        now = time.monotonic()
        if self._live is None or now < self._next:
            return
        self._next = now + _REFRESH
        text = members['player'].process.last_words().rpartition(']: ')[2]
        self._live.update(text, refresh=True)
