# SPDX-License-Identifier: Apache-2.0
"""
The graph: every node of a training run, described once, and its variants by hardware.

Read by the launch files (``launch_ros``) and by the process runner (machines without launch).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib import import_module

# Written by every node when its constructor is done; what starts the nodes that wait for it.
READY = 'ready'
# A node that was killed starts again after the first delay, then after the next one, ...
RESPAWN_DELAYS = (0.5, 1.0, 2.0, 4.0, 8.0)  # [s]
RESPAWN_LIMIT = 5
RESPAWN_WINDOW = 600.0  # [s]
# Exit code of a node that refused its parameters: starting it again cannot help.
EXIT_BAD_INPUT = 2


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """One node of the graph, a process of its own."""

    name: str  # ROS node name
    package: str
    executable: str
    config: str  # 'module:Class' of the dataclass whose fields are the ROS parameters
    after: tuple[str, ...] = ()  # names of the nodes whose ready line it waits for
    respawn: bool = True
    ends_run: bool = False  # its exit with code 0 is the end of the run
    nice: int = 0  # added to the priority of the process; 0 to 19
    sim_time: bool = True  # in lockstep its clock is the simulation's
    vital: bool = True  # False: the run goes on without it

    @property
    def module(self) -> str:
        """Python module of the executable."""
        return f'{self.package}.nodes.{self.executable}'

    def config_type(self) -> type:
        """Import and return the dataclass of the node's parameters."""
        module, _, name = self.config.partition(':')
        config_type = getattr(import_module(module), name)
        if not isinstance(config_type, type):
            raise TypeError(f'{self.config} is not a class')
        return config_type


# What stands for the robot; the first is the default. sim: sim_node, for driver and camera. fake:
# the driver on an emulated bus whose servos move the simulated hand. real: a robot and a camera.
HARDWARE = ('sim', 'fake', 'real')
# How a real hand is driven: by our node, or by any controller that takes JointTrajectory.
DRIVERS = ('dynamixel', 'external')

_MONITOR = NodeSpec(
    'monitor',
    'r3l_bringup',
    'monitor_node',
    'r3l_bringup.settings:MonitorConfig',
    ends_run=True,
    sim_time=False,
)
_SIM = NodeSpec('sim', 'r3l_sim', 'sim_node', 'r3l_sim.core.config:SimConfig', sim_time=False)
_HAND = NodeSpec('hand', 'r3l_sim', 'hand_node', 'r3l_sim.core.config:HandConfig', sim_time=False)
_DRIVER = NodeSpec('driver', 'r3l_driver', 'dynamixel_node', 'r3l_driver.core.config:DriverConfig')
_EXTERNAL = NodeSpec(
    'driver', 'r3l_driver', 'external_node', 'r3l_driver.core.external_config:ExternalConfig'
)
_CAMERA = NodeSpec(
    'camera', 'r3l_perception', 'camera_node', 'r3l_perception.core.camera.config:CameraConfig'
)
_LEARNING: tuple[NodeSpec, ...] = (
    NodeSpec('encoder', 'r3l_perception', 'encoder_node',
             'r3l_perception.core.config:EncoderConfig'),
    NodeSpec('reward', 'r3l_reward', 'reward_node', 'r3l_reward.core.config:RewardConfig'),
    NodeSpec('learner', 'r3l_agent', 'learner_node',
             'r3l_agent.core.training_config:LearnerConfig'),
)  # fmt: skip
_EVALUATOR = NodeSpec('evaluator', 'r3l_sim', 'evaluator_node',
                      'r3l_sim.core.config:EvaluatorConfig', nice=5)  # fmt: skip
_RECORDER = NodeSpec('recorder', 'r3l_bag', 'recorder_node', 'r3l_bag.core.config:RecorderConfig',
                     nice=5, sim_time=False, vital=False)  # fmt: skip
_AGENT = NodeSpec('agent', 'r3l_agent', 'agent_node', 'r3l_agent.core.agent_config:AgentConfig')


def graph(hardware: str = HARDWARE[0], driver: str = DRIVERS[0]) -> tuple[NodeSpec, ...]:
    """
    Return the nodes of a training run.

    :param hardware: one of ``HARDWARE``.
    :param driver: one of ``DRIVERS``; for a real hand only.
    """
    if hardware == 'sim':
        robot: tuple[NodeSpec, ...] = (_SIM,)
    elif hardware == 'fake':
        robot = (_HAND, replace(_DRIVER, after=('hand',)))
    else:
        robot = (_EXTERNAL if driver == 'external' else _DRIVER, _CAMERA)
    # A policy for a real hand is judged on the hand.
    judge = () if hardware == 'real' else (_EVALUATOR,)
    learning = _LEARNING
    if hardware != 'sim':
        # A bus has its times; an update that comes later costs nothing.
        learning = tuple(replace(s, nice=5) if s.name == 'learner' else s for s in _LEARNING)
    before = (_MONITOR, *robot, *learning, _RECORDER)
    agent = replace(_AGENT, after=tuple(spec.name for spec in before))
    return (*before, *judge, agent)


TRAIN = graph()
# Every node of any variant.
ALL_NODES = (*TRAIN, _HAND, _DRIVER, _EXTERNAL, _CAMERA)


def node(name: str, graph: tuple[NodeSpec, ...] = TRAIN) -> NodeSpec:
    """
    Return the node of that name.

    :raises KeyError: if the graph has none.
    """
    for spec in graph:
        if spec.name == name:
            return spec
    raise KeyError(name)


def ros_arguments(spec: NodeSpec, config_file: str) -> list[str]:
    """
    Return the command line arguments of a node.

    :param config_file: absolute path of the run's ROS parameter file.
    """
    # Without the log files of rcl: a node has one log file, in the folder of the run.
    return [
        '--ros-args',
        '-r', f'__node:={spec.name}',
        '--params-file', config_file,
        '--disable-external-lib-logs',
    ]  # fmt: skip
