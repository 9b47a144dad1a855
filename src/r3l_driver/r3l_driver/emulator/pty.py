# SPDX-License-Identifier: Apache-2.0
"""
The emulated bus behind a pseudo-terminal, which a driver opens like a USB adapter.

In real time, time passes by the clock, and answers come when their last byte would have come.  In
lockstep, time stands still but for one bus period at each broadcast sync write of goal positions.
"""

from collections.abc import Callable
import contextlib
import heapq
import itertools
import os
from pathlib import Path
import select
import threading
import time
from types import TracebackType
from typing import Self

from r3l_driver.emulator.bus import EmulatedBus
from r3l_driver.emulator.device import Device
from r3l_driver.emulator.faults import Fault, Kind

REAL_TIME_STEP = 0.01  # [s]
# While nobody has the device open, the kernel cannot say when somebody opens it.
_ABSENCE_PERIOD = 0.01  # [s]
# An emulator that was itself held up for longer does not catch up: bus watchdogs would trip that
# the driver has fed in time.
_LONGEST_CATCH_UP = 0.1  # [s]
_LONGEST_WAIT = 0.25  # [s]


class PtyBus:
    """
    Serves an emulated bus at a link to a pseudo-terminal.

    :ivar lock: held while the bus is touched; others hold it to do so.
    """

    def __init__(
        self,
        bus: EmulatedBus,
        link: Path,
        *,
        lockstep: bool = False,
        period: float = REAL_TIME_STEP,
        on_step: Callable[[], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Make the device.

        :param bus: what is behind it.
        :param link: path that the driver opens; replaced where it is a link already.
        :param lockstep: whether time waits for the driver.
        :param period: what time passes by [s]: the bus period in lockstep.
        :param on_step: called in the serving thread after each passing of a period.
        :param clock: of real time [s].
        :raises ConfigError: if something that is no link is at `link`.
        """
        self._port = Device(link)
        self.bus = bus
        self.lock = threading.RLock()
        self._lockstep = lockstep
        self._period = period
        self._on_step = on_step
        self._clock = clock
        self._due: list[tuple[float, int, bytes]] = []
        self._order = itertools.count()
        self._wishes: list[Fault] = []
        self._replug_at: float | None = None
        self._thread: threading.Thread | None = None
        self._stopped = False
        self._wake_out, self._wake_in = os.pipe()
        os.set_blocking(self._wake_in, False)
        os.set_blocking(self._wake_out, False)
        self._last = self._line_free = clock()
        bus.on_plug = self._wish
        if lockstep:
            bus.on_goals = self._step
        self._plug()

    @property
    def connected(self) -> bool:
        """Whether a driver has the device open."""
        return self._port.connected

    @property
    def device(self) -> str:
        """Path of the pseudo-terminal now; empty while it is unplugged."""
        return self._port.name

    @property
    def link(self) -> Path:
        """Path that the driver opens."""
        return self._port.link

    def start(self) -> None:
        """Serve in a thread of its own until `close`."""
        self._thread = threading.Thread(target=self.run, name='emulated bus', daemon=True)
        self._thread.start()

    def run(self) -> None:
        """Serve in this thread until `stop` or `close`."""
        while not self._stopped:
            self.serve()

    def stop(self) -> None:
        """Let `run` return; from any thread."""
        self._stopped = True
        self._wake()

    def close(self) -> None:
        """Stop, and take the device away."""
        self.stop()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        with self.lock:
            self._unplug()
            for descriptor in (self._wake_in, self._wake_out):
                with contextlib.suppress(OSError):
                    os.close(descriptor)
            self._wake_in = self._wake_out = -1
            self.bus.record.flush()

    def __enter__(self) -> Self:
        """Serve in a thread."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()

    def inject(self, fault: Fault) -> None:
        """Let a fault begin now; from any thread."""
        with self.lock:
            self.bus.inject(fault)

    def serve(self) -> None:
        """Wait for something to do, a quarter of a second at most, and do it."""
        with self.lock:
            self._attend()
            wait = self._wait()
            port = self._port.waitable
        waiting = [self._wake_out] if port is None else [self._wake_out, port]
        ready, _, _ = select.select(waiting, [], [], wait)
        if self._wake_out in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(self._wake_out, 64)
        if port is not None and port in ready:
            with self.lock:
                self._receive()

    def _attend(self) -> None:
        """Do what is due."""
        now = self._clock()
        while self._wishes:
            self._plugging(self._wishes.pop(0), now)
        if self._replug_at is not None and now >= self._replug_at:
            self._plug()
        if not self._lockstep:
            if now - self._last > _LONGEST_CATCH_UP:
                self.bus.record.write('late', self.bus.time, by=round(now - self._last, 3))
                self._last = now - self._period
            while now - self._last >= self._period:
                self._last += self._period
                self._step()
        self._deliver(now)
        if not self._port.look():
            # What a driver that came and went at once has sent is on the wire all the same.
            self._receive()

    def _wait(self) -> float:
        """Return how long there is nothing to do [s]."""
        now = self._clock()
        ends = [now + _LONGEST_WAIT]
        if not self._lockstep:
            ends.append(self._last + self._period)
        if self._due:
            ends.append(self._due[0][0])
        if self._replug_at is not None:
            ends.append(self._replug_at)
        if self._port.plugged and not self._port.connected:
            ends.append(now + _ABSENCE_PERIOD)
        return max(0.0, min(ends) - now)

    def _step(self) -> None:
        self.bus.advance(self._period)
        if self._on_step is not None:
            self._on_step()

    def _receive(self) -> None:
        arrival = self._clock()
        data = self._port.read()
        if data is None:
            return
        if not data:
            # The driver has closed it: what was on its way is lost.
            self._due.clear()
            self._line_free = arrival
            self.bus.forget_line()
            return
        self.bus.line_baud = self._port.speed()
        # Bytes of the host wait for those that it sent before.
        begin = max(arrival, self._line_free)
        self._line_free = begin + len(data) * self.bus.timing.byte_time
        for delay, answer in self.bus.feed(data):
            heapq.heappush(self._due, (begin + delay, next(self._order), answer))
        self._deliver(self._clock())

    def _deliver(self, now: float) -> None:
        """Send what has come to its end on the wire."""
        ready = []
        while self._due and self._due[0][0] <= now:
            ready.append(heapq.heappop(self._due)[2])
        if ready:
            self._port.write(b''.join(ready))

    def _wish(self, fault: Fault) -> None:
        """Note an unplugging for the serving thread, which alone may close the device."""
        self._wishes.append(fault)
        self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(OSError):
            os.write(self._wake_in, b'\0')

    def _plugging(self, fault: Fault, now: float) -> None:
        if fault.kind is Kind.REPLUG:
            if not self._port.plugged:
                self._plug()
            return
        self._unplug()
        self._replug_at = None if fault.duration is None else now + fault.duration

    def _plug(self) -> None:
        self._port.plug()
        self._replug_at = None
        self.bus.record.write('plugged', self.bus.time, device=self._port.name)

    def _unplug(self) -> None:
        if not self._port.plugged:
            return
        self._port.unplug()
        self._due.clear()
        self.bus.forget_line()
        self.bus.record.write('unplugged', self.bus.time)
