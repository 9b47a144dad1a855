# SPDX-License-Identifier: Apache-2.0
"""The recorder: everything that a training says, in a bag."""


def main(args: list[str] | None = None) -> None:
    """Run the recorder until it is stopped."""
