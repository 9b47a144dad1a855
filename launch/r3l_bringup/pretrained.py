# SPDX-License-Identifier: Apache-2.0
"""Encoder and classifier that were trained offline, for a new run to start from."""

from __future__ import annotations

from pathlib import Path
import shutil
from typing import Any

from r3l_bringup.hardware import Values
from r3l_node.core.errors import ConfigError

# Below the folder of a run: what it was given.
FOLDER = 'pretrained'
# File of each node, below the folder that r3l pretrain wrote; only the first must be there.
FILES = {'encoder': 'encoder.safetensors', 'reward': 'reward.safetensors'}


def take_pretrained(folder: Path, values: Values) -> None:
    """
    Write what was trained offline into the parameters of a run, if it fits them.

    :param folder: that ``r3l pretrain`` wrote.
    :param values: every parameter of every node of the run; changed in place.
    :raises ConfigError: one sentence, if something is missing or of another architecture.
    """
    folder = folder.expanduser().resolve()
    if not (folder / FILES['encoder']).is_file():
        raise ConfigError(
            f'{folder} has no {FILES["encoder"]}: expected a folder that r3l pretrain wrote'
        )
    if values['encoder']['kind'] != 'vae':
        raise ConfigError(
            f"encoder.kind is '{values['encoder']['kind']}': expected 'vae' with --pretrained"
        )
    for node, name in FILES.items():
        given = values[node]['weights']
        if given:
            raise ConfigError(
                f"{node}.weights is '{given}': expected none beside --pretrained {folder}"
            )
        if (folder / name).is_file():
            values[node]['weights'] = str(folder / name)
    _check_encoder(values)
    if values['reward']['weights']:
        _check_classifier(values)


def _check_encoder(values: Values) -> None:
    # Imported here: they bring torch along.
    from r3l_node.core.parameters import build
    from r3l_perception.core.config import EncoderConfig
    from r3l_perception.core.stored import stored_vae

    stored_vae(build(EncoderConfig, values['encoder'] | {'run': ''}, node='encoder'))


def _check_classifier(values: Values) -> None:
    from r3l_node.core.weights import load
    from r3l_reward.core.vice import RewardModel

    own, path = values['reward'], Path(values['reward']['weights'])
    if values['agent']['perturbation'] == 'goals':
        raise ConfigError(
            f"agent.perturbation is 'goals' and {path} holds one classifier: expected another "
            'perturbation, or a folder without it'
        )
    model = RewardModel.from_weights(*load(path))
    size = own['latent_size'] if own['input'] == 'latent' else own['image_size']
    for what, theirs, ours in (
        ('input', model.input, own['input']),
        ('size', model.size, size),
        ('hidden', list(model.config.hidden), list(own['hidden'])),
    ):
        if theirs != ours:
            raise ConfigError(f'{path} has {what} {theirs}: expected {ours}, as reward has')


def keep_pretrained(values: Values, folder: Path) -> None:
    """
    Copy weights that parameters name into the folder of a run, for its continuations.

    :param values: every parameter of every node of the run.
    :param folder: of the run.
    """
    for node, name in FILES.items():
        given = values[node]['weights']
        if given:
            (folder / FOLDER).mkdir(exist_ok=True)
            try:
                shutil.copyfile(Path(given).expanduser(), folder / FOLDER / name)
            except OSError as error:
                raise ConfigError(f'{node}.weights cannot be read: {error}') from error


def place_pretrained(values: Values, folder: Path, kept: Path) -> None:
    """
    Let parameters name the copies in a run's folder, wherever that is now.

    :param values: every parameter of every node of the run; changed in place.
    :param folder: of the run.
    :param kept: where that folder is at the moment.
    """
    for node, name in FILES.items():
        if (kept / FOLDER / name).exists():
            values[node]['weights'] = str(folder / FOLDER / name)


def check_pretrained(given: str | None, folder: Path) -> None:
    """
    See that a run that is gone on with was begun with something pretrained; it has a copy.

    :param given: folder of ``r3l pretrain``; None: whatever it was begun with.
    :param folder: of the run.
    :raises ConfigError: if it was begun without.
    """
    if given is not None and not (folder / FOLDER).is_dir():
        raise ConfigError(
            f'{folder} was begun without --pretrained: expected none, or another --run'
        )


def told_pretrained(folder: Path, values: dict[str, dict[str, Any]]) -> str:
    """
    Say in a line what a run starts from; empty: from nothing.

    :param folder: of the run.
    :param values: every parameter of every node of it.
    """
    names = [node for node, name in FILES.items() if (folder / FOLDER / name).exists()]
    if not names:
        return ''
    kept = ' and '.join({'encoder': 'encoder', 'reward': 'classifier'}[name] for name in names)
    gathers = '' if 'encoder' not in names else ', so no images are gathered and no VAE is trained'
    return f'pretrained: {kept}{gathers}; {values["agent"]["warmup_steps"]:,} steps of warm-up'
