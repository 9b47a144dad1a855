# SPDX-License-Identifier: Apache-2.0
"""The thread in which the learner learns, so that the callbacks of its node stay short."""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
import logging
import threading
from time import monotonic

from r3l_agent.core.replay.buffer import Row
from r3l_agent.core.schedule import Model
from r3l_agent.core.training import Training
from r3l_node.core.weights import WeightsError
import torch

LOG = logging.getLogger(__name__)
IDLE_WAIT = 0.2  # [s]


@dataclass(frozen=True, slots=True)
class Listener:
    """
    What the worker calls, from its own thread.

    :param policy: new policies: version, env step up to which they are trained, safetensors file.
    :param metrics: env steps and scalars by name.
    :param problem: one sentence about something that was dropped or given up.
    """

    policy: Callable[[int, int, bytes], None]
    metrics: Callable[[int, Mapping[str, float]], None]
    problem: Callable[[str], None]


class Worker:
    """
    Take rows and models in order, and make every update that is due.

    In lockstep each row's updates are made before the next row is looked at, so that what is
    learned does not depend on timing. In real time all rows there are come first.

    :param training: used by the worker's thread alone once it runs.
    :param listener: is told what happens.
    """

    def __init__(self, training: Training, listener: Listener) -> None:
        self.training = training
        self.received = training.env_steps
        self.error: Exception | None = None
        self._listener = listener
        self._rows: deque[tuple[Row, int]] = deque()
        self._cuts: deque[int] = deque()
        self._classifiers: deque[Model] = deque()
        self._encoder: Model | None = None
        self._changed = threading.Condition()
        self._changes = 0
        self._stopping = False
        self._waits_since: float | None = None
        self._missed_encoder = 0
        # What was learned after the checkpoint is lost, and the agent waits for it.
        self._episode_done = training.episode_end > training.policy_steps
        self._known = training.policy_version > 0 and training.restored
        self._next_save = monotonic() + training.config.checkpoint_seconds
        self._measured = (monotonic(), training.env_steps, training.learner.updates)
        self._thread = threading.Thread(target=self._run, name='learner', daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def drain(self, stop: Callable[[], bool] = lambda: False) -> None:
        """
        Do all there is to do in the caller's thread; instead of ``start``.

        :param stop: asked before every update; True leaves the rest undone.
        """
        while not stop() and self._turn():
            pass

    def put_row(self, row: Row, encoder_version: int) -> None:
        """Queue one observation."""
        self.received += not row.last
        self._rows.append((row, encoder_version))
        self._wake()

    def put_cut(self, sequence: int) -> None:
        """Hand over the number of a row that a fault has spoilt, before the next update."""
        self._cuts.append(sequence)
        self._wake()

    def put_encoder(self, model: Model) -> None:
        """Hand over the newest encoder."""
        self._encoder = model
        self._wake()

    def put_classifier(self, model: Model) -> None:
        """Queue a classifier."""
        self._classifiers.append(model)
        self._wake()

    def stop(self, timeout: float) -> bool:
        """
        Finish the running update, save, and end the thread.

        :param timeout: longest wait [s].
        :return: false if the thread did not end in time.
        """
        self._stopping = True
        self._wake()
        if self._thread.ident is not None:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _wake(self) -> None:
        with self._changed:
            self._changes += 1
            self._changed.notify()

    def _run(self) -> None:
        torch.set_num_threads(self.training.config.threads)  # Holds for one thread only.
        try:
            if self._known:
                self._publish(self.training.policy_steps)
            while not self._stopping:
                seen = self._changes
                if not self._turn():
                    with self._changed:
                        if seen == self._changes and not self._stopping:
                            self._changed.wait(IDLE_WAIT)
                self._keep_house()
            self._save()
        except Exception as error:
            LOG.exception('the learner failed')
            self.error = error

    def _turn(self) -> bool:
        """Do one thing; return false if there is nothing to do."""
        while self._cuts:
            self.training.interrupt(self._cuts.popleft())
        while self._classifiers:
            self._attempt(self.training.add_classifier, self._classifiers.popleft())
        if self._take_encoder():
            return True
        if not self.training.config.lockstep and self._take_row():
            return True
        if self.training.owed and self._models_known():
            if self._classifier_late():
                return False
            self.training.use_classifier()
            if self.training.learner.ready():
                self.training.update()
                return True
        elif self.training.owed and self.training.config.lockstep and self._known:
            return False  # No classifier yet: later rows must not be among these updates' data.
        if self._episode_done:
            self._episode_done = False
            if self._known:
                self._publish(self.training.episode_end)
            return True
        return self._take_row()

    def _attempt(self, take: Callable[[Model], None], model: Model) -> bool:
        try:
            take(model)
        except ValueError as error:
            self._listener.problem(str(error))
            return False
        return True

    def _take_encoder(self) -> bool:
        """Take a new encoder before the first row that was encoded by it."""
        model = self._encoder
        if model is None or (self._rows and self._rows[0][1] < model.version):
            return False
        self._encoder = None
        if not self._attempt(self.training.set_encoder, model):
            return True
        if not self._known:
            self._known = True
            self._publish(0)
            if self.training.episode_end:
                self._publish(self.training.episode_end)
        return True

    def _take_row(self) -> bool:
        if not self._rows:
            return False
        row, encoder_version = self._rows[0]
        training = self.training
        ahead = encoder_version > training.encoder_version and training.config.lockstep
        if ahead and encoder_version != self._missed_encoder:
            if self._waits('the encoder'):
                return False
            self._missed_encoder = encoder_version
        self._waits_since = None
        self._rows.popleft()
        if training.add(row, encoder_version):
            self._episode_done = True
        return True

    def _models_known(self) -> bool:
        training = self.training
        learner = training.learner
        if learner.oracle:
            return learner.encoder is not None
        return learner.encoder is not None and training.classifiers.newest() is not None

    def _classifier_late(self) -> bool:
        training = self.training
        if training.learner.oracle or not training.config.lockstep:
            return False
        if not training.classifiers.late(training.env_steps):
            return False
        if self._waits('the classifier'):
            return True
        training.classifiers.give_up()
        return False

    def _waits(self, what: str) -> bool:
        """Tell whether to wait a little more for something that should be here."""
        wait = self.training.config.classifier_wait
        if self._waits_since is None:
            self._waits_since = monotonic()
        if monotonic() - self._waits_since < wait:
            return True
        self._waits_since = None
        self._listener.problem(f'{what} is more than {wait:g} s late: going on without')
        return False

    def _publish(self, env_steps: int) -> None:
        try:
            data = self.training.policy(env_steps)
        except WeightsError as error:
            self._listener.problem(f'policy not published: {error}')
            return
        self._listener.policy(self.training.policy_version, env_steps, data)

    def _keep_house(self) -> None:
        now = monotonic()
        if now >= self._next_save:
            self._save()
            self._next_save = now + self.training.config.checkpoint_seconds
        self.measure()

    def measure(self) -> None:
        """Tell the scalars when enough steps have been taken."""
        now, training = monotonic(), self.training
        then, steps, updates = self._measured
        if training.env_steps - steps >= training.config.metrics_steps:
            made = training.learner.updates
            self._measured = (now, training.env_steps, made)
            values = training.learner.metrics() if made else {}
            values |= {
                'time/fps': (training.env_steps - steps) / (now - then),
                'time/updates_per_second': (made - updates) / (now - then),
                'train/update_ratio': training.ratio,
                'replay/size': float(len(training.learner.replay)),
                'replay/queue': float(len(self._rows)),
            }
            self._listener.metrics(training.env_steps, values)

    def _save(self) -> None:
        try:
            self.training.save()
        except WeightsError as error:
            self._listener.problem(f'checkpoint not written: {error}')
