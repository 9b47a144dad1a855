# SPDX-License-Identifier: Apache-2.0
"""All of a training in one file, so that a killed one goes on exactly where it was."""

from collections.abc import Mapping
from dataclasses import dataclass
import json
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from r3l_node.core.errors import ConfigError
from r3l_node.core.ring import go_back
from r3l_node.core.weights import load, pack

FILE = Path('checkpoints') / 'loop.safetensors'
FORMAT = 'r3l loop 1'
RINGS = ('learner', 'encoder', 'reward/latent', 'reward/pixels', 'reward/warmup')

Group = tuple[Mapping[str, NDArray[Any]], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """
    What is needed to go on.

    :param groups: arrays and metadata by name of the part.
    :param facts: counts and the like, of what JSON can hold.
    """

    groups: Mapping[str, Group]
    facts: Mapping[str, Any]

    def pack(self) -> bytes:
        """
        Return the content of the file.

        :raises WeightsError: if a value is not finite.
        """
        tensors: dict[str, NDArray[Any]] = {}
        described: dict[str, dict[str, str]] = {}
        for group, (arrays, metadata) in self.groups.items():
            described[group] = dict(metadata)
            tensors |= {f'{group}/{name}': array for name, array in arrays.items()}
        facts = json.dumps({'format': FORMAT, **self.facts})
        return pack(tensors, {'facts': facts, 'groups': json.dumps(described)})

    def group(self, name: str) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
        """Return one part, empty if it was not there."""
        arrays, metadata = self.groups.get(name, ({}, {}))
        return dict(arrays), dict(metadata)

    def beginning(self, prefix: str) -> list[str]:
        """Return the names of the parts that begin like this, in the order of their numbers."""
        found = [name for name in self.groups if name.startswith(prefix)]
        return sorted(found, key=lambda name: int(name.removeprefix(prefix)))


def read(run: Path) -> Checkpoint | None:
    """
    Read the checkpoint of a run.

    :param run: its folder.
    :return: None if there is none yet.
    :raises ConfigError: naming the file, if it is none of a training without ROS.
    """
    path = run / FILE
    if not path.exists():
        if (path.parent / 'learner.safetensors').exists():
            raise ConfigError(f'{run} was trained by the ROS graph: expected a run without ROS')
        return None
    tensors, metadata = load(path)
    try:
        facts = json.loads(metadata['facts'])
        described = json.loads(metadata['groups'])
        if facts.pop('format') != FORMAT:
            raise ConfigError(f'{path} is of another format: expected {FORMAT}')
        groups: dict[str, Group] = {
            group: (
                {
                    name.removeprefix(f'{group}/'): array
                    for name, array in tensors.items()
                    if name.startswith(f'{group}/')
                },
                own,
            )
            for group, own in described.items()
        }
    except (KeyError, ValueError, AttributeError) as error:
        raise ConfigError(f'{path} is no checkpoint of a training: {error!r}') from error
    return Checkpoint(groups, facts)


def rewind(run: Path, rows: Mapping[str, int]) -> None:
    """
    Make the rings of a run what they were.

    :param run: its folder.
    :param rows: rows ever appended, by name of the ring; what is left out had none.
    """
    for name in RINGS:
        go_back(run / 'replay' / name, rows.get(name, 0))
