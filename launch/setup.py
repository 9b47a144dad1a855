# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

from setuptools import find_packages, setup

PACKAGE = 'r3l_bringup'
# Each folder of config/ keeps its place under share/r3l_bringup/config.
CONFIG = [
    (
        f'share/{PACKAGE}/{folder}',
        [str(path) for path in sorted(folder.iterdir()) if path.is_file()],
    )
    for folder in (Path('config'), *sorted(Path('config').rglob('*/')))
]

setup(
    name=PACKAGE,
    version='0.1.0',
    packages=find_packages(include=[PACKAGE, f'{PACKAGE}.*']),
    package_data={PACKAGE: ['py.typed']},
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{PACKAGE}']),
        (f'share/{PACKAGE}', ['package.xml']),
        (f'share/{PACKAGE}', [str(path) for path in sorted(Path().glob('*.launch.py'))]),
        (f'share/{PACKAGE}/rviz', ['rviz/view.rviz']),
        (f'share/{PACKAGE}/foxglove', ['foxglove/r3l.json']),
        *CONFIG,
    ],
    install_requires=['setuptools'],
    zip_safe=False,
    maintainer='R3L maintainers',
    maintainer_email='maintainers@users.noreply.github.com',
    description='Graph description, launch files, parameter files and the r3l command.',
    license='Apache-2.0',
    entry_points={
        'console_scripts': [
            'foxglove_node = r3l_bringup.nodes.foxglove_node:main',
            'monitor_node = r3l_bringup.nodes.monitor_node:main',
            'r3l = r3l_bringup.__main__:main',
            'view_node = r3l_bringup.nodes.view_node:main',
        ],
    },
)
