"""The program `lc-assets`: an interrupt while it imports its commands ends it with one line too."""

from __future__ import annotations

import sys


def main() -> None:
    """Import the commands, and run the one that the command line names."""
    try:
        from lc_assets.cli.main import main as commands
    except KeyboardInterrupt:
        print("interrupted: it was interrupted -> run it again", file=sys.stderr)
        sys.exit(130)
    commands()
