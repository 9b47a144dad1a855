# SPDX-License-Identifier: Apache-2.0
"""The camera on a real graph: pictures, stamps, calibration, faults, wrong parameters."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
import subprocess
import sys
import threading
from types import SimpleNamespace

import cv2
from diagnostic_msgs.msg import DiagnosticArray
import numpy as np
from numpy.typing import NDArray
import pytest
from r3l_node.core.errors import ConfigError
from r3l_node.nodes import qos
from r3l_node.nodes.images import image_array
from r3l_node.testing import Graph, graph
from r3l_perception.core.camera.geometry import Geometry
from r3l_perception.core.camera.source import Frame, SourceError
from r3l_perception.nodes import camera_node
from r3l_perception.nodes.camera_node import CameraNode
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
import yaml

# A machine with other things to do makes frames late, which is not what is tested.
PATIENT = {'max_age': 30.0, 'lost_after': 20.0, 'control_rate': 0.0, 'framerate': 50.0}
CALIBRATION = {
    'image_width': 64,
    'image_height': 48,
    'camera_name': 'camera',
    'camera_matrix': {'data': [60.0, 0, 32, 0, 61.0, 24, 0, 0, 1]},
    'distortion_model': 'plumb_bob',
    'distortion_coefficients': {'data': [0.1, 0, 0, 0, 0]},
    'rectification_matrix': {'data': [1, 0, 0, 0, 1, 0, 0, 0, 1]},
    'projection_matrix': {'data': [60.0, 0, 32, 0, 0, 61.0, 24, 0, 0, 0, 1, 0]},
}


@pytest.fixture
def pictures(tmp_path: Path) -> dict[int, NDArray[np.uint8]]:
    """Write pictures as a recording; by their number, which the first pixel tells."""
    folder = tmp_path / 'pictures'
    folder.mkdir()
    found = {}
    for number in range(4):
        coarse = np.random.default_rng(number).integers(40, 200, (3, 4, 3), np.uint8)
        pixels = np.asarray(cv2.resize(coarse, (64, 48)), np.uint8)
        cv2.imwrite(str(folder / f'{number}.png'), pixels)
        found[number] = pixels
    return found


class Viewer:
    """Keeps what the camera publishes."""

    def __init__(self, nodes: Graph) -> None:
        self.node = nodes.probe()
        self.images: list[Image] = []
        self.infos: list[CameraInfo] = []
        self.reports: list[DiagnosticArray] = []
        self.node.create_subscription(Image, 'camera/image_raw', self.images.append, qos.SENSOR)
        self.node.create_subscription(
            CameraInfo, 'camera/camera_info', self.infos.append, qos.SENSOR
        )
        self.node.create_subscription(
            DiagnosticArray, '/diagnostics', self.reports.append, qos.DIAGNOSTICS
        )

    def told(self, condition: str) -> Callable[[], bool]:
        """Return whether the newest diagnostics say so."""
        return lambda: (
            bool(self.reports)
            and any(
                value.value == condition
                for value in self.reports[-1].status[0].values
                if value.key == 'condition'
            )
        )


@contextmanager
def running(**parameters: object) -> Iterator[tuple[Graph, Viewer]]:
    source = parameters.pop('node_source', None)
    with graph({'camera': {**PATIENT, **parameters}}) as nodes:
        viewer = Viewer(nodes)
        nodes.add(CameraNode(source))  # type: ignore[arg-type]
        yield nodes, viewer


def test_a_folder_becomes_images_with_stamps_frame_and_camera_info(
    tmp_path: Path, pictures: dict[int, NDArray[np.uint8]]
) -> None:
    with running(source=str(tmp_path / 'pictures')) as (nodes, viewer):
        begun = viewer.node.get_clock().now()
        nodes.spin_until(lambda: len(viewer.images) >= 8, 30.0)
        nodes.spin_until(lambda: len(viewer.infos) >= 8, 30.0)
        now = viewer.node.get_clock().now()
    geometry = Geometry.fit((48, 64), 32)
    expected = [geometry.apply(pixels)[:, :, ::-1] for pixels in pictures.values()]
    stamps = [Time.from_msg(image.header.stamp).nanoseconds for image in viewer.images]
    assert stamps == sorted(set(stamps))
    assert begun.nanoseconds - 10**10 < stamps[0] < stamps[-1] < now.nanoseconds
    for image, info in zip(viewer.images, viewer.infos, strict=False):
        assert image.header == info.header
        assert (image.encoding, image.header.frame_id) == ('rgb8', 'camera_optical_frame')
        assert any(np.array_equal(image_array(image), pixels) for pixels in expected)
        assert (info.width, info.height) == (32, 32)
        assert not info.k.any()


def test_a_calibrated_camera_says_what_became_of_the_full_picture(
    tmp_path: Path, pictures: object
) -> None:
    path = tmp_path / 'camera.yaml'
    path.write_text(yaml.safe_dump(CALIBRATION), encoding='utf-8')
    folder = str(tmp_path / 'pictures')
    with running(
        source=folder, camera_info_url=f'file://{path}', crop=[0, 16, 32, 32], frame_id='eye'
    ) as (nodes, viewer):
        nodes.spin_until(lambda: viewer.infos, 30.0)
    info = viewer.infos[0]
    assert (info.width, info.height, info.header.frame_id) == (64, 48, 'eye')
    roi = info.roi
    assert (roi.x_offset, roi.y_offset, roi.width, roi.height) == (0, 16, 32, 32)
    assert (info.binning_x, info.binning_y, roi.do_rectify) == (1, 1, True)
    np.testing.assert_array_equal(info.k, CALIBRATION['camera_matrix']['data'])  # type: ignore[index]


def test_jpeg_is_published_while_somebody_listens(tmp_path: Path, pictures: object) -> None:
    with running(source=str(tmp_path / 'pictures')) as (nodes, viewer):
        compressed: list[CompressedImage] = []
        viewer.node.create_subscription(
            CompressedImage, 'camera/image_raw/compressed', compressed.append, qos.VIEW
        )
        nodes.spin_until(lambda: compressed, 30.0)
        same = compressed[0].header
        nodes.spin_until(lambda: any(image.header == same for image in viewer.images), 30.0)
    assert compressed[0].format == 'rgb8; jpeg compressed bgr8'
    decoded = cv2.imdecode(np.frombuffer(compressed[0].data, np.uint8), cv2.IMREAD_COLOR)
    image = next(image for image in viewer.images if image.header == same)
    difference = decoded[:, :, ::-1].astype(int) - image_array(image)
    assert np.abs(difference).mean() < 12


class LiveSource:
    """A camera that can be unplugged and frozen, in real time."""

    name = 'live'

    def __init__(self) -> None:
        self.present = threading.Event()
        self.present.set()
        self.frozen = False
        self._pause = threading.Event()
        self._rng = np.random.default_rng(0)
        self._pixels = self._noise()

    def _noise(self) -> NDArray[np.uint8]:
        return self._rng.integers(40, 200, (48, 64, 3), np.uint8)

    def open(self) -> None:
        if not self.present.is_set():
            raise SourceError('live is not there')

    def read(self) -> Frame:
        self._pause.wait(0.02)
        if not self.present.is_set():
            raise SourceError('live gives no frames any more')
        if not self.frozen:
            self._pixels = self._noise()
        return Frame(self._pixels, camera_node.time.monotonic())

    def close(self) -> None:
        pass


def test_a_camera_that_is_lost_or_frozen_is_told_and_publishes_again_when_it_is_back() -> None:
    source = LiveSource()
    with running(node_source=source, reopen_after=0.5) as (nodes, viewer):
        nodes.spin_until(lambda: viewer.images and viewer.told('running')(), 30.0)
        for name in ('lost', 'frozen'):
            source.frozen = name == 'frozen'
            if name == 'lost':
                source.present.clear()
            nodes.spin_until(viewer.told(name), 30.0)
            assert viewer.reports[-1].status[0].level == b'\x02'
            assert viewer.reports[-1].status[0].hardware_id == 'live'
            count = len(viewer.images)
            nodes.spin_for(0.3)
            assert len(viewer.images) == count
            source.frozen = False
            source.present.set()
            nodes.spin_until(lambda: len(viewer.images) > count, 30.0)  # noqa: B023
            nodes.spin_until(viewer.told('running'), 30.0)


def test_a_step_of_the_clock_moves_stamps_only_and_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with running(node_source=LiveSource()) as (nodes, viewer):
        nodes.spin_until(lambda: viewer.images, 30.0)
        node = next(node for node in nodes._nodes if isinstance(node, CameraNode))
        real = node.get_clock()

        def stepped() -> Time:
            return Time(nanoseconds=real.now().nanoseconds - 3600 * 10**9)

        monkeypatch.setattr(node, 'get_clock', lambda: SimpleNamespace(now=stepped))
        count = len(viewer.images)
        nodes.spin_until(lambda: len(viewer.images) > count + 3, 30.0)
        monkeypatch.undo()
        assert node._report()[0].name == 'WARN'
        assert node._report()[2]['clock steps'] == 1
        assert viewer.images[-1].header.stamp.sec < viewer.images[0].header.stamp.sec - 3000


def test_a_mistake_in_another_thread_ends_the_node() -> None:
    source = LiveSource()
    source.open = None  # type: ignore[method-assign,assignment]
    with running(node_source=source) as (nodes, _), pytest.raises(TypeError):
        nodes.spin_until(lambda: False, 10.0)


def test_a_camera_that_is_not_there_is_waited_for(tmp_path: Path) -> None:
    with running(video_device=str(tmp_path / 'video9')) as (nodes, viewer):
        nodes.spin_until(viewer.told('lost'), 30.0)
        assert 'video9 is not there' in viewer.reports[-1].status[0].message


@pytest.mark.parametrize(
    ('parameters', 'message'),
    [
        ({'camera_info_url': 'file:///none.yaml'}, 'expected a file, there is no /none.yaml'),
        ({'camera_info_url': 'http://a/b.yaml'}, 'expected file:// or package://'),
        ({'camera_info_url': 'package://no_such/b.yaml'}, "no package 'no_such'"),
        ({'source': '/no/such.mp4'}, "source is '/no/such.mp4': expected a video file"),
        ({'crop': [0, 0, 10, 10]}, 'camera: crop is 10x10: expected at least 32x32'),
    ],
)
def test_wrong_parameters_are_refused(parameters: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message), running(**parameters):
        pass


def test_a_calibration_for_another_size_of_the_camera_is_refused(tmp_path: Path) -> None:
    path = tmp_path / 'camera.yaml'
    path.write_text(yaml.safe_dump(CALIBRATION), encoding='utf-8')
    with (
        pytest.raises(ConfigError, match='is for 64x48 pixels: expected 640x480'),
        running(camera_info_url=str(path)),
    ):
        pass


def test_the_process_refuses_a_misspelt_parameter_with_code_2() -> None:
    command = [sys.executable, '-m', 'r3l_perception.nodes.camera_node', '--ros-args']
    result = subprocess.run(
        [*command, '-p', 'frame_rate:=5.0'], capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert result.returncode == 2
    expected = "camera has no parameter 'frame_rate': did you mean 'framerate'?"
    assert result.stderr.splitlines()[-1] == expected
