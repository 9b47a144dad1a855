# SPDX-License-Identifier: Apache-2.0
"""Watches a graph from a process of its own: its speed, then the time of each hop."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from itertools import pairwise
import json
import os
from pathlib import Path
import sys
import time
from typing import Any

import numpy as np
from r3l_msgs.msg import AgentStatus, Latent, Reward, Transition
from r3l_node.nodes.qos import COMMAND, OBSERVATION, SENSOR, STATUS, TRANSITION
import rclpy
from rclpy.node import Node
from sensor_msgs.msg import Image
from trajectory_msgs.msg import JointTrajectory

# Topic, type and profile of what is timed, in the order in which it happens.
TOPICS: tuple[tuple[str, Any, Any], ...] = (
    ('camera/image_raw', Image, SENSOR),
    ('latent', Latent, OBSERVATION),
    ('reward', Reward, OBSERVATION),
    ('joint_command', JointTrajectory, COMMAND),
    ('transition', Transition, TRANSITION),
)
HOPS = (
    ('sim -> encoder -> latent', 'camera/image_raw', 'latent'),
    ('latent -> reward', 'latent', 'reward'),
    ('latent -> agent -> command', 'latent', 'joint_command'),
    ('command -> transition', 'joint_command', 'transition'),
)
_TIMEOUT = 200.0  # [s]
Arrivals = dict[str, dict[int, float]]


def main() -> None:
    """Measure and write the figures to a file."""
    parser = argparse.ArgumentParser()
    parser.add_argument('--seconds', type=float, required=True)
    parser.add_argument('--out', type=Path, required=True)
    parser.add_argument('--config', required=True)
    options = parser.parse_args(rclpy.utilities.remove_ros_args(sys.argv)[1:])
    rclpy.init(args=sys.argv)
    try:
        node = rclpy.create_node('probe')
        rate, cpu = _rate(node, options.seconds, options.config)
        hops = _hops(node, min(5.0, options.seconds))
        found = {'rate': rate, 'hops_ms': hops, 'cpu_ms': cpu}
        options.out.write_text(json.dumps(found), encoding='utf-8')
        node.destroy_node()
    finally:
        rclpy.try_shutdown()


def _spin(node: Node, done: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _TIMEOUT
    while not done():
        rclpy.spin_once(node, timeout_sec=0.5)
        if time.monotonic() > deadline:
            sys.exit(f'{what} did not come within {_TIMEOUT:.0f} s')


def _processor_time(config: str) -> dict[str, float]:
    """Time that each node of a graph has had on a processor so far [s]."""
    found = {}
    for entry in Path('/proc').glob('[0-9]*'):
        try:
            words = (entry / 'cmdline').read_text(encoding='utf-8').split('\0')
            ticks = (entry / 'stat').read_text(encoding='utf-8').rpartition(')')[2].split()[11:13]
        except (OSError, UnicodeDecodeError):
            continue
        names = [word.removeprefix('__node:=') for word in words if word.startswith('__node:=')]
        if names and config in words:
            found[names[0]] = sum(map(int, ticks)) / os.sysconf('SC_CLK_TCK')
    return found


def _rate(node: Node, seconds: float, config: str) -> tuple[float, dict[str, float]]:
    """Env steps per second, by the agent's report once a second, and processor time [ms]."""
    seen: list[tuple[float, int]] = []
    before: dict[str, float] = {}

    def on_status(msg: AgentStatus) -> None:
        # The first steps are slow: caches are cold and connections are made.
        if msg.env_steps > 600:
            before.update(before or _processor_time(config))
            seen.append((time.monotonic(), msg.env_steps))

    subscription = node.create_subscription(AgentStatus, 'agent/status', on_status, STATUS)
    _spin(node, lambda: bool(seen) and seen[-1][0] - seen[0][0] >= seconds, 'agent/status')
    after = _processor_time(config)
    node.destroy_subscription(subscription)
    steps = seen[-1][1] - seen[0][1]
    cpu = {name: round(1e3 * (after[name] - time) / steps, 2) for name, time in before.items()}
    return steps / (seen[-1][0] - seen[0][0]), cpu


def _hops(node: Node, seconds: float) -> dict[str, float]:
    """Median time between the messages that answer one another [ms]."""
    arrivals: Arrivals = {topic: {} for topic, _, _ in TOPICS}

    def listener(topic: str) -> Callable[[Any], None]:
        def on_message(msg: Any) -> None:
            stamp = msg.header.stamp.sec * 10**9 + msg.header.stamp.nanosec
            arrivals[topic].setdefault(stamp, time.perf_counter())

        return on_message

    for topic, kind, profile in TOPICS:
        node.create_subscription(kind, topic, listener(topic), profile)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        rclpy.spin_once(node, timeout_sec=0.5)
    return _medians(arrivals)


def _medians(arrivals: Arrivals) -> dict[str, float]:
    result = {}
    for name, first, then in HOPS:
        both = arrivals[first].keys() & arrivals[then].keys()
        times = [arrivals[then][stamp] - arrivals[first][stamp] for stamp in both]
        if times:
            result[name] = round(float(np.median(times)) * 1e3, 3)
    images = sorted(arrivals['camera/image_raw'].items())
    commands = arrivals['joint_command']
    waits = [
        after - commands[stamp] for (stamp, _), (_, after) in pairwise(images) if stamp in commands
    ]
    if waits:
        result['command -> sim -> image'] = round(float(np.median(waits)) * 1e3, 3)
    return result


if __name__ == '__main__':
    main()
