# SPDX-License-Identifier: Apache-2.0
"""Experience of all policies, kept as single observations."""
