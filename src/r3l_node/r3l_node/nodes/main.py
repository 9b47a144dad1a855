# SPDX-License-Identifier: Apache-2.0
"""The main function of every node: start, spin, stop."""

from collections.abc import Callable, Sequence
import os
import signal
import sys
import threading

from r3l_node.core.errors import ConfigError
import rclpy
from rclpy.executors import Executor, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
CONFIG_EXIT_CODE = 2
STOP_CHECK_PERIOD = 0.1  # [s]


def run(make_node: Callable[[], Node], args: Sequence[str] | None = None) -> None:
    """
    Run a node until SIGINT or SIGTERM, then let it save.

    Prints ``ready`` through the node's logger once it is constructed. A node with a method
    ``close`` gets it called while publishers still work. Ends the process: with code 0 after a
    signal, or the node's ``exit_code`` where it has one; with code 2 and one sentence on stderr if
    construction raises a :class:`ConfigError`.

    :param make_node: class of the node, or any function that makes it.
    :param args: command line; None takes that of the process.
    """
    # Blocked in every thread and taken by one that waits for them: no KeyboardInterrupt in the
    # middle of a callback or of a save, and no second one while saving.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    stop = threading.Event()
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
    # Everything is saved. Taking torch down would cost a second, and aborts the process if one
    # of its threads is still at work.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(getattr(node, 'exit_code', 0))


def _wait_for_signal(stop: threading.Event) -> None:
    signal.sigwait(STOP_SIGNALS)
    stop.set()


def _spin(node: Node, stop: threading.Event) -> None:
    executor = make_executor()
    executor.add_node(node)
    node.get_logger().info('ready')
    try:
        spin(executor, stop)
    finally:
        close = getattr(node, 'close', None)
        if close is not None:
            close()
        executor.remove_node(node)
        executor.shutdown(timeout_sec=1.0)
        node.destroy_node()


def spin(executor: Executor, stop: threading.Event) -> None:
    """
    Run callbacks until an event is set.

    Not ``executor.spin()``: the events executor of rclpy 7.1 hangs for good when another thread
    asks its ``spin`` or ``spin_until_future_complete`` to end.
    """
    while not stop.is_set():
        executor.spin_once(timeout_sec=STOP_CHECK_PERIOD)


def make_executor() -> Executor:
    """
    Return the executor that all R3L nodes use.

    The events executor takes a quarter of the processor time per message of the single-threaded
    one (0.12 against 0.5 ms) because it builds no wait set. It knows no guard conditions.
    """
    try:
        from rclpy.experimental.events_executor import EventsExecutor
    except ImportError:  # before rclpy 7.1.5
        return SingleThreadedExecutor()
    return EventsExecutor()
