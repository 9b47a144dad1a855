# SPDX-License-Identifier: Apache-2.0
"""``ros2 launch r3l_bringup view.launch.py``: the hand and its camera in rviz, beside a run."""

from launch import LaunchContext, LaunchDescription
from launch.action import Action
from launch.actions import DeclareLaunchArgument, LogInfo, OpaqueFunction
from launch_ros.actions import Node
from r3l_bringup.viewing import DESCRIPTION, file_of, installed, missing, RVIZ

ARGUMENTS = (
    ('rviz', 'true', 'false: only publish the description and the transforms.'),
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
    given = {name: context.launch_configurations[name].lower() for name, _, _ in ARGUMENTS}
    sim_time = {'use_sim_time': given['use_sim_time'] == 'true'}
    actions: list[Action] = [LogInfo(msg=sentence) for sentence in missing()]
    if installed('robot_state_publisher'):
        description = file_of(*DESCRIPTION).read_text(encoding='utf-8')
        actions.append(
            Node(
                package='robot_state_publisher',
                executable='robot_state_publisher',
                parameters=[{'robot_description': description, **sim_time}],
                output='screen',
            )
        )
    if installed('rviz2') and given['rviz'] == 'true':
        actions.append(
            Node(
                package='rviz2',
                executable='rviz2',
                arguments=['-d', str(file_of(*RVIZ))],
                parameters=[sim_time],
                output='screen',
            )
        )
    return actions
