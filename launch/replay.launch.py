# SPDX-License-Identifier: Apache-2.0
"""``ros2 launch r3l_bringup replay.launch.py bag:=FILE``: a bag into encoder and reward nodes."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from r3l_bringup.launching import replay_actions

ARGUMENTS = (
    ('rate', '', 'Times real time; 0: as fast as the nodes answer; empty: 0.'),
    ('from', '', 'HH:MM[:SS], or seconds from the start; empty: the start.'),
    ('to', '', 'HH:MM[:SS], or seconds from the start; empty: the end.'),
    ('nodes', '', 'encoder, reward, viewer or none, separated by ";"; empty: encoder;reward.'),
)


def generate_launch_description() -> LaunchDescription:
    """Declare the arguments of a replay; the nodes follow from them."""
    bag = DeclareLaunchArgument('bag', description='MCAP file, folder of a bag, or run folder.')
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, default, description in ARGUMENTS
    ]
    return LaunchDescription([bag, *declared, OpaqueFunction(function=replay_actions)])
