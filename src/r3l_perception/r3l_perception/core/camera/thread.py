# SPDX-License-Identifier: Apache-2.0
"""Captures beside the callbacks of the node."""

from __future__ import annotations

import threading

from r3l_perception.core.camera.capture import Capture


class CaptureThread:
    """Steps a capture for ever, in a thread of its own."""

    def __init__(self, capture: Capture, stopped: threading.Event) -> None:
        """
        Start.

        :param capture: used by this thread alone from now on.
        :param stopped: ends the thread once it is set; waits in the source should end with it.
        """
        self._capture = capture
        self._stopped = stopped
        self.error: Exception | None = None
        # A daemon: a driver that hangs in the kernel must not keep the process alive.
        self._thread = threading.Thread(target=self._run, name='capture', daemon=True)
        self._thread.start()

    def stop(self, timeout: float = 2.0) -> None:
        """
        End the thread after its current step.

        :param timeout: longest wait [s].
        """
        self._stopped.set()
        self._thread.join(timeout)

    def _run(self) -> None:
        try:
            while not self._stopped.is_set():
                pause = self._capture.step()
                if pause > 0.0:
                    self._stopped.wait(pause)
            self._capture.close()
        except Exception as error:
            self.error = error
