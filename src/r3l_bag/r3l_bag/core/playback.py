# SPDX-License-Identifier: Apache-2.0
"""What of a bag is published next, so that each image meets the models that answered it."""

from __future__ import annotations

from dataclasses import dataclass
import struct
from typing import NamedTuple

from r3l_bag.core.answers import Asked, RecordedWeights, Source, stamp_of, Values
from r3l_bag.core.matching import Matching
from r3l_bag.core.names import IMAGE, LATENT, relative_name, replayed_name, REWARD, WEIGHTS
from r3l_bag.core.reader import Message

CLOCK, CLOCK_TYPE = 'clock', 'rosgraph_msgs/msg/Clock'
NANO = 10**9

# Images on their way at a time: the queues of cameras hold ten.
WINDOW = 4
# An image without an answer, or with that of another version, is asked again after so long [s].
PATIENCE, RETRY = 1.0, 0.02
# So long, and no longer [s].
LIMIT = 30.0


class Publication(NamedTuple):
    """A message to be published."""

    topic: str
    type: str
    data: bytes  # CDR


@dataclass(slots=True)
class Question:
    """An image on its way."""

    message: Message
    expected: dict[str, int | None]  # topic -> version of the answer; None: any
    since: float  # when it was first asked [s]
    due: float  # when it is asked again [s]


def clock_data(time: int) -> bytes:
    """
    Serialise a message of ``/clock``.

    :param time: [ns].
    :return: CDR.
    """
    return b'\x00\x01\x00\x00' + struct.pack('<iI', *divmod(time, NANO))


class Playback:
    """
    Hand out the messages of a bag in their order, as time and answers allow.

    Weights are handed out just before the first image that they answered in the recording, and
    only when all answers to the images before are in.

    :param source: the bag.
    :param rate: times real time; 0: as fast as the answers come.
    :param start: log time of the first message [ns].
    :param stop: log time before which to stop [ns].
    :param answering: topics that live nodes answer on, of ``LATENT`` and ``REWARD``.
    :param clock: whether images come with their stamp on ``/clock``.
    """

    def __init__(
        self,
        source: Source,
        *,
        rate: float,
        start: int,
        stop: int,
        answering: tuple[str, ...] = (LATENT, REWARD),
        clock: bool = False,
    ) -> None:
        self._source = source
        self._rate = rate
        self._start = start
        self._clock = clock
        self._answering = answering
        self._asked = {topic: Asked(source, topic, start) for topic in answering}
        self._weights = {topic: RecordedWeights(source, WEIGHTS[topic]) for topic in answering}
        self._versions: dict[str, int] = {}
        self._messages = source.messages(None, start, stop)
        self._late = source.messages(answering, stop)
        self._names: dict[str, str] = {}
        self._next: tuple[Message, dict[str, int | None]] | None = None
        self._questions: dict[int, Question] = {}
        self._matching = Matching(source, answering)
        self._begun: float | None = None
        self.agreements = self._matching.agreements
        self.position = start  # log time reached [ns]
        self.images = 0
        self.finished = False

    @property
    def waiting(self) -> int:
        """Number of images that are not answered yet."""
        return len(self._questions)

    def advance(self, now: float) -> list[Publication]:
        """
        Return what is to be published now, in this order.

        :param now: steady time [s].
        """
        if self._begun is None:
            self._begun = now
        out = self._ask_again(now)
        while not self.finished and len(out) < 100:
            if self._next is None:
                message = next(self._messages, None)
                if message is None:
                    self._end()
                    break
                self._next = message, self._expected(message)
            message, expected = self._next
            if self._is_early(message, now) or self._must_wait(message, expected):
                break
            self._next = None
            self.position = message.time
            out += self._publish(message, expected, now)
        return out

    def answer(self, topic: str, stamp: int, version: int, values: Values, now: float) -> None:
        """
        Take an answer of a live node.

        :param topic: ``LATENT`` or ``REWARD``.
        :param stamp: of the image [ns].
        :param version: of the model.
        :param values: see ``values_of``.
        :param now: steady time [s].
        """
        question = self._questions.get(stamp)
        if question is None or topic not in question.expected:
            return
        wanted = question.expected[topic]
        if wanted is not None and version != wanted:
            # The image was quicker than the weights.
            question.due = min(question.due, now + RETRY)
            return
        del question.expected[topic]
        if wanted is not None:
            self._matching.replayed(topic, stamp, version, values)
        if not question.expected:
            del self._questions[stamp]

    def _expected(self, message: Message) -> dict[str, int | None]:
        """Return what answers an image gets, by topic; empty for what is no image."""
        if self._name(message) != IMAGE:
            return {}
        stamp = stamp_of(message.data)
        expected: dict[str, int | None] = {}
        for topic in self._answering:
            version = self._asked[topic].next_version(stamp)
            if version and self._weights[topic].find(version) is None:
                self.agreements[topic].unweighted += 1
                version = None
            if version is not None or topic == LATENT:
                expected[topic] = version
        return expected

    def _is_early(self, message: Message, now: float) -> bool:
        if not self._rate or self._begun is None:
            return False
        return (message.time - self._start) / NANO > (now - self._begun) * self._rate

    def _must_wait(self, message: Message, expected: dict[str, int | None]) -> bool:
        if not self._questions or self._name(message) != IMAGE:
            return False
        full = len(self._questions) >= WINDOW or stamp_of(message.data) in self._questions
        return full or bool(self._changes(expected))

    def _changes(self, expected: dict[str, int | None]) -> list[tuple[str, int]]:
        return [
            (topic, version)
            for topic, version in expected.items()
            if version and version != self._versions.get(topic)
        ]

    def _publish(
        self, message: Message, expected: dict[str, int | None], now: float
    ) -> list[Publication]:
        name = self._name(message)
        if name in (WEIGHTS[topic] for topic in self._answering):
            return []
        published = [Publication(replayed_name(name), message.type, message.data)]
        if name in self._answering:
            self._matching.recorded(name, message)
        if name != IMAGE:
            return published
        stamp = stamp_of(message.data)
        self.images += 1
        if expected:
            self._questions[stamp] = Question(message, expected, now, now + PATIENCE)
        before = [self._weights_message(*change) for change in self._changes(expected)]
        if self._clock:
            before.append(Publication(CLOCK, CLOCK_TYPE, clock_data(stamp)))
        return before + published

    def _weights_message(self, topic: str, version: int) -> Publication:
        message = self._weights[topic].find(version)
        assert message is not None
        self._versions[topic] = version
        return Publication(WEIGHTS[topic], message.type, message.data)

    def _ask_again(self, now: float) -> list[Publication]:
        out = []
        for stamp, question in list(self._questions.items()):
            if now < question.due:
                continue
            known = [topic for topic, version in question.expected.items() if version is not None]
            if not known or now - question.since > LIMIT:
                for topic in known:
                    self.agreements[topic].unanswered += 1
                del self._questions[stamp]
                continue
            question.due = now + PATIENCE
            message = question.message
            out.append(Publication(IMAGE, message.type, message.data))
        return out

    def _end(self) -> None:
        """Once all answers are in, look for those that were recorded later than the last image."""
        if self._questions:
            return
        for message in self._late:
            if not self._matching.waiting:
                break
            self._matching.recorded(self._name(message), message)
        self.finished = True

    def _name(self, message: Message) -> str:
        name = self._names.get(message.topic)
        if name is None:
            name = self._names[message.topic] = relative_name(message.topic)
        return name
