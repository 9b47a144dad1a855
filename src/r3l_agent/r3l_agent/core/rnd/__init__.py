# SPDX-License-Identifier: Apache-2.0
"""Random network distillation: novelty as a reward (arXiv:1810.12894)."""
