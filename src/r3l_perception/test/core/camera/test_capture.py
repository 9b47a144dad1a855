# SPDX-License-Identifier: Apache-2.0
"""A camera that vanishes, freezes, goes dark, and comes back."""

from collections.abc import Callable
import threading

import numpy as np
from numpy.typing import NDArray
import pytest
from r3l_node.core.parameters import build, ParameterError
from r3l_perception.core.camera.capture import Capture, Condition, Picture
from r3l_perception.core.camera.config import CameraConfig
from r3l_perception.core.camera.source import EndOfRecording, Frame, SourceError
from r3l_perception.core.camera.thread import CaptureThread

PERIOD = 1 / 30


class FakeCamera:
    """A source whose faults are set from outside; reading it lets a frame's time go by."""

    name = 'fake'

    def __init__(self) -> None:
        self.now = 10.0
        self.present = True
        self.frozen = False
        self.over = False
        self.value: int | None = None  # of all pixels; None: noise
        self.delay = 0.0
        self.shape = (48, 64)
        self.opened = 0
        self._rng = np.random.default_rng(0)
        self._pixels: NDArray[np.uint8] = np.zeros((1, 1, 3), np.uint8)

    def clock(self) -> float:
        return self.now

    def open(self) -> None:
        if not self.present:
            raise SourceError('fake is not there')
        self.opened += 1

    def read(self) -> Frame:
        if self.over:
            raise EndOfRecording('fake is over')
        if not self.present:
            raise SourceError('fake gives no frames any more')
        self.now += PERIOD
        if not self.frozen:
            self._pixels = self._rng.integers(60, 190, (*self.shape, 3), np.uint8)
            if self.value is not None:
                self._pixels = np.full_like(self._pixels, self.value)
                self._pixels[0, 0, 0] = self.opened + int(self.now / PERIOD) % 200
        return Frame(self._pixels, self.now - self.delay)

    def close(self) -> None:
        pass


class Bench:
    """A capture of a fake camera on simulated time."""

    def __init__(self, **parameters: object) -> None:
        self.camera = FakeCamera()
        self.pictures: list[Picture] = []
        config = build(CameraConfig, {'control_rate': 0.0, **parameters}, node='camera')
        self.capture = Capture(config, self.camera, self.pictures.append, self.camera.clock)

    @property
    def condition(self) -> Condition:
        return self.capture.state()[0]

    def run(self, seconds: float) -> None:
        end = self.camera.now + seconds
        while self.camera.now < end:
            pause = self.capture.step()
            self.camera.now += min(pause, max(end - self.camera.now, 1e-6))

    def until(self, holds: Callable[[], object], limit: float = 60.0) -> float:
        begun = self.camera.now
        while not holds():
            self.run(0.01)
            assert self.camera.now - begun < limit
        return self.camera.now - begun


def test_pictures_are_red_green_blue_with_the_stamp_of_their_capture() -> None:
    bench = Bench(image_size=48)
    bench.camera.delay = 0.02
    bench.run(1.0)
    assert bench.condition is Condition.RUNNING
    assert len(bench.pictures) == pytest.approx(30, abs=1)
    last = bench.pictures[-1]
    np.testing.assert_array_equal(last.pixels, bench.camera._pixels[:, 8:56, ::-1])
    assert last.stamp == bench.camera.now - 0.02
    assert bench.capture.rate() == pytest.approx(30, rel=0.01)


@pytest.mark.parametrize('absence', [0.3, 3.0, 100.0])
def test_a_camera_that_vanishes_is_told_and_taken_up_again_within_five_seconds(
    absence: float,
) -> None:
    bench = Bench()
    bench.run(1.0)
    before = len(bench.pictures)
    bench.camera.present = False
    assert bench.until(lambda: bench.condition is Condition.LOST) <= 0.5
    bench.run(absence)
    assert len(bench.pictures) == before
    assert bench.capture.state()[1] == 'fake is not there'
    assert bench.capture.rate() == 0.0
    bench.camera.present = True
    assert bench.until(lambda: len(bench.pictures) > before) <= 1.5
    assert bench.condition is Condition.RUNNING
    assert bench.capture.counts['lost'] == 1
    assert bench.capture.counts['opened'] == 2


def test_a_camera_may_be_plugged_in_later() -> None:
    bench = Bench()
    bench.camera.present = False
    bench.run(10.0)
    assert bench.condition is Condition.LOST
    bench.camera.present = True
    bench.until(lambda: bench.condition is Condition.RUNNING, 2.0)


def test_a_driver_that_hangs_is_told_from_outside() -> None:
    bench = Bench()
    bench.run(1.0)
    bench.camera.now += 0.6  # nobody steps: the thread is in the kernel
    assert bench.condition is Condition.LOST
    assert 'has given no frame for 0.6 s' in bench.capture.state()[1]
    bench.run(0.1)
    assert bench.condition is Condition.RUNNING


def test_no_repeated_frame_is_published_and_a_frozen_camera_is_opened_again() -> None:
    bench = Bench()
    bench.run(1.0)
    before = len(bench.pictures)
    bench.camera.frozen = True
    assert bench.until(lambda: bench.condition is Condition.FROZEN) <= 0.1
    bench.until(lambda: bench.camera.opened == 2, 5.0)
    # It is still frozen: what it shows is no news, and it is not opened all the time.
    bench.run(10.0)
    assert bench.condition is Condition.FROZEN
    assert len(bench.pictures) == before
    assert bench.camera.opened <= 7
    bench.camera.frozen = False
    bench.until(lambda: bench.condition is Condition.RUNNING, 2.0)
    assert bench.capture.counts['duplicated'] > 100


def test_pictures_without_noise_may_repeat_themselves() -> None:
    bench = Bench(expect_change=False)
    bench.camera.frozen = True
    bench.camera._pixels = np.full((48, 64, 3), 90, np.uint8)
    bench.run(1.0)
    assert len(bench.pictures) >= 29
    assert bench.condition is Condition.RUNNING


@pytest.mark.parametrize(
    ('value', 'condition'), [(0, Condition.DARK), (255, Condition.OVEREXPOSED)]
)
def test_nothing_is_published_while_the_light_is_wrong(value: int, condition: Condition) -> None:
    bench = Bench()
    bench.run(1.0)
    before = len(bench.pictures)
    bench.camera.value = value
    bench.run(1.0)
    assert bench.condition is condition
    assert len(bench.pictures) == before
    assert bench.capture.counts[condition.value] >= 29
    bench.camera.value = None
    bench.run(0.1)
    assert bench.condition is Condition.RUNNING


def test_a_scene_with_dark_and_bright_parts_is_neither() -> None:
    bench = Bench()
    bench.run(0.1)
    for value in (12, 240):
        bench.camera.value = value
        bench.run(0.5)
        assert bench.condition is Condition.RUNNING


def test_late_frames_are_dropped_and_counted() -> None:
    bench = Bench(max_age=0.1)
    bench.run(1.0)
    before = len(bench.pictures)
    bench.camera.delay = 0.2
    bench.run(1.0)
    assert len(bench.pictures) == before
    assert bench.condition is Condition.LATE
    assert bench.capture.counts['late'] >= 29


@pytest.mark.parametrize('rate', [1.0, 5.0, 7.0, 10.0, 30.0, 100.0])
def test_the_frames_that_are_published_keep_an_even_beat(rate: float) -> None:
    bench = Bench(control_rate=rate)
    bench.run(10.0)
    expected = min(rate, 30.0)
    assert len(bench.pictures) == pytest.approx(10 * expected, abs=2)
    stamps = np.diff([picture.stamp for picture in bench.pictures])
    assert stamps.min() >= 0.75 / expected - 1e-9 or rate >= 30.0
    assert stamps.max() <= 1 / expected + PERIOD + 1e-9


def test_after_a_gap_the_beat_begins_anew() -> None:
    bench = Bench(control_rate=5.0)
    bench.run(1.0)
    bench.camera.present = False
    bench.run(7.3)
    bench.camera.present = True
    del bench.pictures[:]
    bench.run(3.0)
    assert np.diff([picture.stamp for picture in bench.pictures]).min() >= 0.15


def test_a_crop_that_does_not_fit_is_told_and_not_fatal() -> None:
    bench = Bench(crop=(40, 0, 32, 32))
    bench.run(0.5)
    assert bench.condition is Condition.MISFIT
    assert bench.capture.state()[1].startswith('crop is [40, 0, 32, 32]: expected a part of the')
    bench.camera.shape = (48, 96)
    bench.run(0.5)
    assert bench.condition is Condition.RUNNING


def test_the_end_of_a_recording_is_told() -> None:
    bench = Bench()
    bench.run(0.5)
    bench.camera.over = True
    bench.run(5.0)
    assert bench.capture.state() == (Condition.OVER, 'fake is over')
    assert bench.camera.opened == 1


@pytest.mark.parametrize(
    ('parameters', 'message'),
    [
        ({'crop': [0, 0, 16, 16]}, 'camera: crop is 16x16: expected at least 32x32'),
        ({'warp': [1.0]}, r'camera: warp is \[1.0\]: expected x and y of four corners'),
        ({'pixel_format': 'gif'}, "camera.pixel_format is 'gif': expected 'yuyv'"),
        ({'frame_rate': 5.0}, "no parameter 'frame_rate': did you mean 'framerate'"),
    ],
)
def test_wrong_parameters_are_refused(parameters: dict[str, object], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        build(CameraConfig, parameters, node='camera')


def test_the_thread_steps_until_it_is_stopped_and_keeps_what_ended_it() -> None:
    bench = Bench()
    seen = threading.Event()
    capture = Capture(CameraConfig(), bench.camera, lambda _: seen.set(), bench.camera.clock)
    thread = CaptureThread(capture, threading.Event())
    assert seen.wait(20.0)
    thread.stop(20.0)
    assert thread.error is None

    def fail(_: Picture) -> None:
        raise RuntimeError('a mistake')

    camera = FakeCamera()
    failing = CaptureThread(Capture(CameraConfig(), camera, fail, camera.clock), threading.Event())
    failing._thread.join(20.0)
    failing.stop()
    assert str(failing.error) == 'a mistake'
