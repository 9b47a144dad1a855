# SPDX-License-Identifier: Apache-2.0
"""Test the life of a node process: ready, stopped by a signal, stopped by a wrong parameter."""

from collections.abc import Iterator
import os
import signal
import subprocess
import sys

import pytest
from r3l_node.core.domain import reserve_domain

NODE = """
import sys, threading
from dataclasses import dataclass
from rclpy.node import Node
from std_msgs.msg import Header
from r3l_node.core.parameters import parameter
from r3l_node.nodes.main import run
from r3l_node.nodes.parameters import declare

@dataclass(frozen=True)
class Config:
    steps: int = parameter(1, 'steps [-]', range=(1, 5))
    crash: bool = parameter(False, 'raise in a callback')

class Demo(Node):
    def __init__(self):
        super().__init__('demo')
        self.config = declare(self, Config)
        self.publisher = self.create_publisher(Header, 'x', 1)
        self.create_timer(0.01, self.tick)
    def tick(self):
        if self.config.crash:
            raise RuntimeError('broken callback')
    def close(self):
        self.publisher.publish(Header())
        print('saved', flush=True)

run(Demo)
"""


@pytest.fixture
def environment() -> Iterator[dict[str, str]]:
    with reserve_domain() as domain:
        yield os.environ | {
            'ROS_DOMAIN_ID': str(domain),
            'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
        }


def start(environment: dict[str, str], *arguments: str) -> 'subprocess.Popen[str]':
    return subprocess.Popen(
        [sys.executable, '-c', NODE, *arguments],
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def wait_until_ready(process: 'subprocess.Popen[str]') -> None:
    for line in process.stderr:
        if line.rstrip().endswith('[demo]: ready'):
            return
    raise AssertionError('the node ended before it was ready')


@pytest.mark.parametrize('signals', [[signal.SIGINT], [signal.SIGTERM], [signal.SIGINT] * 3])
def test_a_signal_ends_the_node_cleanly(
    environment: dict[str, str], signals: list[signal.Signals]
) -> None:
    with start(environment) as process:
        wait_until_ready(process)
        for number in signals:
            process.send_signal(number)
        output, errors = process.communicate(timeout=5)
    assert process.returncode == 0, errors
    assert output == 'saved\n'
    assert errors == ''


def test_a_wrong_parameter_is_one_sentence_and_code_2(environment: dict[str, str]) -> None:
    with start(environment, '--ros-args', '-p', 'steps:=9') as process:
        output, errors = process.communicate(timeout=20)
    assert process.returncode == 2
    assert errors == 'demo.steps is 9: expected an integer from 1 to 5\n'
    assert output == ''


def test_an_exception_in_a_callback_saves_and_fails(environment: dict[str, str]) -> None:
    with start(environment, '--ros-args', '-p', 'crash:=true') as process:
        output, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert output == 'saved\n'
    assert 'RuntimeError: broken callback' in errors
