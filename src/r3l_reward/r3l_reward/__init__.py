# SPDX-License-Identifier: Apache-2.0
"""VICE success classifier learned from goal images, and its node."""
