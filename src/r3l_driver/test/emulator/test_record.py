# SPDX-License-Identifier: Apache-2.0
"""The record keeps what happened, and stays within its size."""

from r3l_driver.emulator.record import read_record, Record


def test_what_was_written_is_read_back_but_for_a_torn_last_line(tmp_path):
    path = tmp_path / 'folder' / 'record.jsonl'
    with Record(path, clock=lambda: 5.0) as record:
        record.write('torque', 1.25, id=11, on=True)
    with path.open('a') as file:
        file.write('{"t":2.0,"ev')
    assert read_record(path) == [
        {'t': 1.25, 'mono': 5.0, 'event': 'torque', 'id': 11, 'on': True}
    ]  # fmt: skip


def test_a_full_file_makes_room_for_the_next_and_for_the_one_after(tmp_path):
    path = tmp_path / 'record.jsonl'
    now = 0.0
    with Record(path, clock=lambda: now, limit=1000) as record:
        for number in range(200):
            now += 1.0
            record.write('goal', now, number=number)
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ['record.jsonl', 'record.jsonl.old']
    assert all(file.stat().st_size < 1200 for file in files)
    kept = [event['number'] for file in reversed(files) for event in read_record(file)]
    assert kept == list(range(kept[0], 200))
