# SPDX-License-Identifier: Apache-2.0
from setuptools import find_packages, setup

PACKAGE = 'r3l_bag'

setup(
    name=PACKAGE,
    version='0.1.0',
    packages=find_packages(include=[PACKAGE, f'{PACKAGE}.*']),
    package_data={PACKAGE: ['py.typed']},
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{PACKAGE}']),
        (f'share/{PACKAGE}', ['package.xml']),
    ],
    install_requires=['setuptools'],
    zip_safe=False,
    maintainer='R3L maintainers',
    maintainer_email='maintainers@users.noreply.github.com',
    description='Records a training into MCAP bags; reads, checks and repairs them.',
    license='Apache-2.0',
    entry_points={
        'console_scripts': [
            'player_node = r3l_bag.nodes.player_node:main',
            'recorder_node = r3l_bag.nodes.recorder_node:main',
        ],
    },
)
