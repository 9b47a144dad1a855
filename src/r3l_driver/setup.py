# SPDX-License-Identifier: Apache-2.0
from setuptools import find_packages, setup

PACKAGE = 'r3l_driver'

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
    description='Driver of a hand of Dynamixel servos: limits, watchdogs, an emulated bus.',
    license='Apache-2.0',
    entry_points={
        'console_scripts': [
            'dynamixel_node = r3l_driver.nodes.dynamixel_node:main',
            'external_node = r3l_driver.nodes.external_node:main',
        ],
    },
)
