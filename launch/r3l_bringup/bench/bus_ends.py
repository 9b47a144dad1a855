# SPDX-License-Identifier: Apache-2.0
"""The processes at both ends of the driver while it is measured: servos and a commander."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
import sys
import time
from typing import Any

from r3l_driver.core.control_table import OperatingMode
from r3l_driver.emulator.main import make_bus
from r3l_driver.emulator.pty import PtyBus

_COMMAND_PERIOD = 0.1  # [s]
_SWING, _FREQUENCY = 0.2, 0.5  # of the commands [rad] and [Hz]
_TIMEOUT = 90.0  # [s] until the driver moves
_CPU_FIELDS = slice(11, 13)  # user and system time in /proc/<pid>/stat, behind the name


def emulate(link: Path, baud: int) -> None:
    """Serve nine servos, set up as preflight wants them, until the end of the input."""
    settings = {
        'return_delay_time': 0,
        'operating_mode': int(OperatingMode.CURRENT_BASED_POSITION),
    }
    with PtyBus(make_bus(baud=baud, settings=settings), link):
        print('ready', flush=True)
        sys.stdin.read()


def watch(pid: int, seconds: float) -> dict[str, Any]:
    """
    Command the driver and measure what its process takes.

    :param pid: of the driver.
    :param seconds: of the measurement [s].
    """
    import rclpy

    rclpy.init()
    try:
        watcher = _Watcher()
        watcher.until(lambda: watcher.moving and bool(watcher.figures), _TIMEOUT)
        first, busy, begun = dict(watcher.figures), _cpu_time(pid), time.monotonic()
        watcher.until(lambda: time.monotonic() - begun >= seconds, 2 * seconds + _TIMEOUT)
        share = (_cpu_time(pid) - busy) / (time.monotonic() - begun)
        last = watcher.figures
        watcher.close()
    finally:
        rclpy.try_shutdown()
    return {
        'cpu_share': round(share, 4),
        'jitter_p99_ms': round(last['jitter p99'] * 1e3, 3),
        'cycle_p99_ms': round(last['cycle time p99'] * 1e3, 3),
        'cycles': int(last['cycles'] - first['cycles']),
        'overruns': int(last['overruns'] - first['overruns']),
        'bus_errors': int(last['bus errors'] - first['bus errors']),
    }


def _cpu_time(pid: int) -> float:
    """Return user and system time of a process [s]."""
    text = Path(f'/proc/{pid}/stat').read_text(encoding='utf-8')
    ticks = text.rpartition(')')[2].split()[_CPU_FIELDS]
    return sum(map(int, ticks)) / os.sysconf('SC_CLK_TCK')


class _Watcher:
    """Publishes commands and takes in what the driver says of itself."""

    def __init__(self) -> None:
        from diagnostic_msgs.msg import DiagnosticArray
        from r3l_msgs.msg import SafetyState
        from r3l_node.nodes.main import make_executor
        from r3l_node.nodes.qos import COMMAND, SAFETY, SENSOR_REALTIME
        import rclpy
        from sensor_msgs.msg import JointState
        from trajectory_msgs.msg import JointTrajectory

        self.figures: dict[str, float] = {}
        self.moving = False
        self._names: list[str] = []
        self._moving = (SafetyState.RUN, SafetyState.DEGRADED)
        self._node = rclpy.create_node('bench')
        self._executor = make_executor()
        self._executor.add_node(self._node)
        self._commands = self._node.create_publisher(JointTrajectory, 'joint_command', COMMAND)
        self._node.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, 10)
        self._node.create_subscription(SafetyState, 'driver/safety', self._on_safety, SAFETY)
        # Once is enough: a reader at 100 Hz would cost the time that is measured.
        self._joints = self._node.create_subscription(
            JointState, 'joint_states', self._on_joints, SENSOR_REALTIME
        )
        self._node.create_timer(_COMMAND_PERIOD, self._command)

    def until(self, done: Any, timeout: float) -> None:
        """Serve until something is so."""
        deadline = time.monotonic() + timeout
        while not done():
            self._executor.spin_once(timeout_sec=0.1)
            if time.monotonic() > deadline:
                sys.exit(f'the driver did not move within {timeout:.0f} s')

    def close(self) -> None:
        """End."""
        self._executor.remove_node(self._node)
        self._node.destroy_node()

    def _on_joints(self, msg: Any) -> None:
        self._names = list(msg.name)

    def _on_safety(self, msg: Any) -> None:
        self.moving = msg.state in self._moving

    def _on_diagnostics(self, msg: Any) -> None:
        for status in msg.status:
            found = {pair.key: pair.value for pair in status.values}
            if 'jitter p99' in found:
                self.figures = {key: float(value) for key, value in found.items()}

    def _command(self) -> None:
        from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

        if not self._names:
            return
        if self._joints is not None:
            self._node.destroy_subscription(self._joints)
            self._joints = None
        angle = _SWING * math.sin(2.0 * math.pi * _FREQUENCY * time.monotonic())
        msg = JointTrajectory(joint_names=self._names)
        msg.header.stamp = self._node.get_clock().now().to_msg()
        msg.points = [JointTrajectoryPoint(positions=[angle] * len(self._names))]
        self._commands.publish(msg)


def main() -> None:
    """Be one of the two ends."""
    role, *rest = sys.argv[1:]
    if role == 'emulate':
        emulate(Path(rest[0]), int(rest[1]))
    else:
        print(json.dumps(watch(int(rest[0]), float(rest[1]))))


if __name__ == '__main__':
    main()
