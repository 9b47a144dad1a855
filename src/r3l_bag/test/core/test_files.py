# SPDX-License-Identifier: Apache-2.0
"""Test that what is written can be read: by us, by others, whole, cut and repaired."""

from __future__ import annotations

from collections.abc import Callable
import hashlib
from pathlib import Path
import random
from typing import Any

from mcap.reader import make_reader
import pytest
from r3l_bag.core.check import check, table
from r3l_bag.core.reader import Bag
from r3l_bag.core.repair import DAMAGED, repair
from r3l_bag.core.scan import RawMessage, scan
from r3l_bag.core.writer import BagWriter, Content, Limits, RESERVE_NAME
from r3l_node.core.errors import ConfigError
from rosbags.highlevel import AnyReader
import yaml

Write = Callable[..., Any]
SECOND = 10**9


def read(path: Path) -> list[tuple[int, int, bytes]]:
    return [(m.time, m.stamp, m.data) for m in Bag(path).messages()]


def plain(row: list[RawMessage]) -> list[tuple[int, int, bytes]]:
    return [(time, stamp, data) for time, stamp, _, data in row]


def test_what_is_written_is_read(tmp_path: Path, messages: Any, write: Write) -> None:
    row = messages.row(50)
    write(tmp_path, row)
    bag = Bag(tmp_path)
    assert read(tmp_path) == plain(row)
    assert bag.topics == {'/reward': 'r3l_msgs/msg/Reward',
                          '/transition': 'r3l_msgs/msg/Transition'}  # fmt: skip
    assert (bag.start, bag.end) == (row[0][0], row[-1][0])
    assert bag.info['task'] == 'valve'
    assert bag.config == '/**/agent: {}\n'
    assert not bag.problems


def test_topics_and_times_can_be_chosen(tmp_path: Path, messages: Any, write: Write) -> None:
    row = messages.row(50)
    write(tmp_path, row)
    bag = Bag(tmp_path)
    start, stop = row[20][0], row[40][0]
    found = list(bag.messages(['reward'], start, stop))
    assert [m.time for m in found] == [m[0] for m in row if m[2] == 1 and start <= m[0] < stop]
    assert bag.decode(found[0]).logit == 10.0
    assert bag.find('transition') == '/transition'
    assert bag.find('latent') is None


def test_other_readers_agree(tmp_path: Path, messages: Any, write: Write) -> None:
    row = messages.row(40)
    folder = write(tmp_path, row, Limits(8_000, 10**15, 3)).folder
    files = Bag(folder).files
    assert len(files) > 1
    seen = []
    for file in files:
        with file.open('rb') as stream:
            reader = make_reader(stream, validate_crcs=True)
            summary = reader.get_summary()
            assert summary is not None
            assert summary.statistics is not None
            found = [m.data for _, _, m in reader.iter_messages()]
            assert summary.statistics.message_count == len(found)
            seen += found
            assert [a.data for a in reader.iter_attachments()] == [b'/**/agent: {}\n']
    assert seen == [data for _, _, _, data in row]
    with AnyReader([folder]) as other:
        assert other.message_count == len(row)
        raw = [(time, bytes(data)) for _, time, data in other.messages()]
    assert raw == [(time, data) for time, _, _, data in row]


def test_metadata_names_all_files(tmp_path: Path, messages: Any, write: Write) -> None:
    row = messages.row(40)
    folder = write(tmp_path, row, Limits(8_000, 10**15, 3)).folder
    text = (folder / 'metadata.yaml').read_text(encoding='utf-8')
    facts = yaml.safe_load(text)['rosbag2_bagfile_information']
    assert facts['version'] == 9
    assert facts['message_count'] == len(row)
    assert facts['relative_file_paths'] == [file.name for file in Bag(folder).files]
    assert sum(file['message_count'] for file in facts['files']) == len(row)
    assert {t['message_count'] for t in facts['topics_with_message_count']} == {40}
    assert facts['duration']['nanoseconds'] == row[-1][0] - row[0][0]


def test_a_time_can_end_a_file(tmp_path: Path, messages: Any, write: Write) -> None:
    writer = write(tmp_path, messages.row(60), Limits(10**9, 2 * SECOND, 3))
    assert len(Bag(writer.folder).files) >= 2


def test_a_cut_anywhere_costs_the_chunk_that_was_cut(
    tmp_path: Path, messages: Any, write: Write
) -> None:
    row = messages.row(150)
    file = Bag(write(tmp_path / 'whole', row).folder).files[0]
    content, places = file.read_bytes(), scan(file).places
    assert max(p.end_time - p.start_time for p in places) < SECOND
    chosen = random.Random(0)
    cut = tmp_path / 'cut.mcap'
    for offset in sorted(chosen.sample(range(len(content)), 200)):
        cut.write_bytes(content[:offset])
        whole = [place for place in places if place.end <= offset]
        expected = [m for m in plain(row) if whole and m[0] <= whole[-1].end_time]
        bag = Bag(cut)
        assert [(m.time, m.stamp, m.data) for m in bag.messages()] == expected, offset
        assert len(bag.problems) == 1, offset
        if whole:
            assert bag.info['task'] == 'valve'


def test_a_cut_bag_can_be_repaired(tmp_path: Path, messages: Any, write: Write) -> None:
    row = messages.row(150)
    folder = write(tmp_path, row).folder
    (file,) = Bag(folder).files
    content = file.read_bytes()
    chosen = random.Random(1)
    for offset in chosen.sample(range(4_000, len(content)), 8):
        file.write_bytes(content[:offset])
        (folder / 'metadata.yaml').unlink()
        before = read(folder)
        assert not check(folder).sound
        said = repair(folder)
        assert len(said) == 2
        assert check(folder).sound
        assert read(folder) == before
        assert not list(folder.glob('*.part'))
        assert not list(folder.glob(f'*{DAMAGED}'))
        with file.open('rb') as stream:
            assert len(list(make_reader(stream).iter_messages())) == len(before)
    with AnyReader([folder]) as other:
        assert other.message_count == len(before)
    assert repair(folder) == []


def test_a_bag_that_is_being_recorded_is_left_alone(
    tmp_path: Path, messages: Any, content: Content
) -> None:
    writer = BagWriter(tmp_path, content, Limits(10**9, 10**15, 3), SECOND)
    row = messages.row(60)
    writer.write(row[:60], row[59][0])
    (file,) = Bag(tmp_path).files
    before = file.stat().st_ino
    assert repair(tmp_path) == [f'{file.name} is left as it is: it is being recorded']
    assert any('it is being recorded' in sentence for sentence in check(tmp_path).findings)
    writer.write(row[60:], row[-1][0])
    assert read(tmp_path) == plain(row)
    assert file.stat().st_ino == before
    writer.close()
    assert repair(tmp_path) == []


def test_repair_of_a_killed_bag_frees_the_reserve(
    tmp_path: Path, messages: Any, write: Write
) -> None:
    folder = write(tmp_path, messages.row(30)).folder
    (folder / RESERVE_NAME).write_bytes(b'kept back')
    repair(tmp_path)
    assert sorted(path.suffix for path in folder.iterdir()) == ['.mcap', '.yaml']


def test_a_broken_chunk_is_left_out_and_named(tmp_path: Path, messages: Any, write: Write) -> None:
    row = messages.row(60)
    folder = write(tmp_path, row).folder
    (file,) = Bag(folder).files
    place = scan(file).places[2]
    data = bytearray(file.read_bytes())
    data[place.data + 40] ^= 0xFF
    file.write_bytes(data)
    verdict = check(folder)
    assert [s for s in verdict.findings if f'the chunk at byte {place.offset}' in s]
    assert any('transitions are missing behind number' in s for s in verdict.findings)
    lost = [m for m in plain(row) if place.start_time <= m[0] <= place.end_time]
    assert read(folder) == [m for m in plain(row) if m not in lost]
    # Cut as well: what could not be read is kept beside the repaired file.
    file.write_bytes(data[:-30])
    assert 'is kept as' in repair(folder)[0]
    assert file.with_name(file.name + DAMAGED).read_bytes() == data[:-30]


def test_check_of_a_sound_bag(tmp_path: Path, messages: Any, write: Write) -> None:
    write(tmp_path, messages.row(30))
    verdict = check(tmp_path)
    assert verdict.sound
    assert [(facts.name, facts.messages, facts.decoded) for facts in verdict.topics] == [
        ('/reward', 30, 30),
        ('/transition', 30, 30),
    ]
    assert '/transition' in table(verdict)


def test_check_names_a_message_that_is_none(tmp_path: Path, messages: Any, write: Write) -> None:
    row = messages.row(5)
    row[3] = (*row[3][:3], row[3][3][:9])
    write(tmp_path, row)
    assert any('/reward is no r3l_msgs/msg/Reward' in s for s in check(tmp_path).findings)


def test_closed_files_stay_as_they_are(tmp_path: Path, messages: Any, write: Write) -> None:
    folder = write(tmp_path, messages.row(40)).folder

    def digest() -> str:
        (file,) = Bag(folder).files
        return hashlib.sha256(file.read_bytes()).hexdigest()

    before = digest()
    check(folder)
    repair(folder)
    assert digest() == before


@pytest.mark.parametrize('text', [b'', b'no bag at all, but long enough to look at'])
def test_a_file_that_is_no_bag_is_read_as_empty_and_left_alone(
    tmp_path: Path, text: bytes
) -> None:
    file = tmp_path / 'x.mcap'
    file.write_bytes(text)
    bag = Bag(file)
    assert list(bag.messages()) == []
    assert bag.problems
    repair(file)
    assert file.read_bytes() == text


def test_a_folder_without_bags_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r'has no \.mcap file: expected a bag'):
        Bag(tmp_path)
    with pytest.raises(ConfigError, match='does not exist'):
        Bag(tmp_path / 'absent')
