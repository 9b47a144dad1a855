# SPDX-License-Identifier: Apache-2.0
"""The main function of every node: start, spin, stop."""

from collections.abc import Callable, Sequence
import signal
import sys
import threading

import rclpy
from rclpy.executors import Executor, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future

from r3l_node.core.errors import ConfigError

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
CONFIG_EXIT_CODE = 2


def run(make_node: Callable[[], Node], args: Sequence[str] | None = None) -> None:
    """
    Run a node until SIGINT or SIGTERM, then let it save.

    Prints ``ready`` through the node's logger once it is constructed. A node with a method
    ``close`` gets it called while publishers still work. Ends the process with code 2 and one
    sentence on stderr if construction raises a :class:`ConfigError`.

    :param make_node: class of the node, or any function that makes it.
    :param args: command line; None takes that of the process.
    """
    # Blocked in every thread and taken by one that waits for them: no KeyboardInterrupt in the
    # middle of a callback or of a save, and no second one while saving.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    stop = Future()
    threading.Thread(target=_wait_for_signal, args=(stop,), daemon=True).start()
    rclpy.init(
        args=None if args is None else list(args), signal_handler_options=SignalHandlerOptions.NO
    )
    try:
        try:
            node = make_node()
        except ConfigError as error:
            print(error, file=sys.stderr, flush=True)
            sys.exit(CONFIG_EXIT_CODE)
        _spin(node, stop)
    finally:
        rclpy.try_shutdown()


def _wait_for_signal(stop: Future) -> None:
    signal.sigwait(STOP_SIGNALS)
    stop.set_result(None)


def _spin(node: Node, stop: Future) -> None:
    executor = make_executor()
    executor.add_node(node)
    node.get_logger().info('ready')
    try:
        executor.spin_until_future_complete(stop)
    finally:
        close = getattr(node, 'close', None)
        if close is not None:
            close()
        executor.remove_node(node)
        executor.shutdown(timeout_sec=1.0)
        node.destroy_node()


def make_executor() -> Executor:
    """Return the executor that all R3L nodes use."""
    return SingleThreadedExecutor()
