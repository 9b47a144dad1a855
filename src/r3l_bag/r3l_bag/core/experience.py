# SPDX-License-Identifier: Apache-2.0
"""What a robot experienced, as arrays: from a bag, or from the replay of a run."""

from __future__ import annotations

from dataclasses import dataclass
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from r3l_bag.core.reader import Bag, Message
from r3l_bag.core.robot import Robot, robot_of_config, robot_of_info
from r3l_node.core.errors import ConfigError

__all__ = ['Experience', 'Robot', 'read_experience']

TRANSITION = 'transition'
_RANDOM, _PERTURBATION = 1, 3


@dataclass(frozen=True, slots=True)
class Experience:
    """
    Observations and the actions that answered them, in order.

    Two consecutive rows are a transition if the sequence of the second is one more, it is not
    ``first`` and the one before is not ``last``.

    :param image: uint8, shape (n, height, width, 3), rgb.
    :param joint_position: float32, shape (n, joints) [rad].
    :param previous_action: float32, shape (n, joints), -1 to 1.
    :param action: float32, shape (n, joints), -1 to 1; zeros where ``last``.
    :param policy: uint8, shape (n,): 1 random, 2 task, 3 perturbation.
    :param first: bool, shape (n,): an episode, or a chain after an interruption, begins.
    :param last: bool, shape (n,): an episode ends.
    :param sequence: int64, shape (n,).
    :param episode: uint32, shape (n,).
    :param stamp: int64, shape (n,), of the image [ns]; zeros where it was not kept.
    :param robot: what the rows belong to.
    """

    image: NDArray[np.uint8]
    joint_position: NDArray[np.float32]
    previous_action: NDArray[np.float32]
    action: NDArray[np.float32]
    policy: NDArray[np.uint8]
    first: NDArray[np.bool_]
    last: NDArray[np.bool_]
    sequence: NDArray[np.int64]
    episode: NDArray[np.uint32]
    stamp: NDArray[np.int64]
    robot: Robot

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.sequence)

    @property
    def connected(self) -> NDArray[np.bool_]:
        """Whether each row but the first follows the row before, shape (n - 1,)."""
        together: NDArray[np.bool_] = self.sequence[1:] == self.sequence[:-1] + 1
        return together & ~self.first[1:] & ~self.last[:-1]

    @property
    def transitions(self) -> int:
        """Number of pairs of rows that are a transition."""
        return int(self.connected.sum())


class _Columns:
    """Arrays that grow in place, so that a night of images is in memory once."""

    def __init__(self, robot: Robot) -> None:
        joints, size = len(robot.joint_names), robot.image_size
        self._count, self._room = 0, 1024
        shapes: dict[str, tuple[tuple[int, ...], Any]] = {
            'image': ((size, size, 3), np.uint8),
            'joint_position': ((joints,), np.float32),
            'previous_action': ((joints,), np.float32),
            'action': ((joints,), np.float32),
            'policy': ((), np.uint8),
            'first': ((), np.bool_),
            'last': ((), np.bool_),
            'sequence': ((), np.int64),
            'episode': ((), np.uint32),
            'stamp': ((), np.int64),
        }
        self._arrays: dict[str, NDArray[Any]] = {
            name: np.zeros((self._room, *shape), dtype) for name, (shape, dtype) in shapes.items()
        }

    def append(self, **row: Any) -> None:
        if self._count == self._room:
            self._room = self._room * 3 // 2
            self._resize(self._room)
        for name, value in row.items():
            self._arrays[name][self._count] = value
        self._count += 1

    def cut(self, sequence: int) -> None:
        """Begin a chain anew at a row that was appended already; unknown: nothing to do."""
        rows = np.flatnonzero(self._arrays['sequence'][: self._count] == sequence)
        if rows.size:
            self._arrays['first'][rows[-1]] = True

    def finish(self, robot: Robot) -> Experience:
        self._resize(self._count)
        return Experience(**self._arrays, robot=robot)

    def _resize(self, rows: int) -> None:
        for array in self._arrays.values():
            array.resize((rows, *array.shape[1:]), refcheck=False)


def read_experience(path: Path | str) -> Experience:
    """
    Read what a robot experienced.

    :param path: a bag (see :class:`r3l_bag.core.reader.Bag`), or a run folder; a run without bags
        is read from its replay.
    :raises ConfigError: one sentence, if there is neither or it does not fit together.
    """
    folder = Path(path)
    ring = folder / 'replay' / 'learner'
    has_bag = folder.is_file() or any(
        any(folder.glob(pattern)) for pattern in ('*.mcap', '*/*.mcap', 'bags/*/*.mcap')
    )
    if not has_bag and (ring / 'header.json').exists():
        return _from_ring(folder, ring)
    return _from_bag(Bag(folder))


def _from_bag(bag: Bag) -> Experience:
    topic = bag.find(TRANSITION)
    if topic is None:
        raise ConfigError(f"{bag.path} has no topic '{TRANSITION}': expected a bag of a training")
    config = bag.config
    if bag.info:
        robot = robot_of_info(bag.info, str(bag.path))
    elif config is not None:
        robot = robot_of_config(config, str(bag.path))
    else:
        raise ConfigError(f'{bag.path} does not say which robot it is of: expected a bag of r3l')
    columns = _Columns(robot)
    last_sequence, last_stamp = -1, -1
    for message in bag.messages([topic]):
        row = bag.decode(message)
        # As the learner counts them: an agent without a run folder begins at 0 again.
        new_life = row.first and last_stamp >= 0 and message.stamp > last_stamp
        if row.sequence <= last_sequence and not new_life:
            if row.interrupted:
                columns.cut(int(row.sequence))
            continue
        last_sequence, last_stamp = int(row.sequence), message.stamp
        columns.append(**_row(row, message, robot, bag.path))
    return columns.finish(robot)


def _row(row: Any, message: Message, robot: Robot, path: Path) -> dict[str, Any]:
    joints = len(robot.joint_names)
    for name in ('joint_position', 'previous_action', 'action'):
        values = getattr(row, name)
        if values.shape != (joints,) or not np.isfinite(values).all():
            raise ConfigError(
                f'{path}: {name} of transition {row.sequence} has {values.size} values: expected '
                f'{joints} finite ones'
            )
    if not _RANDOM <= row.policy <= _PERTURBATION:
        raise ConfigError(
            f'{path}: policy of transition {row.sequence} is {row.policy}: expected 1 to 3'
        )
    return {
        'image': image_pixels(row.image, robot.image_size, f'{path}: transition {row.sequence}'),
        'joint_position': row.joint_position,
        'previous_action': row.previous_action,
        'action': row.action,
        'policy': row.policy,
        'first': row.first or row.interrupted,
        'last': row.last,
        'sequence': row.sequence,
        'episode': row.episode,
        'stamp': message.stamp,
    }


def image_pixels(image: Any, size: int | None, where: str = 'image') -> NDArray[np.uint8]:
    """
    Return the pixels of a decoded ``sensor_msgs/msg/Image``.

    :param image: from :meth:`r3l_bag.core.reader.Bag.decode`; rgb8 or bgr8.
    :param size: the side to expect [px]; None: any.
    :param where: how an error names the image.
    :return: uint8, shape (height, width, 3), red first; a view where that is possible.
    :raises ConfigError: if it does not fit.
    """
    if image.encoding not in ('rgb8', 'bgr8'):
        raise ConfigError(f"{where}: encoding is '{image.encoding}': expected rgb8 or bgr8")
    height, width, step = image.height, image.width, image.step
    if size is not None and (height, width) != (size, size):
        raise ConfigError(f'{where} has {height}x{width} pixels: expected {size}x{size}')
    if step < 3 * width or image.data.size != height * step or not image.data.size:
        raise ConfigError(f'{where} has {image.data.size} bytes: expected {height * step}')
    pixels: NDArray[np.uint8] = image.data.reshape(height, step)[:, : 3 * width]
    pixels = pixels.reshape(height, width, 3)
    return pixels if image.encoding == 'rgb8' else pixels[..., ::-1]


def _from_ring(run: Path, ring: Path) -> Experience:
    try:
        config = (run / 'config.yaml').read_text(encoding='utf-8')
        header = json.loads((ring / 'header.json').read_text(encoding='utf-8'))
        total = int(np.load(ring / 'count.npy', allow_pickle=False)[0])
        capacity = int(header['capacity'])
        wanted = ('image', 'joint_position', 'previous_action', 'action', 'policy', 'first',
                  'last', 'sequence')  # fmt: skip
        slots = np.arange(max(0, total - capacity), total) % capacity
        rows: dict[str, NDArray[Any]] = {
            name: np.load(ring / f'{name}.npy', mmap_mode='r', allow_pickle=False)[slots]
            for name in wanted
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f'{ring} cannot be read: {error}') from error
    robot = robot_of_config(config, str(run))
    size, joints = robot.image_size, len(robot.joint_names)
    if rows['image'].shape[1:] != (size, size, 3) or rows['joint_position'].shape[1:] != (joints,):
        raise ConfigError(
            f'{ring} keeps images of shape {rows["image"].shape[1:]} and '
            f'{rows["joint_position"].shape[1:]} joint positions: expected {(size, size, 3)} and '
            f'{(joints,)}, as of a hand with a camera'
        )
    # A replay keeps positions in units of the command range.
    low, high = (np.asarray(limit) for limit in (robot.joint_low, robot.joint_high))
    position = low + (rows['joint_position'].astype(np.float64) + 1) / 2 * (high - low)
    begins = rows['first'].copy()
    begins[:1] = True
    return Experience(
        **(rows | {
            'joint_position': position.astype(np.float32),
            'sequence': rows['sequence'].astype(np.int64),
        }),
        # Not kept there: chains are counted instead.
        episode=(np.cumsum(begins) - 1).astype(np.uint32),
        stamp=np.zeros(len(slots), np.int64),
        robot=robot,
    )  # fmt: skip
