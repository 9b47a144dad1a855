# SPDX-License-Identifier: Apache-2.0
"""``ros2 launch r3l_bringup train.launch.py task:=valve``: the training graph."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from r3l_bringup.launching import training_actions

ARGUMENTS = (
    ('task', 'valve', 'What the hand learns.'),
    ('profile', 'modern', 'modern, or faithful: R3L as published.'),
    ('ablation', 'none', 'Change of one ingredient: a file of config/ablations.'),
    ('steps', '', 'Env steps of the run; empty: as the profile says.'),
    ('seed', '', 'Seed of the run; empty: as the profile says.'),
    ('run', '', 'Run folder, new or to be continued; empty: runs/<time>_<task>_<seed>.'),
    ('pace', '', 'lockstep or realtime; empty: as the profile says; a real hand: realtime.'),
    ('hardware', '', 'sim: simulated; fake: driver on an emulated bus; real; empty: sim.'),
    ('driver', '', 'Of a real hand: dynamixel, or external: any controller; empty: dynamixel.'),
    ('port', '', 'Serial device of a real hand; empty: the default of the driver.'),
    ('calibration', '', 'File of r3l calibrate; empty: none.'),
    ('model', '', 'Look of the simulated hand: primitives or robel; empty: primitives.'),
    ('device', '', 'Where networks are trained: cpu or cuda; empty: cpu.'),
    ('prior', '', 'Bags or run folders to learn from, too, separated by ";"; empty: none.'),
    ('pretrained', '', 'Folder of r3l pretrain to start from; empty: none.'),
    ('set', '', 'NODE.PARAM=VALUE, several separated by ";".'),
)


def generate_launch_description() -> LaunchDescription:
    """Declare the arguments of a training run; the graph follows from them."""
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, default, description in ARGUMENTS
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=training_actions)])
