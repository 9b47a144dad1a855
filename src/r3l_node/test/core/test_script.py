# SPDX-License-Identifier: Apache-2.0
"""Test the parts of ./r3l that need no network: what it says when something is missing."""

import fcntl
import os
from pathlib import Path
import shutil
import subprocess

import pytest

ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Return a workspace in a folder with a space in its name, with nothing prepared."""
    folder = tmp_path / 'a workspace'
    folder.mkdir()
    shutil.copy(ROOT / 'r3l', folder)
    shutil.copytree(ROOT / 'requirements', folder / 'requirements')
    shutil.copy(ROOT / 'colcon.meta', folder)
    for name in ('src', 'launch'):
        (folder / name).mkdir()
    return folder


def run(folder: Path, **variables: str) -> 'subprocess.CompletedProcess[str]':
    return subprocess.run(
        [str(folder / 'r3l'), 'doctor'],
        env={'PATH': os.environ['PATH'], 'HOME': str(folder)} | variables,
        cwd='/',
        text=True,
        capture_output=True,
        timeout=30,
        check=False,
    )


def test_the_script_is_posix_shell_and_executable() -> None:
    script = ROOT / 'r3l'
    assert os.access(script, os.X_OK)
    assert script.read_text(encoding='utf-8').startswith('#!/bin/sh\n')
    subprocess.run(['sh', '-n', str(script)], check=True)


def test_a_missing_python_is_said_and_leaves_no_environment(workspace: Path) -> None:
    result = run(workspace, R3L_PYTHON='/nowhere/python3')
    assert result.returncode == 1
    assert 'r3l: no suitable Python' in result.stderr
    assert 'install Python 3.11 to 3.14' in result.stderr
    assert not (workspace / '.venv').exists()


def test_a_second_start_waits_for_the_first(workspace: Path) -> None:
    (workspace / '.r3l').mkdir()
    with (workspace / '.r3l' / 'lock').open('w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = subprocess.Popen(
            [str(workspace / 'r3l'), 'doctor'],
            env={'PATH': os.environ['PATH'], 'R3L_PYTHON': '/nowhere/python3'},
            text=True,
            stderr=subprocess.PIPE,
        )
        assert process.stderr is not None
        assert 'another ./r3l is preparing this workspace' in process.stderr.readline()
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert 'no suitable Python' in errors


def test_a_sourced_ros_is_explained(workspace: Path, tmp_path: Path) -> None:
    (tmp_path / 'bin').mkdir()
    ros2 = tmp_path / 'bin' / 'ros2'
    ros2.write_text('#!/bin/sh\n')
    ros2.chmod(0o755)
    result = run(
        workspace,
        PATH=f'{tmp_path / "bin"}:{os.environ["PATH"]}',
        AMENT_PREFIX_PATH='/opt/ros/jazzy',
        ROS_DISTRO='jazzy',
        R3L_PYTHON='/nowhere/python3',
    )
    assert 'ROS 2 jazzy is sourced' in result.stderr
    assert 'ros2 launch r3l_bringup train.launch.py' in result.stderr


def test_every_requirement_is_pinned_and_equal_to_its_constraint() -> None:
    folder = ROOT / 'requirements'

    def pins(name: str) -> dict[str, str]:
        lines = (folder / name).read_text(encoding='utf-8').splitlines()
        entries = [line for line in lines if line and not line.startswith(('#', '-c '))]
        assert all('==' in entry for entry in entries), name
        return {
            entry.partition('==')[0].partition('[')[0]: entry.partition('==')[2]
            for entry in entries
        }

    constraints = pins('constraints.txt')
    for name in ('ros.txt', 'base.txt', 'test.txt', 'bench.txt', 'lint.txt'):
        for package, version in pins(name).items():
            assert constraints[package] == version, f'{name}: {package}'
