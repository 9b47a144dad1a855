# SPDX-License-Identifier: Apache-2.0
"""The error that a user of R3L can cause and mend."""


class ConfigError(ValueError):
    """Wrong configuration or input; the message is one sentence for the user."""
