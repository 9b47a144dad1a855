# SPDX-License-Identifier: Apache-2.0
"""Test what all packages of the workspace have in common."""

import ast
from pathlib import Path
import xml.etree.ElementTree as ET

import pytest

ROOT = Path(__file__).resolve().parents[4]
PACKAGES = [*sorted(file.parent for file in ROOT.glob('src/*/package.xml')), ROOT / 'launch']
PYTHON_PACKAGES = [folder for folder in PACKAGES if (folder / 'setup.py').exists()]
CORE_FILES = sorted(file for folder in PACKAGES for file in folder.glob('*/core/**/*.py'))
ROS = {
    'rclpy', 'rcl_interfaces', 'builtin_interfaces', 'diagnostic_msgs', 'geometry_msgs',
    'r3l_msgs', 'rosgraph_msgs', 'sensor_msgs', 'std_msgs', 'std_srvs', 'trajectory_msgs',
    'launch', 'launch_ros', 'ament_index_python',
}  # fmt: skip


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def setup_arguments(folder: Path) -> dict[str, object]:
    """Return the literal arguments of the call of setup()."""
    tree = ast.parse((folder / 'setup.py').read_text(encoding='utf-8'))
    call = next(
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, 'id', '') == 'setup'
    )
    return {
        keyword.arg: ast.literal_eval(keyword.value)
        for keyword in call.keywords
        if keyword.arg in {'version', 'entry_points', 'license', 'description'}
    }


def test_all_packages_are_found() -> None:
    assert {folder.name for folder in PACKAGES} >= {'r3l_msgs', 'r3l_node', 'r3l_agent', 'launch'}


def test_one_version_for_all_packages() -> None:
    versions = {
        folder: ET.parse(folder / 'package.xml').findtext('version') for folder in PACKAGES
    }
    versions |= {
        folder / 'setup.py': setup_arguments(folder)['version'] for folder in PYTHON_PACKAGES
    }
    assert len(set(versions.values())) == 1, versions


@pytest.mark.parametrize('folder', PACKAGES, ids=name)
def test_a_package_has_licence_readme_and_changelog(folder: Path) -> None:
    manifest = ET.parse(folder / 'package.xml').getroot()
    assert manifest.get('format') == '3'
    assert manifest.findtext('license') == 'Apache-2.0'
    assert (folder / 'README.md').stat().st_size > 0
    title = (folder / 'CHANGELOG.rst').read_text(encoding='utf-8').splitlines()[1]
    assert title == f'Changelog for package {manifest.findtext("name")}'


@pytest.mark.parametrize('folder', PYTHON_PACKAGES, ids=name)
def test_executables_lie_where_ros_looks_and_their_modules_exist(folder: Path) -> None:
    package = ET.parse(folder / 'package.xml').findtext('name')
    config = (folder / 'setup.cfg').read_text(encoding='utf-8')
    assert f'script_dir=$base/lib/{package}' in config
    assert f'install_scripts=$base/lib/{package}' in config
    entries = setup_arguments(folder).get('entry_points', {'console_scripts': []})
    for entry in entries['console_scripts']:
        module, _, function = entry.partition('=')[2].strip().partition(':')
        file = folder / (module.replace('.', '/') + '.py')
        assert file.is_file(), entry
        assert f'def {function}(' in file.read_text(encoding='utf-8'), entry


def test_core_files_are_found() -> None:
    assert len(CORE_FILES) > 10


@pytest.mark.parametrize('file', CORE_FILES, ids=name)
def test_core_knows_no_ros(file: Path) -> None:
    for node in ast.walk(ast.parse(file.read_text(encoding='utf-8'))):
        modules: list[str] = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f'{file}: relative import'
            modules = [node.module or '']
        for module in modules:
            assert module.partition('.')[0] not in ROS, f'{file} imports {module}'
            assert '.nodes' not in module, f'{file} imports {module}'


@pytest.mark.parametrize('folder', PACKAGES, ids=name)
def test_no_pickle_and_no_licence_missing(folder: Path) -> None:
    for file in folder.rglob('*.py'):
        text = file.read_text(encoding='utf-8')
        assert not text.strip() or text.startswith('# SPDX-License-Identifier: Apache-2.0\n'), file
        if 'test' not in file.parts:
            assert 'import pickle' not in text, file
            assert 'torch.load(' not in text, file
            assert 'allow_pickle=True' not in text, file
