# SPDX-License-Identifier: Apache-2.0
"""The far end of a bus: one that answers by a script, and emulated servos."""

from collections.abc import Callable, Iterator
import heapq
import os
import select
import threading
import time
import tty

import pytest
from r3l_driver.core.chain import ServoChain
from r3l_driver.core.chain_config import ChainConfig
from r3l_driver.emulator.faults import parse_fault
from r3l_driver.emulator.main import make_bus
from r3l_driver.emulator.pty import PtyBus
from r3l_driver.emulator.wire import Decoder, Packet

# From an instruction to answers, each after a delay [s].
Script = Callable[[Packet], list[tuple[float, bytes]]]


class ScriptedPeer:
    """
    Answers instructions by a script, in a thread.

    :ivar path: of the device to open.
    :ivar seen: instructions so far.
    """

    def __init__(self, script: Script = lambda packet: []) -> None:
        self.script = script
        self.seen: list[Packet] = []
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.path = os.ttyname(self._slave)
        self._wake_out, self._wake_in = os.pipe()
        self._due: list[tuple[float, int, bytes]] = []
        self._vanishing, self._vanished = threading.Lock(), False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def write(self, data: bytes) -> None:
        """Send unasked."""
        os.write(self._master, data)

    def vanish(self) -> None:
        """Go as an adapter does that is unplugged."""
        with self._vanishing:
            if self._vanished:
                return
            os.write(self._wake_in, b'\0')
            self._thread.join()
            # Each once: a number that is free may be that of another file a moment later.
            for descriptor in (self._master, self._slave, self._wake_in, self._wake_out):
                os.close(descriptor)
            self._vanished = True

    def close(self) -> None:
        """Stop; harmless when it has vanished, and while it vanishes in another thread."""
        self.vanish()

    def _run(self) -> None:
        decoder = Decoder()
        while True:
            wait = max(0.0, self._due[0][0] - time.monotonic()) if self._due else None
            ready, _, _ = select.select([self._master, self._wake_out], [], [], wait)
            if self._wake_out in ready:
                return
            if ready:
                for packet in decoder.feed(os.read(self._master, 4096)):
                    self.seen.append(packet)
                    for delay, answer in self.script(packet):
                        due = (time.monotonic() + delay, len(self.seen), answer)
                        heapq.heappush(self._due, due)
            while self._due and self._due[0][0] <= time.monotonic():
                os.write(self._master, heapq.heappop(self._due)[2])


@pytest.fixture
def peer() -> Iterator[ScriptedPeer]:
    """Give a far end whose script the test sets."""
    it = ScriptedPeer()
    yield it
    it.close()


class Bench:
    """Emulated servos without wire times, and a chain that talks to them patiently."""

    def __init__(self, pty: PtyBus) -> None:
        self.pty = pty
        self.emulated = pty.bus
        # Long times: a busy machine must not look like a lost reply.
        self.config = ChainConfig(
            str(pty.link), (11, 12, 21, 22), reply_timeout=0.25, cycle_budget=5.0,
            lower=(-1.0,) * 4, upper=(1.0,) * 4, directions=(1, -1, 1, -1),
            offsets=(0.0, 0.1, -0.2, 0.3), reboot_timeout=20.0, late_reply=0.6,
        )  # fmt: skip
        self.chain = ServoChain(self.config)

    def fault(self, line: str) -> None:
        """Let a fault begin, as typed to ``r3l emulate``."""
        self.pty.inject(parse_fault(line))

    def register(self, number: int, name: str) -> int:
        """Return what stands in a servo, not read over the bus."""
        with self.pty.lock:
            return self.emulated.servo(number).registers.get(name)

    def put(self, number: int, name: str, value: int) -> None:
        """Change what stands in a servo, not over the bus."""
        with self.pty.lock:
            self.emulated.servo(number).registers.put(name, value)


@pytest.fixture
def bench(tmp_path) -> Iterator[Bench]:
    """Give an emulated bus and an open chain that is not set up yet."""
    bus = make_bus((11, 12, 21, 22), timing=False)
    with PtyBus(bus, tmp_path / 'bus') as pty:
        it = Bench(pty)
        it.chain.open()
        yield it
        it.chain.close()
