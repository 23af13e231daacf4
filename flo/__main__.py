"""The program ``flo``: Ctrl-C ends it with 130 and without a trace, while it still loads, too."""

from __future__ import annotations

import sys


def main() -> None:
    """Load the command line and run one command."""
    try:
        # Typer and Rich take a third of a second to load where the machine is busy.
        from flo.cli import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
