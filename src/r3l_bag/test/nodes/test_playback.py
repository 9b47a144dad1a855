# SPDX-License-Identifier: Apache-2.0
"""The order in which a bag is handed out, without nodes."""

from pathlib import Path

import numpy as np
import pytest
from r3l_bag.core.answers import Asked, RecordedWeights, stamp_of, values_of, version_of
from r3l_bag.core.names import relative_name, replayed_name
from r3l_bag.core.playback import clock_data, LIMIT, PATIENCE, Playback, Publication, WINDOW
from r3l_bag.core.reader import Bag
from r3l_bag.testing import Recording
from r3l_msgs.msg import Latent
from rclpy.serialization import deserialize_message, serialize_message
from rosgraph_msgs.msg import Clock

IMAGE = 'camera/image_raw'


@pytest.fixture(scope='module')
def bag(tmp_path_factory: pytest.TempPathFactory) -> Bag:
    """Write and open a recording."""
    return Bag(Recording().write(tmp_path_factory.mktemp('bag') / 'a.mcap'))


class Nodes:
    """Answer as the nodes of the recording did; slow to take new weights where asked to."""

    def __init__(self, bag: Bag, slow: int = 0) -> None:
        self.bag = bag
        self.answers = {
            (topic, stamp_of(message.data), version_of(message.data)): message
            for topic in ('latent', 'reward')
            for message in bag.messages([topic])
        }
        self.versions = {'latent': 0, 'reward': 0}
        self.slow = slow
        self.stale = 0
        self.asked: list[int] = []
        self.heard: list[str] = []

    def take(self, playback: Playback, publications: list[Publication], now: float) -> None:
        for publication in publications:
            self.heard.append(publication.topic)
            if publication.topic.endswith('/weights'):
                topic = 'latent' if publication.topic.startswith('encoder') else 'reward'
                message = self.bag.decode(_message(self.bag, publication))
                self.versions[topic] = int(message.version)
                self.stale = self.slow
            elif publication.topic == IMAGE:
                self._answer(playback, stamp_of(publication.data), now)

    def _answer(self, playback: Playback, stamp: int, now: float) -> None:
        self.asked.append(stamp)
        for topic, version in self.versions.items():
            if self.stale > 0:
                self.stale -= 1
                playback.answer(topic, stamp, version - 1, np.zeros(3, np.float32), now)
                continue
            message = self.answers.get((topic, stamp, version))
            # A version that did not answer in the recording says something else.
            values = np.zeros(3, np.float32)
            if message is not None:
                values = values_of(topic, self.bag.decode(message))
            if version or topic == 'latent':
                playback.answer(topic, stamp, version, values, now)


def _message(bag: Bag, publication: Publication):
    found = [m for m in bag.messages([publication.topic]) if m.data == publication.data]
    assert len(found) == 1
    return found[0]


def play(playback: Playback, nodes: Nodes) -> float:
    now = 0.0
    while not playback.finished:
        nodes.take(playback, playback.advance(now), now)
        now += 0.05
        assert now < 100.0
    return now


def whole(bag: Bag, **options: object) -> Playback:
    values = {'rate': 0.0, 'start': bag.start, 'stop': bag.end + 1, **options}
    return Playback(bag, **values)


def test_each_image_meets_the_version_that_answered_it(bag: Bag) -> None:
    playback, nodes = whole(bag, clock=True), Nodes(bag)
    play(playback, nodes)
    assert playback.agreements['latent'].equal == 40
    assert playback.agreements['reward'].equal == 29
    assert nodes.asked == [step * 10**8 for step in range(40)]
    weights = [topic for topic in nodes.heard if topic.endswith('/weights')]
    assert weights == ['encoder/weights', *3 * ['reward/weights']]
    # The clock is set before the image, weights come before the image that they answered.
    first = nodes.heard.index('encoder/weights')
    assert nodes.heard[first + 1 : first + 3] == ['clock', IMAGE]
    assert 'joint_command' not in nodes.heard


def test_an_answer_of_an_older_version_is_asked_for_again(bag: Bag) -> None:
    playback, nodes = whole(bag), Nodes(bag, slow=3)
    play(playback, nodes)
    assert playback.agreements['reward'].equal == 29
    assert all(agreement.good for agreement in playback.agreements.values())
    assert len(nodes.asked) > 40


def test_few_images_are_on_their_way_and_silence_is_counted(bag: Bag) -> None:
    playback = whole(bag)
    out = playback.advance(0.0)
    assert [p.topic for p in out].count(IMAGE) == WINDOW
    assert not playback.advance(PATIENCE / 2)
    assert [p.topic for p in playback.advance(PATIENCE)] == WINDOW * [IMAGE]
    now = PATIENCE
    while not playback.finished:
        now += LIMIT / 2
        playback.advance(now)
    agreement = playback.agreements['latent']
    assert (agreement.unanswered, agreement.compared, agreement.good) == (40, 0, False)


def test_a_rate_spreads_the_messages_over_time(bag: Bag) -> None:
    playback = whole(bag, rate=2.0, answering=())
    images = 0
    for now in np.arange(0.0, 2.5, 0.1):
        images += [p.topic for p in playback.advance(float(now))].count(IMAGE)
        assert abs(images - min(40, now * 20.0)) <= 2
    assert playback.finished


def test_weights_that_were_not_recorded_are_told(bag: Bag) -> None:
    class Without:
        decode, start, end = bag.decode, bag.start, bag.end

        def messages(self, topics=None, start=None, stop=None):
            for message in bag.messages(topics, start, stop):
                if message.topic != '/reward/weights' or self.decode(message).version != 2:
                    yield message

    playback, nodes = whole(Without()), Nodes(bag)
    play(playback, nodes)
    agreement = playback.agreements['reward']
    assert (agreement.equal, agreement.unweighted, agreement.good) == (19, 10, True)
    assert 'not in the bag' in agreement.sentence('reward', '')


def test_an_image_that_was_published_again_is_compared_as_often(bag: Bag) -> None:
    class Twice:
        decode, start, end = bag.decode, bag.start, bag.end

        def messages(self, topics=None, start=None, stop=None):
            late = []
            for message in bag.messages(topics, start, stop):
                if stamp_of(message.data) == 2 * 10**8:
                    yield message
                    late.append(message)
                elif late:
                    yield from late
                    late = []
                yield message

    playback, nodes = whole(Twice()), Nodes(bag)
    play(playback, nodes)
    latents = sum(1 for m in Twice().messages(['latent']))
    assert playback.agreements['latent'].equal == latents > 40


def test_stamp_and_version_are_where_they_are_said_to_be() -> None:
    message = Latent(mean=[1.0, 2.0], model_version=7)
    message.header.frame_id = 'camera'
    message.header.stamp.sec, message.header.stamp.nanosec = 5, 6
    data = serialize_message(message)
    assert (stamp_of(data), version_of(data)) == (5_000_000_006, 7)
    clock = deserialize_message(clock_data(3_000_000_004), Clock)
    assert (clock.clock.sec, clock.clock.nanosec) == (3, 4)


def test_answers_and_weights_are_found_in_any_order(bag: Bag) -> None:
    asked = Asked(bag, 'reward')
    assert len(asked) == 29
    assert [asked.next_version(step * 10**8) for step in (5, 11, 35, 35)] == [None, 1, 3, None]
    weights = RecordedWeights(bag, 'reward/weights')
    for version in (1, 3, 2, 2):
        assert bag.decode(weights.find(version)).version == version
    assert weights.find(9) is None
    assert bag.decode(weights.find(3)).version == 3


@pytest.mark.parametrize(
    ('topic', 'name', 'published'),
    [
        ('/camera/image_raw', 'camera/image_raw', 'camera/image_raw'),
        ('/robot/joint_states', 'joint_states', 'joint_states'),
        ('/robot/joint_command', 'joint_command', 'recorded/joint_command'),
        ('/joint_command', 'joint_command', 'recorded/joint_command'),
        ('/policy/weights', 'policy/weights', 'recorded/policy/weights'),
        ('/something/else', 'something/else', 'recorded/something/else'),
    ],
)
def test_what_a_driver_takes_gets_another_name(topic: str, name: str, published: str) -> None:
    assert relative_name(topic) == name
    assert replayed_name(name) == published


def test_a_folder_of_a_run_is_read(tmp_path: Path) -> None:
    assert len(Asked(Bag(Recording().write_run(tmp_path)), 'latent')) == 40
