# SPDX-License-Identifier: Apache-2.0
"""``ros2 launch r3l_bringup view.launch.py``: rviz, or Foxglove's server, beside a run."""

from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.action import Action
from launch.actions import DeclareLaunchArgument, LogInfo, OpaqueFunction
from launch_ros.actions import Node
from r3l_bringup.paths import PACKAGE
from r3l_bringup.viewer import how_to_look, PORT
from r3l_bringup.viewing import DESCRIPTION, file_of, installed, missing, RVIZ

ARGUMENTS = (
    ('run', '', 'Folder of the run beside which it looks: its goal images and limits.'),
    ('goals', '', 'Folder of goal images; empty: those of the run.'),
    ('rviz', 'true', 'false: without rviz.'),
    ('foxglove', '', "true: start Foxglove's server, too; empty: where rviz is not started."),
    ('port', str(PORT), "TCP port of Foxglove's server on 127.0.0.1."),
    ('use_sim_time', 'false', 'true beside a run in lockstep.'),
)


def generate_launch_description() -> LaunchDescription:
    """Declare the arguments of the view; what is installed decides what starts."""
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, default, description in ARGUMENTS
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=_actions)])


def _actions(context: LaunchContext) -> list[Action]:
    given = {name: context.launch_configurations[name] for name, _, _ in ARGUMENTS}
    sim_time = {'use_sim_time': given['use_sim_time'].lower() == 'true'}
    rviz = installed('rviz2') and given['rviz'].lower() == 'true'
    foxglove = given['foxglove'].lower() == 'true' or not (given['foxglove'] or rviz)
    # rviz shows the hand by its transforms. Foxglove needs none: the view draws the hand for it.
    described = installed('robot_state_publisher')
    actions: list[Action] = [LogInfo(msg=sentence) for sentence in missing()]
    folders = {
        name: str(Path(given[name]).expanduser().resolve())
        for name in ('run', 'goals')
        if given[name]
    }
    view = {**folders, 'hand': foxglove or not described, **sim_time}
    actions.append(_node(PACKAGE, 'view_node', name='view', parameters=[view]))
    if described:
        description = file_of(*DESCRIPTION).read_text(encoding='utf-8')
        parameters = [{'robot_description': description, **sim_time}]
        actions.append(_node(*['robot_state_publisher'] * 2, parameters=parameters))
    if rviz:
        arguments = ['-d', str(file_of(*RVIZ))]
        actions.append(_node('rviz2', 'rviz2', arguments=arguments, parameters=[sim_time]))
    if foxglove:
        port = int(given['port'])
        actions.append(LogInfo(msg=how_to_look(port)))
        actions.append(
            _node(PACKAGE, 'foxglove_node', name='foxglove', parameters=[{'port': port}])
        )
    return actions


def _node(package: str, executable: str, **options: object) -> Node:
    return Node(package=package, executable=executable, output='screen', **options)
