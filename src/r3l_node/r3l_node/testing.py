# SPDX-License-Identifier: Apache-2.0
"""What node tests share: a graph of its own on one executor, and waiting with a timeout."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
import json
import os
from pathlib import Path
import tempfile
import time
from typing import TypeVar

from r3l_node.core.domain import reserve_domain
from r3l_node.nodes.main import make_executor
import rclpy
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

N = TypeVar('N', bound=Node)
Parameters = Mapping[str, Mapping[str, object]]


class Graph:
    """Nodes under test and their probes on one executor."""

    def __init__(self) -> None:
        """Create the executor; use :func:`graph` instead."""
        self.executor = make_executor()
        self._nodes: list[Node] = []

    def add(self, node: N) -> N:
        """Spin a node along and destroy it at the end."""
        self._nodes.append(node)
        self.executor.add_node(node)
        return node

    def probe(self, name: str = 'probe') -> Node:
        """Add an empty node to publish and subscribe with."""
        return self.add(Node(name))

    def spin_until(self, condition: Callable[[], object], timeout: float = 5.0) -> None:
        """
        Run callbacks until a condition holds.

        :param condition: looked at after every callback.
        :param timeout: longest wait [s].
        :raises TimeoutError: if the condition does not hold by then.
        """
        end = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError(f'condition does not hold after {timeout} s')
            self.executor.spin_once(timeout_sec=0.02)

    def spin_for(self, duration: float) -> None:
        """Run callbacks for some seconds, to show that something does not happen."""
        end = time.monotonic() + duration
        while time.monotonic() < end:
            self.executor.spin_once(timeout_sec=0.02)

    def remove(self, node: Node) -> None:
        """Close and destroy one node, as its process would."""
        self._nodes.remove(node)
        self._close(node)
        self.executor.remove_node(node)
        # The events executor lets go of a node's subscriptions in its next turn.
        self.executor.spin_once(timeout_sec=0.0)
        node.destroy_node()

    def close(self) -> None:
        """Close and destroy all nodes."""
        for node in self._nodes:
            self._close(node)
            self.executor.remove_node(node)
        self.executor.shutdown(timeout_sec=1.0)
        for node in self._nodes:
            node.destroy_node()
        self._nodes.clear()

    @staticmethod
    def _close(node: Node) -> None:
        close = getattr(node, 'close', None)
        if close is not None:
            close()


@contextmanager
def graph(parameters: Parameters | None = None, domain: int | None = None) -> Iterator[Graph]:
    """
    Provide a graph in a domain that no other test uses, on loopback only.

    :param parameters: node name to parameter name to value, as a parameter file has them.
    :param domain: ROS domain to use; None reserves one.
    """
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    with reserve_domain() as reserved, tempfile.TemporaryDirectory() as folder:
        rclpy.init(
            args=_arguments(Path(folder), parameters or {}),
            domain_id=reserved if domain is None else domain,
            signal_handler_options=SignalHandlerOptions.NO,
        )
        nodes = Graph()
        try:
            yield nodes
        finally:
            nodes.close()
            rclpy.try_shutdown()


def _arguments(folder: Path, parameters: Parameters) -> list[str]:
    if not parameters:
        return []
    file = folder / 'parameters.yaml'
    # The parser of rcl reads YAML, and JSON is YAML.
    content = {f'/**/{node}': {'ros__parameters': dict(v)} for node, v in parameters.items()}
    file.write_text(json.dumps(content), encoding='utf-8')
    return ['--ros-args', '--params-file', str(file)]
