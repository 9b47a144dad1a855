# SPDX-License-Identifier: Apache-2.0
"""The monitor on live topics."""

from __future__ import annotations

import json
from pathlib import Path
import threading

from r3l_bringup.nodes.monitor_node import MonitorNode, watch
from r3l_msgs.msg import Metrics
from r3l_node.nodes.qos import METRICS
from r3l_node.testing import graph
from rclpy.duration import Duration

COUNT = 90  # less than the depth of the topic
TIMEOUT = 30.0  # [s]


class Looks(threading.Event):
    """Ends after some looks."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self._left = count

    def wait(self, timeout: float | None = None) -> bool:
        self._left -= 1
        return self._left < 0


def test_a_look_takes_all_that_has_come(tmp_path: Path) -> None:
    with graph({'monitor': {'run': str(tmp_path)}}) as live:
        node, source = MonitorNode(), live.probe()
        publisher = source.create_publisher(Metrics, 'metrics', METRICS)
        live.spin_until(lambda: publisher.get_subscription_count() == 1, TIMEOUT)
        for step in range(COUNT):
            publisher.publish(Metrics(source='x', env_steps=step, names=['a'], values=[1.0]))
        assert publisher.wait_for_all_acked(Duration(seconds=TIMEOUT))
        assert not watch(node, 0.0, Looks(1))
        node.close()
        node.destroy_node()
    lines = (tmp_path / 'metrics.jsonl').read_text(encoding='utf-8').splitlines()
    assert [json.loads(line)['env_steps'] for line in lines] == list(range(COUNT))
