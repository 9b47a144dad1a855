# SPDX-License-Identifier: Apache-2.0
"""What was done to a training beside training it: ``interventions.jsonl`` of its run folder."""

from collections.abc import Mapping
import json
from pathlib import Path
from typing import Any

INTERVENTIONS = 'interventions.jsonl'


def append(run: Path, kind: str, env_steps: int, values: Mapping[str, Any]) -> None:
    """
    Write down an intervention.

    :param run: folder of the run.
    :param kind: what was done, e.g. ``stall``.
    :param env_steps: when.
    :param values: what else there is to say.
    """
    run.mkdir(parents=True, exist_ok=True)
    line = json.dumps({'env_steps': env_steps, 'kind': kind, **values})
    with (run / INTERVENTIONS).open('a', encoding='utf-8') as file:
        file.write(line + '\n')


def rewind(run: Path, env_steps: int) -> None:
    """
    Cut off what came after a checkpoint, which will come again.

    :param run: folder of the run.
    :param env_steps: of the checkpoint; a torn line ends the file, too.
    """
    path = run / INTERVENTIONS
    if not path.exists():
        return
    kept = 0
    with path.open('rb+') as file:
        for line in file:
            try:
                if int(json.loads(line)['env_steps']) > env_steps:
                    break
            except (ValueError, KeyError, TypeError):
                break
            kept += len(line)
        file.truncate(kept)
