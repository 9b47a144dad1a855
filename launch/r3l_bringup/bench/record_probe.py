# SPDX-License-Identifier: Apache-2.0
"""Lets a graph run with and without its recorder, by turns, and measures its speed."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
import signal
import subprocess
import sys
import tempfile
import time
from typing import Any

from r3l_bringup.bench.probe import _rate
from r3l_bringup.graph import node as node_of
from r3l_bringup.graph import READY, ros_arguments
from r3l_bringup.paths import command
import rclpy
from rclpy.node import Node

TURNS = 5
_SETTLE = 1.0  # time in which readers and writers find each other [s]
_TIMEOUT = 60.0  # [s]


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
        turns = _turns(node, options.seconds / TURNS, options.config)
        options.out.write_text(json.dumps({'turns': turns}), encoding='utf-8')
        node.destroy_node()
    finally:
        rclpy.try_shutdown()


def _turns(node: Node, seconds: float, config: str) -> list[dict[str, Any]]:
    """Measure off, on, off, on, ... and off again; each as long."""
    turns = []
    for turn in range(2 * TURNS + 1):
        recorder = _start(config) if turn % 2 else None
        _wait(node, _SETTLE)
        rate, cpu = _rate(node, seconds, config)
        if recorder is not None:
            recorder.send_signal(signal.SIGINT)
            recorder.wait(_TIMEOUT)
        turns.append({'recording': bool(turn % 2), 'rate': rate, 'cpu_ms': cpu})
    return turns


def _wait(node: Node, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        rclpy.spin_once(node, timeout_sec=0.1)


def _start(config: str) -> subprocess.Popen[bytes]:
    spec = node_of('recorder')
    log = Path(tempfile.mkstemp(prefix='recorder_', suffix='.log', dir=Path(config).parent)[1])
    words = ['nice', '-n', str(spec.nice), *command(spec), *ros_arguments(spec, config)]
    with log.open('wb') as output:
        process = subprocess.Popen(words, stdout=output, stderr=subprocess.STDOUT)
    deadline = time.monotonic() + _TIMEOUT
    while f': {READY}' not in log.read_text(encoding='utf-8', errors='replace'):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            sys.exit(f'the recorder did not start: {log.read_text(encoding="utf-8")}')
        time.sleep(0.05)
    return process


if __name__ == '__main__':
    main()
