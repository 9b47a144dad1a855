# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the tests of r3l_bringup."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
import sys
import textwrap

import pytest
from r3l_bringup.process import Program

ProgramMaker = Callable[..., Program]


@pytest.fixture
def program(tmp_path: Path) -> ProgramMaker:
    """Return a function that makes a program from the text of a Python script."""

    def make(name: str, script: str, **options: object) -> Program:
        path = tmp_path / f'{name}.py'
        path.write_text(textwrap.dedent(script), encoding='utf-8')
        # Isolated: the environment of the tests adds a second to the start of every Python.
        return Program(name, [sys.executable, '-I', '-S', str(path)], **options)  # type: ignore[arg-type]

    return make
