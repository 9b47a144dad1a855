# SPDX-License-Identifier: Apache-2.0
"""Array fields of messages, never element by element (a numpy array would cost 100 times more)."""

from array import array
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from r3l_node.core.errors import ConfigError


class MessageError(ConfigError):
    """A message with a value that no correct sender sends; drop it and count it."""


def byte_field(values: NDArray[np.uint8] | bytes) -> 'array[int]':
    """Return what a ``uint8[]`` field takes without looking at every element."""
    data = array('B')
    data.frombytes(values.tobytes() if isinstance(values, np.ndarray) else values)
    return data


def float_field(values: ArrayLike, dtype: str = 'float32') -> 'array[float]':
    """
    Return what a ``float32[]`` or ``float64[]`` field takes without per-element checks.

    :param values: any shape; flattened in C order.
    :param dtype: ``'float32'`` or ``'float64'``, as the field is.
    """
    data: array[float] = array('f' if dtype == 'float32' else 'd')
    data.frombytes(np.asarray(values, dtype).tobytes())
    return data


def float_array(field: Any, size: int | None = None, *, name: str = 'array') -> NDArray[Any]:
    """
    Return a received ``float32[]`` or ``float64[]`` field as an array, checked.

    :param field: the field of the message.
    :param size: the number of elements to expect, if known.
    :param name: how an error names the field.
    :return: shape (n,); a view of the message.
    :raises MessageError: for another size or a value that is not finite.
    """
    values = np.frombuffer(field, field.typecode) if len(field) else np.zeros(0, np.float32)
    if size is not None and values.size != size:
        raise MessageError(f'{name} has {values.size} values: expected {size}')
    if not np.isfinite(values).all():
        raise MessageError(f'{name} holds a value that is not finite')
    return values
