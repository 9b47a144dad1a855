# SPDX-License-Identifier: Apache-2.0
"""Which source the parameters mean."""

from __future__ import annotations

from pathlib import Path
import time

from r3l_node.core.errors import ConfigError
from r3l_perception.core.camera.config import CameraConfig
from r3l_perception.core.camera.device import StreamSource, V4l2Source
from r3l_perception.core.camera.source import Clock, FolderSource, Source, VideoSource, Wait


def choose_source(
    config: CameraConfig, clock: Clock = time.monotonic, wait: Wait = time.sleep
) -> Source:
    """
    Return the source that is asked for; nothing is opened.

    A camera may be missing: it is waited for. A recording may not.

    :param clock: monotonic time [s].
    :param wait: lets time go by between the frames of a recording [s].
    :raises ConfigError: if there is no such recording.
    """
    if not config.source:
        return V4l2Source(config, clock)
    if '://' in config.source:
        return StreamSource(config.source, clock)
    path = Path(config.source).expanduser()
    kind = FolderSource if path.is_dir() else VideoSource if path.is_file() else None
    if kind is None:
        raise ConfigError(
            f"source is '{config.source}': expected a video file, a folder of pictures or a URL "
            'such as rtsp://...; a camera is named by video_device'
        )
    return kind(path, config.framerate, loop=config.loop, clock=clock, wait=wait)
