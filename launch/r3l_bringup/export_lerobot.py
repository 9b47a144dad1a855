# SPDX-License-Identifier: Apache-2.0
"""
A LeRobotDataset, version 3.0 of its format, of what a hand experienced.

It is written with pyarrow and not with the package ``lerobot``, which pins other versions of
PyTorch and NumPy than ours. Images stay as they were: PNG within the tables, no video.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from r3l_bag.core.experience import Experience
from r3l_bringup.export_frames import Arrays, columns_of, episodes_of, tasks_of
from r3l_bringup.export_stats import image_stats, Stats, value_stats
from r3l_node.core.errors import ConfigError

VERSION = 'v3.0'
CAMERA = 'observation.images.camera'
_FILE = 'chunk-{chunk_index:03d}/file-{file_index:03d}'
_FILE_BYTES = 80e6  # of a table; readers expect at most 100 MB
_FILES_PER_CHUNK = 1000
_GROUP = 1000  # frames of a row group, or a few more: whole episodes
_TABLE, _SNAPPY = '.parquet', 'snappy'


def write_dataset(experience: Experience, rewards: NDArray[np.float32] | None, out: Path) -> str:
    """
    Write a dataset.

    :param rewards: of each image, shape (n,); None: not known.
    :param out: folder to make.
    :return: a few words about what was written.
    :raises ConfigError: if pyarrow is not installed.
    """
    _pyarrow()
    episodes = episodes_of(experience)
    columns = columns_of(experience, rewards, episodes)
    tasks = tasks_of(experience, episodes)
    names = list(dict.fromkeys(tasks))
    task_index = [names.index(task) for task in tasks]
    lengths = [end - begin for begin, end in episodes]
    columns['task_index'] = np.repeat(np.asarray(task_index, dtype=np.int64), lengths)
    (out / 'meta').mkdir(parents=True)
    files = _write_data(columns, experience.image, episodes, out)
    _write_tasks(names, out / 'meta' / 'tasks.parquet')
    _write_episodes(columns, experience.image, episodes, tasks, files, out)
    stats = {name: value_stats(values) for name, values in columns.items()}
    stats[CAMERA] = image_stats(experience.image)
    _write_json(stats, out / 'meta' / 'stats.json')
    features = _features(columns, experience)
    info = _info(experience, features, len(episodes), len(names))
    _write_json(info, out / 'meta' / 'info.json')
    _write_json(asdict(experience.robot), out / 'meta' / 'r3l.json')
    return f'{len(experience)} frames of {len(episodes)} episodes, {len(names)} tasks'


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise ConfigError(
            'pyarrow is not installed: expected it from requirements/lerobot.txt '
            '(pip install -r requirements/lerobot.txt)'
        ) from None
    return pyarrow


def _features(columns: Arrays, experience: Experience) -> dict[str, Any]:
    joints = list(experience.robot.joint_names)
    named = {'observation.state': joints, 'action': joints}
    size = list(experience.image.shape[1:])
    features: dict[str, Any] = {
        CAMERA: {'dtype': 'image', 'shape': size, 'names': ['height', 'width', 'channels']}
    }
    for name, values in columns.items():
        features[name] = {
            'dtype': str(values.dtype),
            'shape': list(values.shape[1:]) or [1],
            'names': named.get(name),
        }
    return features


def _info(
    experience: Experience, features: dict[str, Any], episodes: int, tasks: int
) -> dict[str, Any]:
    rate = experience.robot.control_rate
    return {
        'codebase_version': VERSION,
        'robot_type': 'dclaw',
        'total_episodes': episodes,
        'total_frames': len(experience),
        'total_tasks': tasks,
        'chunks_size': _FILES_PER_CHUNK,
        'data_files_size_in_mb': 100,
        'video_files_size_in_mb': 200,
        'fps': int(rate) if float(rate).is_integer() else rate,
        'splits': {'train': f'0:{episodes}'},
        'data_path': f'data/{_FILE}{_TABLE}',
        'video_path': None,
        'features': features,
    }


def _write_data(
    columns: Arrays, images: NDArray[np.uint8], episodes: list[tuple[int, int]], out: Path
) -> list[tuple[int, int]]:
    """Write the frames; return chunk and file of every episode."""
    pa = _pyarrow()
    files: list[tuple[int, int]] = []
    writer, number, size = None, 0, 0
    try:
        for group in _groups(episodes):
            begin, end = group[0][0], group[-1][1]
            table = _table(pa, columns, begin, end, [_png(image) for image in images[begin:end]])
            if writer is not None and size + table.nbytes > _FILE_BYTES:
                writer.close()
                writer, number, size = None, number + 1, 0
            chunk, file = divmod(number, _FILES_PER_CHUNK)
            if writer is None:
                path = out / 'data' / (_FILE.format(chunk_index=chunk, file_index=file) + _TABLE)
                path.parent.mkdir(parents=True, exist_ok=True)
                writer = pa.parquet.ParquetWriter(path, table.schema, compression=_SNAPPY)
            writer.write_table(table)
            size += table.nbytes
            files += [(chunk, file)] * len(group)
    finally:
        if writer is not None:
            writer.close()
    return files


def _groups(episodes: list[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    """Gather whole episodes until they are enough frames for a row group."""
    group: list[tuple[int, int]] = []
    for episode in episodes:
        group.append(episode)
        if episode[1] - group[0][0] >= _GROUP:
            yield group
            group = []
    if group:
        yield group


def _png(image: NDArray[np.uint8]) -> bytes:
    good, data = cv2.imencode('.png', np.ascontiguousarray(image[..., ::-1]))
    if not good:
        raise ValueError(f'an image of shape {image.shape} could not be encoded')
    return bytes(data)


def _table(pa: Any, columns: Arrays, begin: int, end: int, pictures: list[bytes]) -> Any:
    kind = pa.struct([('bytes', pa.binary()), ('path', pa.string())])
    found = {CAMERA: pa.array([{'bytes': one, 'path': None} for one in pictures], kind)}
    for name, values in columns.items():
        part = values[begin:end]
        flat = pa.array(np.ascontiguousarray(part).reshape(-1))
        found[name] = (
            flat if part.ndim == 1 else pa.FixedSizeListArray.from_arrays(flat, part.shape[1])
        )
    return pa.table(found)


def _write_tasks(names: list[str], path: Path) -> None:
    """Write what readers look up by position, and take for a pandas table with an index."""
    pa = _pyarrow()
    table = pa.table(
        {'task_index': pa.array(range(len(names)), pa.int64()), 'task': pa.array(names)}
    )
    described = {
        'index_columns': ['task'],
        'column_indexes': [],
        'columns': [
            {'name': 'task_index', 'field_name': 'task_index', 'pandas_type': 'int64',
             'numpy_type': 'int64', 'metadata': None},
            {'name': 'task', 'field_name': 'task', 'pandas_type': 'unicode',
             'numpy_type': 'object', 'metadata': None},
        ],
    }  # fmt: skip
    table = table.replace_schema_metadata({'pandas': json.dumps(described)})
    pa.parquet.write_table(table, path)


def _write_episodes(
    columns: Arrays, images: NDArray[np.uint8], episodes: list[tuple[int, int]],
    tasks: list[str], files: list[tuple[int, int]], out: Path,
) -> None:  # fmt: skip
    pa = _pyarrow()
    rows: list[dict[str, Any]] = []
    for index, ((begin, end), (chunk, file)) in enumerate(zip(episodes, files, strict=True)):
        stats: dict[str, Stats] = {
            name: value_stats(values[begin:end]) for name, values in columns.items()
        }
        stats[CAMERA] = image_stats(images[begin:end])
        rows.append({
            'episode_index': index,
            'tasks': [tasks[index]],
            'length': end - begin,
            'data/chunk_index': chunk,
            'data/file_index': file,
            'dataset_from_index': begin,
            'dataset_to_index': end,
            **{f'stats/{name}/{key}': value for name, found in stats.items()
               for key, value in found.items()},
            'meta/episodes/chunk_index': 0,
            'meta/episodes/file_index': 0,
        })  # fmt: skip
    path = out / 'meta' / 'episodes' / (_FILE.format(chunk_index=0, file_index=0) + _TABLE)
    path.parent.mkdir(parents=True)
    pa.parquet.write_table(pa.Table.from_pylist(rows), path, compression=_SNAPPY)


def _write_json(value: Any, path: Path) -> None:
    path.write_text(json.dumps(value, indent=4) + '\n', encoding='utf-8')
