# SPDX-License-Identifier: Apache-2.0
from setuptools import find_packages, setup

PACKAGE = 'r3l_perception'

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
    description='Camera, and variational auto-encoder that turns its images into latents.',
    license='Apache-2.0',
    entry_points={
        'console_scripts': [
            'camera_node = r3l_perception.nodes.camera_node:main',
            'encoder_node = r3l_perception.nodes.encoder_node:main',
        ],
    },
)
