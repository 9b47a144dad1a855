# SPDX-License-Identifier: Apache-2.0
"""
Network weights as safetensors bytes: no code is ever executed by reading them.

Format: https://github.com/huggingface/safetensors#format. The writer is our own because the
library orders metadata at random; here equal weights give equal bytes and an equal digest.
"""

from collections.abc import Mapping
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from r3l_node.core.errors import ConfigError
from r3l_node.core.files import write_atomic
from safetensors import SafetensorError
import safetensors.numpy

Tensors = dict[str, NDArray[Any]]

# Larger than any network here, small enough that a bad message cannot fill the memory.
MAX_BYTES = 256 * 1024**2
MAX_HEADER_BYTES = 1024**2
MAX_TENSORS = 4096
MAX_DIMENSIONS = 8
DTYPES = {
    'F64': np.float64,
    'F32': np.float32,
    'F16': np.float16,
    'I64': np.int64,
    'I32': np.int32,
    'U8': np.uint8,
    'BOOL': np.bool_,
}
_NAMES = {np.dtype(dtype): name for name, dtype in DTYPES.items()}


class WeightsError(ConfigError):
    """Bytes that are no weights, or weights of another model."""


def pack(tensors: Mapping[str, NDArray[Any]], metadata: Mapping[str, str]) -> bytes:
    """
    Serialise arrays and a description of the network they belong to.

    :param tensors: name to array of any shape; a dtype of :data:`DTYPES`, finite values.
    :param metadata: text by key, for example the widths of the layers.
    :return: a safetensors file; the same for the same input.
    :raises WeightsError: for a dtype that is not supported or a value that is not finite.
    """
    header: dict[str, Any] = {'__metadata__': dict(sorted(metadata.items()))}
    for key, text in metadata.items():
        if not isinstance(text, str):
            raise WeightsError(f"metadata '{key}' is {text!r}: expected a text")
    chunks: list[bytes] = []
    start = 0
    arrays = {name: np.asarray(array, order='C') for name, array in tensors.items()}
    # Widest elements first keeps every tensor aligned to its element size.
    for name in sorted(arrays, key=lambda name: (-arrays[name].dtype.itemsize, name)):
        array = arrays[name]
        _check(name, array)
        chunks.append(array.tobytes())
        end = start + array.nbytes
        header[name] = {
            'dtype': _NAMES[array.dtype],
            'shape': list(array.shape),
            'data_offsets': [start, end],
        }
        start = end
    encoded = json.dumps(header, separators=(',', ':'), ensure_ascii=False).encode()
    encoded += b' ' * (-len(encoded) % 8)
    return b''.join([len(encoded).to_bytes(8, 'little'), encoded, *chunks])


def unpack(data: bytes | bytearray | memoryview) -> tuple[Tensors, dict[str, str]]:
    """
    Read what :func:`pack` wrote, trusting nothing.

    :param data: a safetensors file.
    :return: arrays by name (writable copies) and the metadata.
    :raises WeightsError: if it is too large, malformed, of another dtype or not finite.
    """
    content = bytes(data)
    metadata = _metadata(content)
    try:
        loaded = safetensors.numpy.load(content)
    except (SafetensorError, KeyError, ValueError, TypeError, OverflowError) as error:
        raise WeightsError(f'not a safetensors file: {error}') from error
    tensors = {name: np.array(array) for name, array in loaded.items()}
    for name, array in tensors.items():
        _check(name, array)
    return tensors, metadata


def digest(data: bytes | bytearray | memoryview) -> str:
    """Return the SHA-256 of some bytes as 64 lower-case hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def save(
    path: str | os.PathLike[str],
    tensors: Mapping[str, NDArray[Any]],
    metadata: Mapping[str, str],
) -> None:
    """Write a safetensors file in one step; see :func:`pack`."""
    write_atomic(path, pack(tensors, metadata))


def load(path: str | os.PathLike[str]) -> tuple[Tensors, dict[str, str]]:
    """
    Read a safetensors file; see :func:`unpack`.

    :raises WeightsError: naming the file, also if it cannot be read.
    """
    try:
        if Path(path).stat().st_size > MAX_BYTES:
            raise WeightsError(f'larger than {MAX_BYTES} bytes')
        return unpack(Path(path).read_bytes())
    except OSError as error:
        raise WeightsError(f'{path} cannot be read: {error.strerror}') from error
    except WeightsError as error:
        raise WeightsError(f'{path}: {error}') from error


def _metadata(content: bytes) -> dict[str, str]:
    if len(content) > MAX_BYTES:
        raise WeightsError(f'{len(content)} bytes of weights: expected at most {MAX_BYTES}')
    size = int.from_bytes(content[:8], 'little')
    if len(content) < 8 or size > min(len(content) - 8, MAX_HEADER_BYTES):
        raise WeightsError(f'not a safetensors file: {len(content)} bytes, header of {size}')
    try:
        header = json.loads(content[8 : 8 + size])
    except (ValueError, RecursionError) as error:
        raise WeightsError('not a safetensors file: the header is not JSON') from error
    if not isinstance(header, dict) or len(header) > MAX_TENSORS:
        raise WeightsError(f'not a safetensors file: expected at most {MAX_TENSORS} tensors')
    metadata = header.pop('__metadata__', {})
    for name, entry in header.items():
        if not isinstance(entry, dict) or str(entry.get('dtype')) not in DTYPES:
            raise WeightsError(f"tensor '{name}' has no dtype of {', '.join(DTYPES)}")
        shape = entry.get('shape')
        if not isinstance(shape, list) or len(shape) > MAX_DIMENSIONS:
            raise WeightsError(f"tensor '{name}' has more than {MAX_DIMENSIONS} dimensions")
    if not isinstance(metadata, dict):
        raise WeightsError('not a safetensors file: the metadata is no mapping')
    return {str(key): str(value) for key, value in metadata.items()}


def _check(name: str, array: NDArray[Any]) -> None:
    if array.dtype not in _NAMES:
        raise WeightsError(f"tensor '{name}' is {array.dtype}: expected {', '.join(DTYPES)}")
    if array.dtype.kind == 'f' and not np.isfinite(array).all():
        raise WeightsError(f"tensor '{name}' holds a value that is not finite")
