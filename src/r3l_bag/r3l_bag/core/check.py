# SPDX-License-Identifier: Apache-2.0
"""Read a bag from end to end and say what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
import itertools
from pathlib import Path
from typing import Any

from r3l_bag.core.metadata import NAME
from r3l_bag.core.reader import Bag, Message
from r3l_node.core.errors import ConfigError

TRANSITION = 'transition'
# Sentences of one kind that are shown; the others are counted.
_SHOWN = 5
# Chunks may overlap by as much: topics are looked at one after the other [ns].
_OVERLAP = 1_000_000_000


@dataclass(slots=True)
class TopicFacts:
    """What a topic holds."""

    name: str
    type: str
    messages: int = 0
    bytes: int = 0  # CDR
    start: int = 0  # log time [ns]
    end: int = 0  # log time [ns]
    decoded: int = 0

    @property
    def rate(self) -> float:
        """Mean rate [Hz]."""
        seconds = (self.end - self.start) / 1e9
        return (self.messages - 1) / seconds if seconds > 0 else 0.0


@dataclass(slots=True)
class Verdict:
    """What was found."""

    topics: list[TopicFacts]
    findings: list[str] = field(default_factory=list)  # one sentence each
    files: int = 0
    bytes: int = 0  # of the files
    seconds: float = 0.0

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings


class _Sequence:
    """Watches the numbers of transitions."""

    def __init__(self) -> None:
        self._last: int | None = None
        self._last_stamp = -1

    def see(self, row: Any, message: Message) -> str | None:
        last, stamp = self._last, self._last_stamp
        number = int(row.sequence)
        new_life = row.first and message.stamp > stamp
        if last is not None and number <= last and not new_life:
            return None  # late news of an interruption, or repeated to the recorder
        self._last, self._last_stamp = number, message.stamp
        if last is not None and number > last + 1:
            return f'{number - last - 1} transitions are missing behind number {last}'
        return None


def check(path: Path | str, progress: Callable[[int], None] = lambda done: None) -> Verdict:
    """
    Read every message of a bag: chunks and CRCs, order, types, numbers of transitions.

    :param path: see :class:`r3l_bag.core.reader.Bag`.
    :param progress: called with the number of messages read, now and then.
    :raises ConfigError: if there is no bag.
    """
    bag = Bag(path)
    facts = {name: TopicFacts(name, kind) for name, kind in bag.topics.items()}
    wrong: dict[str, list[str]] = {'order': _order(bag), 'type': [], 'sequence': []}
    sequence = _Sequence()
    for count, message in enumerate(bag.messages()):
        if count % 10_000 == 0:
            progress(count)
        _count(facts[message.topic], message)
        try:
            row = bag.decode(message)
        except ConfigError as error:
            wrong['type'].append(f'at {message.time} ns {error}')
            continue
        facts[message.topic].decoded += 1
        if message.topic.rpartition('/')[2] == TRANSITION:
            gap = sequence.see(row, message)
            if gap is not None:
                wrong['sequence'].append(gap)
    findings = list(bag.problems)
    for sentences in wrong.values():
        findings += sentences[:_SHOWN]
        if len(sentences) > _SHOWN:
            findings.append(f'{len(sentences) - _SHOWN} more like this')
    findings += _undescribed(bag)
    return Verdict(
        topics=[facts[name] for name in sorted(facts)],
        findings=findings,
        files=len(bag.files),
        bytes=sum(found.size for found in bag.scans),
        seconds=(bag.end - bag.start) / 1e9,
    )


def _count(facts: TopicFacts, message: Message) -> None:
    facts.start = facts.start or message.time
    facts.end = message.time
    facts.messages += 1
    facts.bytes += len(message.data)


def _order(bag: Bag) -> list[str]:
    """Name the chunks that begin long before the one in front of them ended."""
    return [
        f'{found.path.name}: time goes back by {(before.end_time - place.start_time) / 1e9:.1f} s '
        f'at byte {place.offset}'
        for found in bag.scans
        for before, place in itertools.pairwise(found.places)
        if place.start_time < before.end_time - _OVERLAP
    ]


def _undescribed(bag: Bag) -> list[str]:
    """Name the folders that ros2 bag cannot open."""
    if bag.path.is_file():
        return []
    folders = dict.fromkeys(file.parent for file in bag.files)
    return [
        f'{folder.name} has no {NAME}: r3l bag repair writes it'
        for folder in folders
        if not (folder / NAME).exists()
    ]


def table(verdict: Verdict) -> str:
    """Return what a bag holds as lines of text."""
    width = max([len(facts.name) for facts in verdict.topics], default=5)
    lines = [f'{"topic":{width}}  messages      Hz        MB  type']
    lines += [
        f'{facts.name:{width}}  {facts.messages:8}  {facts.rate:6.1f}  {facts.bytes / 1e6:8.2f}  '
        f'{facts.type}'
        for facts in verdict.topics
    ]
    hours = verdict.seconds / 3600
    per_hour = f', {verdict.bytes / 1e6 / hours:.0f} MB/h' if hours > 0.01 else ''
    lines.append(
        f'{verdict.files} files, {verdict.bytes / 1e6:.2f} MB, {verdict.seconds:.1f} s{per_hour}'
    )
    return '\n'.join(lines)
