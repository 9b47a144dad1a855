# SPDX-License-Identifier: Apache-2.0
"""view.launch.py starts what is installed and names what is not, with stand-ins for launch."""

from pathlib import Path
import runpy
import sys
from types import ModuleType, SimpleNamespace
from typing import Any
import xml.etree.ElementTree as ET

import pytest
from r3l_bringup.viewing import DESCRIPTION, file_of, installed, LAYOUT, missing, RVIZ
from r3l_node.core.errors import ConfigError
import yaml

FILE = Path(__file__).resolve().parents[1] / 'view.launch.py'


class Recorded(SimpleNamespace):
    """Stands for any action or description: keeps what it was made with."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(args=args, **kwargs)


@pytest.fixture
def launch_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put modules in the place of launch and launch_ros, which the wheels do not have."""
    names = {
        'launch': ('LaunchContext', 'LaunchDescription'),
        'launch.action': ('Action',),
        'launch.actions': ('DeclareLaunchArgument', 'LogInfo', 'OpaqueFunction'),
        'launch_ros': (),
        'launch_ros.actions': ('Node',),
    }
    for name, classes in names.items():
        module: Any = ModuleType(name)
        for kind in classes:
            setattr(module, kind, type(kind, (Recorded,), {}))
        monkeypatch.setitem(sys.modules, name, module)


@pytest.fixture
def prefix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an ament prefix with nothing in it."""
    monkeypatch.setenv('AMENT_PREFIX_PATH', str(tmp_path))
    return tmp_path


def install(prefix: Path, *packages: str) -> None:
    index = prefix / 'share' / 'ament_index' / 'resource_index' / 'packages'
    index.mkdir(parents=True, exist_ok=True)
    for package in packages:
        (index / package).touch()


def actions(**given: str) -> list[Any]:
    """Return what the launch file starts."""
    description = runpy.run_path(str(FILE))['generate_launch_description']()
    (entities,) = description.args
    *declared, opaque = entities
    defaults = {entity.args[0]: entity.default_value for entity in declared}
    assert all(entity.description for entity in declared)
    context = SimpleNamespace(launch_configurations={**defaults, **given})
    found: list[Any] = opaque.function(context)
    return found


@pytest.mark.usefixtures('launch_modules')
def test_where_nothing_is_installed_it_says_so_and_foxglove_is_served(prefix: Path) -> None:
    found = actions()
    kinds = [type(action).__name__ for action in found]
    assert kinds == ['LogInfo', 'LogInfo', 'Node', 'LogInfo', 'Node']
    assert 'robot_state_publisher is not installed' in found[0].msg
    assert 'apt install ros-$ROS_DISTRO-rviz2' in found[1].msg
    view, served = found[2], found[4]
    assert (view.executable, served.executable) == ('view_node', 'foxglove_node')
    assert view.parameters == [{'hand': True, 'use_sim_time': False}]
    assert served.parameters == [{'port': 8765}]
    assert 'ws://127.0.0.1:8765' in found[3].msg
    assert Path(found[3].msg.split()[-1]) == file_of(*LAYOUT)


@pytest.mark.usefixtures('launch_modules')
def test_the_description_goes_to_robot_state_publisher_and_the_view_to_rviz(
    prefix: Path, tmp_path: Path
) -> None:
    install(prefix, 'robot_state_publisher', 'rviz2')
    assert installed('rviz2')
    assert missing() == []
    view, publisher, rviz = actions(use_sim_time='true', run=str(tmp_path / 'run'))
    assert view.parameters == [{'run': str(tmp_path / 'run'), 'hand': False, 'use_sim_time': True}]
    (parameters,) = publisher.parameters
    assert ET.fromstring(parameters['robot_description']).attrib['name'] == 'dclaw'
    assert parameters['use_sim_time'] is True
    assert rviz.arguments == ['-d', str(file_of(*RVIZ))]
    both = [
        action for action in actions(foxglove='true', port='9000') if hasattr(action, 'package')
    ]
    assert [node.executable for node in both] == [
        'view_node', 'robot_state_publisher', 'rviz2', 'foxglove_node',
    ]  # fmt: skip
    assert both[0].parameters[0]['hand'] is True
    assert both[3].parameters == [{'port': 9000}]


def test_an_installed_file_comes_before_that_of_the_sources(prefix: Path) -> None:
    assert file_of(*DESCRIPTION).parts[-3:] == ('r3l_sim', 'urdf', 'dclaw.urdf')
    mine = prefix / 'share' / 'r3l_sim' / 'urdf' / 'dclaw.urdf'
    mine.parent.mkdir(parents=True)
    mine.touch()
    assert file_of(*DESCRIPTION) == mine
    with pytest.raises(ConfigError, match=r'r3l_sim has no urdf/other.urdf in 1 ament prefixes'):
        file_of('r3l_sim', 'urdf/other.urdf')


def test_the_view_shows_the_frames_and_topics_of_the_hand() -> None:
    view = yaml.safe_load(file_of(*RVIZ).read_text(encoding='utf-8'))['Visualization Manager']
    root = ET.parse(file_of(*DESCRIPTION)).getroot()
    assert view['Global Options']['Fixed Frame'] == root.findall('link')[0].attrib['name']
    displays = {display['Name']: display for display in view['Displays']}
    assert displays['Hand']['Description Topic']['Value'] == 'robot_description'
    assert displays['Camera']['Topic']['Value'] == 'camera/image_raw'
    assert {'Reconstruction', 'Nearest goal', 'Joints', 'Run'} <= displays.keys()
