# SPDX-License-Identifier: Apache-2.0
"""The same training with a simulated, an emulated and a real hand."""

from __future__ import annotations

from pathlib import Path
import re

import pytest
from r3l_bringup import config
from r3l_bringup.config import Request
from r3l_bringup.graph import ALL_NODES, graph, node
from r3l_bringup.hardware import graph_of
from r3l_bringup.prepare import prepare
from r3l_node.core.errors import ConfigError

SMALL = ('monitor.goal_count=20', 'learner.capacity=1000')
LEARNING = {'monitor', 'encoder', 'reward', 'learner', 'recorder', 'agent'}


@pytest.mark.parametrize(
    ('hardware', 'driver', 'robot'),
    [
        ('sim', 'dynamixel', {'sim', 'evaluator'}),
        ('fake', 'dynamixel', {'driver', 'hand', 'evaluator'}),
        ('real', 'dynamixel', {'driver', 'camera'}),
        ('real', 'external', {'driver', 'camera'}),
    ],
)
def test_each_hardware_has_its_nodes(hardware: str, driver: str, robot: set[str]) -> None:
    nodes = {spec.name: spec for spec in graph(hardware, driver)}
    assert set(nodes) == LEARNING | robot
    # Nobody acts before everything that answers an action is there.
    assert set(nodes['agent'].after) == set(nodes) - {'agent', 'evaluator'}
    if hardware != 'sim':
        external = nodes['driver'].executable == 'external_node'
        assert external == (driver == 'external')


def test_every_node_has_parameters_and_a_main_function() -> None:
    for spec in ALL_NODES:
        assert spec.config_type()() is not None
        assert spec.module.startswith(spec.package)


def test_a_simulated_hand_is_the_default_and_has_no_driver() -> None:
    values = config.resolve(Request())
    assert values['monitor']['hardware'] == 'sim'
    assert values['agent']['driver'] is False
    assert values == config.resolve(Request(hardware='sim'))


@pytest.mark.parametrize('pace', [None, 'lockstep', 'realtime'])
def test_a_fake_hand_runs_in_any_pace(pace: str | None) -> None:
    values = config.resolve(Request(hardware='fake', pace=pace))
    expected = pace or 'lockstep'
    assert {own['pace'] for own in values.values() if 'pace' in own} == {expected}
    assert values['agent']['lockstep'] is (expected == 'lockstep')
    assert values['agent']['driver'] is True
    assert values['driver']['bus_rate'] == (20.0 if expected == 'lockstep' else 50.0)
    names = ('ids', 'model', 'directions', 'offsets', 'bus_rate', 'baud_rate', 'control_rate')
    for name in names:
        assert values['driver'][name] == values['hand'][name], name


def test_a_real_hand_runs_in_real_time_and_waits_for_no_evaluation() -> None:
    values = config.resolve(Request(hardware='real', port='/dev/ttyACM3', profile='faithful'))
    assert values['driver']['pace'] == 'realtime'
    assert values['agent']['lockstep'] is values['encoder']['lockstep'] is False
    assert values['driver']['port'] == '/dev/ttyACM3'
    assert values['monitor']['final_wait'] == 0.0
    # What a profile says of the simulator does not concern it, what it says of the driver does.
    assert values['driver']['velocity_limit'] == 1.5
    assert 'hand' not in config.dump(values)
    assert 'use_sim_time' not in config.dump(values)


@pytest.mark.parametrize(
    ('request_', 'sentence'),
    [
        (Request(hardware='fak'), "hardware is 'fak': expected one of sim, fake, real"),
        (
            Request(hardware='real', driver='ours'),
            "driver is 'ours': expected one of dynamixel, external",
        ),
        (Request(port='/dev/x'), "port is '/dev/x': expected none with hardware sim"),
        (
            Request(hardware='fake', driver='external'),
            "driver is 'external': expected none with hardware fake",
        ),
        (
            Request(hardware='real', driver='external', calibration='a.yaml'),
            "calibration is 'a.yaml': expected none with hardware real and driver external",
        ),
        (
            Request(hardware='real', pace='lockstep'),
            'pace is lockstep: expected realtime with hardware real',
        ),
        (
            Request(hardware='fake', sets=('hand.ids=[1, 2, 3, 4, 5, 6, 7, 8, 9]',)),
            'driver.ids is',
        ),
        (
            Request(hardware='fake', sets=('all.control_rate=3.0',)),
            'hand.bus_rate is 20 Hz: expected a multiple of control_rate, 3 Hz',
        ),
        (Request(hardware='fake', sets=('sim.seed=1',)), "the graph has no node 'sim'"),
    ],
)
def test_what_a_hardware_does_not_have_is_refused(request_: Request, sentence: str) -> None:
    with pytest.raises(ConfigError) as raised:
        config.resolve(request_)
    assert sentence in str(raised.value)


def test_a_run_remembers_its_hardware(tmp_path: Path) -> None:
    run = prepare(Request(hardware='fake', seed=3, sets=SMALL), tmp_path / 'run', tmp_path)
    tty = str(tmp_path / 'run' / 'hand.tty')
    assert run.values['driver']['port'] == run.values['hand']['link'] == tty
    for request, given in ((Request(), False), (Request(seed=3, sets=SMALL), True)):
        again = prepare(request, run.folder, tmp_path, given)
        assert again.resumed
        assert [spec.name for spec in again.graph] == [spec.name for spec in graph('fake')]
    with pytest.raises(ConfigError, match=r'monitor\.hardware fake, not sim'):
        prepare(Request(hardware='sim', seed=3, sets=SMALL), run.folder, tmp_path)
    with pytest.raises(ConfigError, match='is no run of a real hand'):
        prepare(Request(port='/dev/x'), run.folder, tmp_path, given=False)
    moved = run.folder.rename(tmp_path / 'moved')
    again = prepare(Request(), moved, tmp_path, given=False)
    assert again.values['driver']['port'] == str(moved / 'hand.tty')


def test_a_run_of_a_real_hand_has_photos_and_keeps_its_calibration(tmp_path: Path) -> None:
    measured = tmp_path / 'mine.yaml'
    measured.write_text('first', encoding='utf-8')
    request = Request(hardware='real', calibration=str(measured), sets=SMALL)
    with pytest.raises(ConfigError, match=r"reward\.goals is '': expected a folder of photos"):
        prepare(request, tmp_path / 'run', tmp_path)
    source = prepare(Request(sets=SMALL), tmp_path / 'other', tmp_path).folder / 'goals'
    sets = (*SMALL, f'reward.goals={source}', 'reward.minimum_goals=10')
    request = Request(hardware='real', calibration=str(measured), sets=sets)
    run = prepare(request, tmp_path / 'run', tmp_path)
    kept = run.folder / 'calibration.yaml'
    assert kept.read_text(encoding='utf-8') == 'first'
    assert run.values['driver']['calibration'] == str(kept)
    measured.write_text('second', encoding='utf-8')
    again = prepare(Request(port='/dev/ttyACM1'), run.folder, tmp_path, given=False)
    assert kept.read_text(encoding='utf-8') == 'first'
    assert again.values['driver']['port'] == '/dev/ttyACM1'
    prepare(Request(calibration=str(measured)), run.folder, tmp_path, given=False)
    assert kept.read_text(encoding='utf-8') == 'second'
    missing = Request(calibration=str(tmp_path / 'none'))
    with pytest.raises(ConfigError, match='cannot be read'):
        prepare(missing, run.folder, tmp_path, given=False)


def test_a_run_from_before_there_was_other_hardware_is_continued(tmp_path: Path) -> None:
    run = prepare(Request(seed=3, sets=SMALL), tmp_path / 'run', tmp_path)
    text = run.config_file.read_text(encoding='utf-8')
    run.config_file.write_text(re.sub(r'(hardware|driver): \w+,', '', text), encoding='utf-8')
    assert 'hardware' not in config.load(run.config_file)['monitor']
    again = prepare(Request(seed=3, sets=SMALL), run.folder, tmp_path)
    assert graph_of(again.values) == graph('sim')


def test_the_learner_makes_way_for_a_bus() -> None:
    nice = {
        hardware: node('learner', graph(hardware)).nice for hardware in ('sim', 'fake', 'real')
    }
    assert nice == {'sim': 0, 'fake': 5, 'real': 5}
