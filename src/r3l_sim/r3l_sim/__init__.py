# SPDX-License-Identifier: Apache-2.0
"""Simulated D'Claw with a camera: MuJoCo scenes, sim_node and the deployed evaluation."""
