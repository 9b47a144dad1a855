# SPDX-License-Identifier: Apache-2.0
"""Soft actor-critic with critic ensembles (arXiv:1812.05905, arXiv:2302.02948)."""
