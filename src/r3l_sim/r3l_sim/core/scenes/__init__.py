# SPDX-License-Identifier: Apache-2.0
"""One module per scene: what stands on the table and where the camera looks from."""
