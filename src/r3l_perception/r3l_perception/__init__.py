# SPDX-License-Identifier: Apache-2.0
"""Variational auto-encoder that turns camera images into latents, and its node."""
