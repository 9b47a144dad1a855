# SPDX-License-Identifier: Apache-2.0
"""Ring of rows in memory-mapped files: experience that outlives the process that wrote it."""

from collections.abc import Mapping
import json
from pathlib import Path
import secrets
import shutil
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from r3l_node.core.errors import ConfigError
from r3l_node.core.files import sync_folder, write_atomic

FORMAT = 'r3l ring 1'
Fields = Mapping[str, tuple[tuple[int, ...], DTypeLike]]


class RingError(ConfigError):
    """A folder that holds no ring, another ring or a broken one."""


class MappedRing:
    """
    The last ``capacity`` rows of a stream, one array per field.

    With a path the arrays are mapped files, so rows survive ``kill -9`` as soon as
    :meth:`append` returns. A process killed inside ``append`` leaves the count as it was; in a
    full ring the oldest row may then be half replaced.
    """

    def __init__(self, path: Path | str | None, capacity: int, fields: Fields) -> None:
        """
        Open the ring at a path, or make it.

        :param path: folder of its own; None keeps the rows in memory only.
        :param capacity: number of rows, at least 1.
        :param fields: name to (shape of one row, dtype).
        :raises RingError: if the folder holds something else than this ring.
        """
        if capacity < 1:
            raise RingError(f'ring capacity is {capacity}: expected at least 1')
        self.capacity = capacity
        self._fields = {
            name: (tuple(shape), np.dtype(dtype)) for name, (shape, dtype) in fields.items()
        }
        self.arrays: dict[str, NDArray[Any]]
        self._mapped: list[np.memmap[Any, Any]] = []
        if path is None:
            # Zeros from the system are committed page by page as rows arrive.
            self.arrays = {
                name: np.zeros((capacity, *shape), dtype)
                for name, (shape, dtype) in self._fields.items()
            }
            self._count: NDArray[np.uint64] = np.zeros(1, np.uint64)
            return
        folder = Path(path)
        if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
            self._create(folder)
        self._open(folder)

    @property
    def count(self) -> int:
        """Number of rows ever appended."""
        return int(self._count[0])

    def __len__(self) -> int:
        """Return the number of rows that can be read."""
        return min(self.count, self.capacity)

    def slot(self, absolute: int) -> int:
        """
        Return where a row lies in the arrays.

        :param absolute: index as returned by :meth:`append`.
        :raises IndexError: if the row is not there yet or was overwritten.
        """
        if not self.count - len(self) <= absolute < self.count:
            raise IndexError(f'row {absolute} of a ring that holds {len(self)} of {self.count}')
        return absolute % self.capacity

    def append(self, **row: Any) -> int:
        """
        Add one row, over the oldest if the ring is full.

        :param row: a value of the declared shape for every field.
        :return: absolute index of the row: 0 for the first ever appended.
        :raises ValueError: if a field is missing, unknown or of another shape.
        """
        if row.keys() != self._fields.keys():
            raise ValueError(f'row of {sorted(row)}: expected {sorted(self._fields)}')
        for name, (shape, _) in self._fields.items():
            if np.shape(row[name]) != shape:
                raise ValueError(f"'{name}' has shape {np.shape(row[name])}: expected {shape}")
        absolute = self.count
        place = absolute % self.capacity
        for name, array in self.arrays.items():
            array[place] = row[name]
        # Last: a row counts only once it is whole.
        self._count[0] = absolute + 1
        return absolute

    def extend(self, **columns: NDArray[Any]) -> None:
        """
        Add many rows; they count once all of them are whole.

        :param columns: rows of the declared shape and type for every field, shape (count, ...).
        :raises ValueError: if a field is missing, unknown, of another shape, or there is no room.
        """
        if columns.keys() != self._fields.keys():
            raise ValueError(f'columns of {sorted(columns)}: expected {sorted(self._fields)}')
        count = len(next(iter(columns.values())))
        if self.count + count > self.capacity:
            raise ValueError(f'{count} more rows: expected {self.capacity - self.count} at most')
        for name, (shape, _) in self._fields.items():
            if columns[name].shape != (count, *shape):
                raise ValueError(
                    f"'{name}' has shape {columns[name].shape}: expected {(count, *shape)}"
                )
        for name, array in self.arrays.items():
            array[self.count : self.count + count] = columns[name]
        self._count[0] = self.count + count

    def flush(self) -> None:
        """Write the mapped pages to the disk, against a power cut."""
        for mapped in self._mapped:
            mapped.flush()

    def _header(self) -> str:
        fields = {name: [list(shape), dtype.str] for name, (shape, dtype) in self._fields.items()}
        return json.dumps(
            {'format': FORMAT, 'capacity': self.capacity, 'fields': fields}, indent=1
        )

    def _create(self, folder: Path) -> None:
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Built beside and renamed, so that an interruption leaves no half-made ring.
        fresh = folder.with_name(f'.{folder.name}.{secrets.token_hex(6)}')
        try:
            fresh.mkdir()
            for name, (shape, dtype) in self._fields.items():
                np.lib.format.open_memmap(
                    fresh / f'{name}.npy', 'w+', dtype, (self.capacity, *shape)
                )
            np.lib.format.open_memmap(fresh / 'count.npy', 'w+', np.dtype(np.uint64), (1,))
            write_atomic(fresh / 'header.json', self._header())
            fresh.rename(folder)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
        sync_folder(folder.parent)

    def _open(self, folder: Path) -> None:
        try:
            header = json.loads((folder / 'header.json').read_text(encoding='utf-8'))
        except (OSError, ValueError) as error:
            raise RingError(f'{folder} holds no ring: header.json cannot be read') from error
        if header != json.loads(self._header()):
            raise RingError(f'{folder} holds another ring: {_difference(header, self._header())}')
        self.arrays = {
            name: self._map(folder / f'{name}.npy', (self.capacity, *shape), dtype)
            for name, (shape, dtype) in self._fields.items()
        }
        self._count = self._map(folder / 'count.npy', (1,), np.dtype(np.uint64))

    def _map(self, path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        try:
            array = np.lib.format.open_memmap(path, 'r+')
        except (OSError, ValueError) as error:
            raise RingError(f'{path} is broken: expected {dtype} of shape {shape}') from error
        if array.shape != shape or array.dtype != dtype:
            raise RingError(
                f'{path} is {array.dtype} of shape {array.shape}: expected {dtype} of {shape}'
            )
        self._mapped.append(array)
        # A plain view: every slice of a np.memmap would be another np.memmap, at 2 us each.
        return array.view(np.ndarray)


def stored_capacity(folder: Path) -> int:
    """
    Return the number of rows that the ring in a folder has room for.

    :param folder: of the ring.
    :raises RingError: if it holds none.
    """
    try:
        header = json.loads((folder / 'header.json').read_text(encoding='utf-8'))
        return int(header['capacity'])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RingError(f'{folder} holds no ring: header.json cannot be read') from error


def go_back(folder: Path, count: int) -> None:
    """
    Forget the newest rows of a ring that nobody has open.

    :param folder: of the ring; nothing is done if there is none.
    :param count: rows ever appended at the time to go back to.
    :raises RingError: if there were fewer.
    """
    path = folder / 'count.npy'
    if not path.exists():
        return
    stored = np.lib.format.open_memmap(path, 'r+')
    if int(stored[0]) < count:
        raise RingError(f'{folder} holds {int(stored[0])} rows: expected at least {count}')
    stored[0] = count
    stored.flush()


def _difference(found: object, expected: str) -> str:
    """Name the first entry in which two headers differ."""
    wanted = json.loads(expected)
    if not isinstance(found, dict):
        return 'its header is no mapping'
    for key, value in wanted.items():
        if found.get(key) != value:
            return f'its {key} is {json.dumps(found.get(key))}, expected {json.dumps(value)}'
    return f'its header has {sorted(found.keys() - wanted.keys())} more'
