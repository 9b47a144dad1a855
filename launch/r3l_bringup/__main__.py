# SPDX-License-Identifier: Apache-2.0
"""Entry point of ``r3l`` and of ``python -m r3l_bringup``."""

from __future__ import annotations

import sys


def main() -> None:
    """Run a command; what the user can mend is one sentence and exit code 2."""
    try:
        # Imported here, so that Ctrl-C is as quiet at the start as later.
        from r3l_bringup.cli import app
        from r3l_node.core.errors import ConfigError

        try:
            app()
        except ConfigError as error:
            print(f'r3l: {error}', file=sys.stderr)
            sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == '__main__':
    main()
