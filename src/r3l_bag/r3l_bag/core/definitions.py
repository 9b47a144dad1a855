# SPDX-License-Identifier: Apache-2.0
"""
Definitions of message types, as bags and viewers want them, from the installed packages.

Read from ``share/PACKAGE/msg`` of the ament prefixes, so that no ROS is imported.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
import json
import os
from pathlib import Path
import re

from r3l_node.core.errors import ConfigError

SEPARATOR = '=' * 80
_BUILTIN = {
    'bool', 'byte', 'char', 'float32', 'float64', 'int8', 'uint8', 'int16', 'uint16', 'int32',
    'uint32', 'int64', 'uint64', 'string', 'wstring',
}  # fmt: skip
_FIELD = re.compile(r'^\s*([A-Za-z][A-Za-z0-9_/]*)(?:<=\d+)?(?:\[[<=\d]*\])?\s+[a-zA-Z]')
_HEADER = re.compile(r'^\s*std_msgs/(?:msg/)?Header\s+header\b')


def definition(type_name: str) -> str:
    """
    Return the definition of a message type and, behind it, of all types within.

    :param type_name: such as ``sensor_msgs/msg/Image``.
    :return: text of schema encoding ``ros2msg``.
    :raises ConfigError: if it is not installed.
    """
    return _definition(type_name, os.environ.get('AMENT_PREFIX_PATH', ''))


def type_hash(type_name: str) -> str:
    """
    Return the hash of a message type (REP 2016), '' where it is not known.

    :param type_name: such as ``sensor_msgs/msg/Image``.
    """
    try:
        file = _file(type_name, _prefixes(os.environ.get('AMENT_PREFIX_PATH', '')), '.json')
        hashes = json.loads(file.read_text(encoding='utf-8'))['type_hashes']
        return next(str(h['hash_string']) for h in hashes if h['type_name'] == type_name)
    except (ConfigError, OSError, ValueError, KeyError, TypeError, StopIteration):
        return ''


def has_header(type_name: str) -> bool:
    """
    Tell whether messages of a type begin with a header, and so with a stamp.

    :param type_name: such as ``sensor_msgs/msg/Image``.
    """
    for line in definition(type_name).splitlines():
        if line.startswith(SEPARATOR):
            return False
        if _FIELD.match(line) and '=' not in line.partition('#')[0]:
            return bool(_HEADER.match(line))
    return False


@cache
def _definition(type_name: str, path: str) -> str:
    prefixes = _prefixes(path)
    own = _text(type_name, prefixes)
    seen, waiting, parts = {type_name}, _inner(type_name, own), [own]
    while waiting:
        name = waiting.pop(0)
        if name in seen:
            continue
        seen.add(name)
        text = _text(name, prefixes)
        package, _, last = name.partition('/msg/')
        parts.append(f'{SEPARATOR}\nMSG: {package}/{last}\n{text}')
        waiting += _inner(name, text)
    return '\n'.join(part.rstrip('\n') for part in parts) + '\n'


def _inner(type_name: str, text: str) -> list[str]:
    """Return the full names of the types of a definition's fields."""
    package = type_name.partition('/')[0]
    found = []
    for line in text.splitlines():
        match = _FIELD.match(line.partition('#')[0])
        if match is None or match[1] in _BUILTIN:
            continue
        owner, _, name = match[1].rpartition('/')
        found.append(f'{owner.removesuffix("/msg") or package}/msg/{name}')
    return found


def _prefixes(path: str) -> list[Path]:
    return [Path(entry) for entry in path.split(os.pathsep) if entry]


def _text(type_name: str, prefixes: Sequence[Path]) -> str:
    return _file(type_name, prefixes, '.msg').read_text(encoding='utf-8')


def _file(type_name: str, prefixes: Sequence[Path], suffix: str) -> Path:
    package, kind, name = (*type_name.split('/'), '', '')[:3]
    for prefix in prefixes if kind == 'msg' else ():
        file = prefix / 'share' / package / 'msg' / f'{name}{suffix}'
        if file.is_file():
            return file
    raise ConfigError(
        f'there is no definition of {type_name} in AMENT_PREFIX_PATH: expected share/{package}/'
        f'msg/{name}{suffix} in one of its folders'
    )
