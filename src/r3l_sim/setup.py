# SPDX-License-Identifier: Apache-2.0
from setuptools import find_packages, setup

PACKAGE = 'r3l_sim'

setup(
    name=PACKAGE,
    version='0.1.0',
    packages=find_packages(include=[PACKAGE, f'{PACKAGE}.*']),
    package_data={PACKAGE: ['py.typed']},
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{PACKAGE}']),
        (f'share/{PACKAGE}', ['package.xml']),
        (f'share/{PACKAGE}/urdf', ['urdf/dclaw.urdf']),
    ],
    install_requires=['setuptools'],
    zip_safe=False,
    maintainer='R3L maintainers',
    maintainer_email='maintainers@users.noreply.github.com',
    description="Simulated D'Claw: MuJoCo scenes, sim_node and the deployed evaluation.",
    license='Apache-2.0',
    entry_points={
        'console_scripts': [
            'hand_node = r3l_sim.nodes.hand_node:main',
            'sim_node = r3l_sim.nodes.sim_node:main',
            'evaluator_node = r3l_sim.nodes.evaluator_node:main',
        ],
    },
)
