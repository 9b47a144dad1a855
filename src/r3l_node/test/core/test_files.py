# SPDX-License-Identifier: Apache-2.0
"""Test writing in one step."""

import os
from pathlib import Path

import pytest
from r3l_node.core.files import write_atomic


def test_text_and_bytes_are_written_and_replaced(tmp_path: Path) -> None:
    file = tmp_path / 'new' / 'state.json'
    write_atomic(file, 'é')
    assert file.read_bytes() == 'é'.encode()
    write_atomic(file, b'two')
    assert file.read_bytes() == b'two'
    assert [entry.name for entry in file.parent.iterdir()] == ['state.json']


def test_a_failure_keeps_the_old_content_and_leaves_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / 'state.json'
    write_atomic(file, b'old')

    def fail(_: int) -> None:
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(os, 'fsync', fail)
    with pytest.raises(OSError, match='No space'):
        write_atomic(file, b'new')
    assert file.read_bytes() == b'old'
    assert [entry.name for entry in tmp_path.iterdir()] == ['state.json']


def test_the_mode_follows_the_umask(tmp_path: Path) -> None:
    write_atomic(tmp_path / 'a', b'')
    (tmp_path / 'b').touch()
    assert (tmp_path / 'a').stat().st_mode == (tmp_path / 'b').stat().st_mode
