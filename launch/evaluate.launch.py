# SPDX-License-Identifier: Apache-2.0
"""``ros2 launch r3l_bringup evaluate.launch.py run:=DIR``: a trained policy from fixed starts."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from r3l_bringup.launching import evaluation_actions

ARGUMENTS = (
    ('run', None, 'Folder of the run.'),
    ('starts', '32', 'Number of fixed starts.'),
    ('seed', '0', 'Seed of the starts.'),
    ('policy', 'deployed', 'deployed, random, hold or untrained.'),
)


def generate_launch_description() -> LaunchDescription:
    """Declare the arguments of an evaluation."""
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, default, description in ARGUMENTS
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=evaluation_actions)])
