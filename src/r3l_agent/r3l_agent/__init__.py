# SPDX-License-Identifier: Apache-2.0
"""Soft actor-critic, novelty and the alternation of task and perturbation policies."""
