# SPDX-License-Identifier: Apache-2.0
"""The time line of a night says what happened when, from the files of the run."""

from __future__ import annotations

from collections.abc import Iterable
import json
import os
from pathlib import Path
import time
from typing import Any

from PIL import Image
import pytest
from r3l_bag.core.definitions import definition, type_hash
from r3l_bag.core.mcap_file import Topic
from r3l_bag.core.writer import BagWriter, Content, Limits
from r3l_bringup.report import write_report
from r3l_bringup.report_bag import night_of
from r3l_bringup.report_clock import Clock, in_order
from r3l_bringup.report_night import read_night, Span
from r3l_bringup.report_timeline import parts_of, time_line
from r3l_msgs.msg import AgentStatus, SafetyState
from r3l_node.core.records import Scalars
from r3l_node.core.status import Status, write_status
from rclpy.serialization import serialize_message

START = 1_700_000_000.0  # [s] of the epoch
HOUR = 3600.0
PAUSE = 7200.0  # [s] between two starts of the run


def write_lines(path: Path, lines: Iterable[dict[str, Any]]) -> None:
    path.write_text(''.join(json.dumps(line) + '\n' for line in lines), encoding='utf-8')


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a run of two hours, stopped for two hours in the middle; the hand died at 3:06."""
    clock = [0.0]
    monkeypatch.setattr(time, 'time', lambda: clock[0])
    for begin, gap in ((0.0, 0.0), (HOUR, PAUSE)):
        scalars = Scalars(tmp_path)
        for index in range(1, 61):
            wall_s = begin + 60.0 * index
            clock[0] = START + wall_s + gap
            kind = 'task' if index % 2 else 'perturbation'
            good = begin > 0.0 and index <= 30
            values = {f'rollout/final_probability_{kind}': 0.9 if good else 0.1,
                      'time/control_rate': 5.0}  # fmt: skip
            scalars.write('agent', round(wall_s), wall_s, values)
        scalars.close()
    write_lines(tmp_path / 'evaluation.jsonl', [
        {'env_steps': 3600, 'wall_s': 3600.0, 'success_rate': 0.5, 'success_rate_strict': 0.25,
         'final_distance_mean': 1.0, 'unit': 'rad', 'starts': 4, 'policy_version': 1},
    ])  # fmt: skip
    write_lines(tmp_path / 'faults.jsonl', [
        {'time': START + PAUSE + HOUR + 400.0, 'node': 'driver', 'exit_code': -9},
    ])  # fmt: skip
    write_lines(tmp_path / 'safety.jsonl', [
        {'since': 1.0, 'wall_s': 10.0, 'state': 'run', 'code': ''},
        {'since': 2.0, 'wall_s': 4000.0, 'state': 'hold', 'code': 'servo_missing'},
        {'since': 2.0, 'wall_s': 4010.0, 'state': 'stop', 'code': 'overload'},
        {'since': 2.0, 'wall_s': 4300.0, 'state': 'run', 'code': ''},
    ])  # fmt: skip
    write_lines(tmp_path / 'interventions.jsonl', [{'env_steps': 1800, 'kind': 'stall'}])
    blocks = [[5, 5, 0], [10, 0, 0], [5, 5, 0]]
    counts = {'name': 'error', 'unit': 'rad', 'edges': [0, 1, 2, 3], 'block_steps': 2400}
    (tmp_path / 'coverage.json').write_text(json.dumps({**counts, 'blocks': blocks}))
    status = Status(task='valve', phase='done', env_steps=7200, wall_s=7200.0, finished=True)
    write_status(status, tmp_path / 'status.json')
    return tmp_path


def test_every_start_of_a_run_sets_the_clock_anew(run: Path) -> None:
    clock = read_night(run).clock
    assert clock.anchors == ((60.0, START + 60.0), (HOUR + 60.0, START + HOUR + PAUSE + 60.0))
    assert clock.epoch(1000.0) == START + 1000.0
    assert clock.wall(START + HOUR + PAUSE + 400.0) == HOUR + 400.0
    # Whatever happened while the run stood still belongs to where it had stopped.
    assert clock.wall(START + HOUR + PAUSE - 100.0) == HOUR
    assert clock.wall(START + HOUR + PAUSE + 20.0) == HOUR + 20.0
    assert clock.epoch(HOUR + 20.0) == START + HOUR + PAUSE + 20.0


def test_a_clock_that_is_not_known_counts_from_the_start() -> None:
    clock = Clock()
    assert (clock.epoch(5.0), clock.wall(5.0), clock.day(5.0)) == (None, None, '')
    assert clock.text(3720.0) == '+1:02'


def test_a_start_from_an_older_checkpoint_replaces_what_came_after_it() -> None:
    assert in_order([(10.0, 100.0), (50.0, 140.0), (30.0, 500.0)]) == (
        (10.0, 100.0),
        (30.0, 500.0),
    )


def test_parts_count_what_happened_within_them(run: Path) -> None:
    parts = parts_of(read_night(run))
    assert [part.begin for part in parts[:3]] == [0.0, 600.0, 1200.0]
    assert (len(parts), parts[-1].end) == (12, 7200.0)
    assert sum(part.tries for part in parts) == 60
    assert [part.successes for part in parts] == [0] * 6 + [5, 5, 5] + [0] * 3
    sixth = parts[6]
    assert (sixth.deaths, sixth.holds, sixth.held, sixth.interventions) == (1, 1, 200.0, 0)
    assert (parts[7].held, parts[7].interventions) == (100.0, 1)  # cleared by a person
    assert parts[2].interventions + parts[3].interventions == 1  # the stall guard
    assert sixth.steps == (3600, 4200)
    assert sixth.rate == 5.0
    assert parts[5].deployed == 0.5
    assert parts[-1].covered == pytest.approx((2 / 3, 2 / 3))
    assert parts[8].covered == pytest.approx((2 / 3, 1 / 3))
    assert sum(parts[3].phases.values()) == pytest.approx(1.0)
    assert parts[3].phases['task'] == pytest.approx(0.5)


def test_the_report_has_the_time_line(run: Path) -> None:
    text = write_report(run).read_text(encoding='utf-8')
    begun = time.strftime('%Y-%m-%d %H:%M', time.localtime(START))
    for piece in (
        f'From {begun} to ',
        'Started 2 times',
        '**15 of 60 task episodes** looked like a success to the classifier at their end',
        'The hand was held 1 times, 5:00 in all.',
        '![Time line](time_line.png)',
        '| 600 | 5 | 5 | 30 |',
        '| held for 300.0 s: stop overload |',
        '| driver died |',
        '| intervention: stall |',
        '| intervention: fault cleared by a person |',
    ):
        assert piece in text, piece
    with Image.open(run / 'time_line.png') as image:
        assert image.width > 800


def test_older_records_are_read_as_far_as_they_go(run: Path) -> None:
    lines = [json.loads(line) for line in (run / 'metrics.jsonl').read_text().splitlines()]
    for line in lines:
        for name in list(line):
            if name.startswith('rollout/final_'):
                line[name.replace('final_', 'success_')] = line.pop(name)
    write_lines(run / 'metrics.jsonl', lines)
    for path in run.glob('events.*'):
        path.unlink()
    states = [json.loads(line) for line in (run / 'safety.jsonl').read_text().splitlines()]
    write_lines(run / 'safety.jsonl', [{**line, 'wall_s': None} for line in states])
    text = '\n'.join(time_line(read_night(run), run))
    assert 'on average (their ends were not recorded)' in text
    assert 'The time of day is not known' in text
    assert '1 times the hand was held at a time that was not recorded' in text
    assert '| +0:10 |' in text


def test_a_run_of_a_minute_has_no_night(tmp_path: Path) -> None:
    scalars = Scalars(tmp_path, events=False)
    scalars.write('agent', 5, 20.0, {'rollout/final_probability_task': 0.9})
    scalars.close()
    assert 'Time line' not in write_report(tmp_path).read_text(encoding='utf-8')


def _topic(name: str, kind: str) -> Topic:
    return Topic(name, kind, definition(kind), {'topic_type_hash': type_hash(kind)})


def write_bag(run: Path) -> None:
    """Record what agent and driver said, once a minute, of the second start."""
    topics = [_topic('/agent/status', 'r3l_msgs/msg/AgentStatus'),
              _topic('/driver/safety', 'r3l_msgs/msg/SafetyState')]  # fmt: skip
    begun = START + PAUSE + HOUR
    writer = BagWriter(run / 'bags', Content(topics, {}, {}), Limits(10**9, 10**15, 3), _ns(begun))
    messages = []
    for second in range(0, 3600, 5):
        phase = AgentStatus.TASK if second % 60 < 45 else AgentStatus.HOMING
        status = serialize_message(AgentStatus(phase=phase, env_steps=3600 + second))
        messages.append((_ns(begun + second), _ns(begun + second), 1, status))
        hold = 100 <= second < 130
        state = SafetyState(state=SafetyState.HOLD if hold else SafetyState.RUN, code='x' * hold)
        messages.append((_ns(begun + second), _ns(begun + second), 2, serialize_message(state)))
    writer.write(messages, _ns(begun))
    writer.close()


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)


def test_a_bag_knows_phases_and_holds_exactly(run: Path) -> None:
    write_bag(run)
    night = night_of(run)
    assert night.notes == []
    assert night.held == [Span(HOUR + 100.0, HOUR + 130.0, 'hold x')]
    later = [part for part in parts_of(night) if part.begin >= HOUR]
    assert all(part.phases['homing'] == pytest.approx(0.25, abs=0.01) for part in later[:-1])


def test_a_bag_that_cannot_be_read_is_a_note(run: Path) -> None:
    folder = run / 'bags' / '2026-01-01_00-00-00'
    folder.mkdir(parents=True)
    (folder / 'x_0.mcap').write_bytes(b'nothing')
    os.utime(folder / 'x_0.mcap', (START, START))  # a fresh one may still be growing
    night = night_of(run)
    assert len(night.notes) == 1, night.notes
    assert 'x_0.mcap' in night.notes[0]
    assert night.phases
