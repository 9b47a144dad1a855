# SPDX-License-Identifier: Apache-2.0
"""Time of a bus cycle over what the wire itself takes, and what the driver costs at 100 Hz."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import json
from pathlib import Path
import subprocess
import sys
import tempfile
import time
from typing import Any

import numpy as np
from r3l_bringup.domain import graph_environment, run_domain
from r3l_driver.core import packet
from r3l_driver.core.chain import ServoChain
from r3l_driver.core.chain_config import ChainConfig
from r3l_driver.core.port import BITS_PER_BYTE
from r3l_driver.core.state_block import block_address, BLOCK_BYTES
from r3l_node.core.errors import ConfigError
import yaml

BAUDS = (1_000_000, 4_000_000)
BUS_RATE, CONTROL_RATE = 100.0, 10.0  # [Hz]
RETURN_DELAY = 0.0  # [us], of each servo
_WARM_UP = 20  # cycles that do not count
_TIMEOUT = 120.0  # [s]; a busy machine starts slowly


def measure(seconds: float) -> dict[str, Any]:
    """
    Read and write nine emulated servos, whose bytes take as long as on a wire.

    :param seconds: of each measurement [s].
    :return: ``ratio``: median time of a cycle over the time of its bytes, at the worst baud rate.
    """
    by_baud: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix='r3l_bench_') as name:
        folder = Path(name)
        for baud in BAUDS:
            by_baud[str(baud)] = _cycles(folder / 'bus', baud, seconds)
        driver = _driver(folder, seconds)
    figures = {
        'ratio': max(found['ratio'] for found in by_baud.values()),
        'cycles': by_baud,
        'driver': driver,
        'servos': len(ChainConfig('').ids),
        'bytes_per_servo': BLOCK_BYTES,
    }
    _show(figures)
    return figures


def wire_limit(baud: int) -> float:
    """
    Compute the least time of a cycle: one fast sync read and one sync write of goals.

    :return: [s].
    """
    ids = ChainConfig('').ids
    count = (
        len(packet.sync_read(ids, 0, BLOCK_BYTES, fast=True))
        + packet.fast_reply_size(len(ids), BLOCK_BYTES)
        + len(packet.sync_write(0, dict.fromkeys(ids, bytes(4))))
    )
    return count * BITS_PER_BYTE / baud + len(ids) * RETURN_DELAY * 1e-6


@contextmanager
def _emulated(link: Path, baud: int) -> Iterator[None]:
    """Run nine emulated servos in a process of their own, as far away as real ones."""
    command = [sys.executable, '-m', 'r3l_bringup.bench.bus_ends', 'emulate', str(link), str(baud)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        if not process.stdout.readline():
            raise ConfigError('the emulated bus did not start')
        try:
            yield
        finally:
            process.communicate()  # the end of its input is its end


def _cycles(link: Path, baud: int, seconds: float) -> dict[str, float]:
    """Run cycles one after another."""
    config = ChainConfig(
        str(link), baud=baud, return_delay=RETURN_DELAY, reply_timeout=0.5, cycle_budget=5.0
    )
    times: list[float] = []
    with _emulated(link, baud):
        chain = ServoChain(config)
        chain.open()
        chain.configure()
        bare = _bare(chain, min(2.0, seconds))
        busy, end = 0.0, time.perf_counter() + seconds
        while time.perf_counter() < end or len(times) <= _WARM_UP:
            if len(times) == _WARM_UP:
                busy = time.thread_time()
            begun = time.perf_counter()
            readings = chain.read()
            chain.write_goals(np.where(readings.ok, readings.position, 0.0))
            times.append(time.perf_counter() - begun)
        busy = (time.thread_time() - busy) / (len(times) - _WARM_UP)
        failures = int(chain.counters.sum())
        chain.close()
    limit, counted = wire_limit(baud), np.array(times[_WARM_UP:])
    return {
        'ratio': round(float(np.median(counted)) / limit, 3),
        'ratio_p10': round(float(np.percentile(counted, 10)) / limit, 3),
        'limit_ms': round(limit * 1e3, 3),
        'bare_ms': round(bare * 1e3, 3),
        'p50_ms': round(float(np.median(counted)) * 1e3, 3),
        'p99_ms': round(float(np.percentile(counted, 99)) * 1e3, 3),
        'cpu_ms': round(busy * 1e3, 3),
        'failures': failures,
    }


def _bare(chain: ServoChain, seconds: float) -> float:
    """
    Exchange the bytes of a cycle without looking at them: what emulator and kernel take.

    :return: median [s].
    """
    ids, port = chain.config.ids, chain.bus.port
    read = packet.sync_read(ids, block_address(chain.config.table), BLOCK_BYTES, fast=True)
    write = packet.sync_write(98, dict.fromkeys(ids, bytes(1)))  # the watchdog stays off
    size = packet.fast_reply_size(len(ids), BLOCK_BYTES)
    write += bytes(3 * len(ids))  # as many bytes as goals have
    times: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or not times:
        begun, missing = time.perf_counter(), size
        port.send(read)
        port.expect(size)
        while missing > 0 and (received := port.receive()):
            missing -= len(received)
        port.send(write)
        times.append(time.perf_counter() - begun)
    return float(np.median(times))


def _driver(folder: Path, seconds: float) -> dict[str, Any]:
    """Run dynamixel_node with torque and commands, watched from another process."""
    link, baud = folder / 'hand', BAUDS[0]
    parameters = {
        'port': str(link), 'baud_rate': baud, 'bus_rate': BUS_RATE, 'control_rate': CONTROL_RATE,
    }  # fmt: skip
    config_file = folder / 'config.yaml'
    config_file.write_text(
        yaml.safe_dump({'/**/driver': {'ros__parameters': parameters}}), encoding='utf-8'
    )
    node_command = [
        sys.executable, '-c', 'from r3l_driver.nodes.dynamixel_node import main; main()',
        '--ros-args', '--params-file', str(config_file), '--disable-external-lib-logs',
    ]  # fmt: skip
    with run_domain() as domain, _emulated(link, baud):
        environment = graph_environment(domain)
        with subprocess.Popen(
            node_command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        ) as node:
            probe = [
                sys.executable, '-m', 'r3l_bringup.bench.bus_ends', 'watch', str(node.pid),
                str(seconds),
            ]  # fmt: skip
            try:
                done = subprocess.run(
                    probe, env=environment, capture_output=True, text=True,
                    timeout=_TIMEOUT + seconds,
                )  # fmt: skip
            except subprocess.TimeoutExpired as error:
                raise ConfigError('the driver could not be measured in time') from error
            finally:
                node.terminate()
                _, told = node.communicate()
    if done.returncode != 0:
        raise ConfigError(
            f'the driver could not be measured: {done.stderr.strip()} {told.decode().strip()}'
        )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _show(figures: dict[str, Any]) -> None:
    for baud, found in figures['cycles'].items():
        print(
            f'{int(baud) / 1e6:g} Mbaud: cycle {found["p50_ms"]:.3f} ms (p99 '
            f'{found["p99_ms"]:.3f}), wire {found["limit_ms"]:.3f} ms, ratio {found["ratio"]} '
            f'(p10 {found["ratio_p10"]}), without looking at the bytes {found["bare_ms"]:.3f} ms, '
            f'{found["cpu_ms"]:.3f} ms of CPU, '
            f'{found["failures"]} failures'
        )
    driver = figures['driver']
    print(f'driver at {BUS_RATE:g} Hz: {driver["cpu_share"]:.1%} of a core')
    print(
        f'loop: jitter p99 {driver["jitter_p99_ms"]:.3f} ms, cycle p99 '
        f'{driver["cycle_p99_ms"]:.3f} ms, {driver["overruns"]} overruns in {driver["cycles"]} '
        f'cycles'
    )
    print(f'ratio: {figures["ratio"]}')
