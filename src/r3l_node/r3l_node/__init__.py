# SPDX-License-Identifier: Apache-2.0
"""What every R3L node shares: parameters, weight messages, images, QoS, ring files."""
