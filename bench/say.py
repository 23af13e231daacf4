"""Tell the user how far the benchmark is."""

from __future__ import annotations

import sys


def say(line: str) -> None:
    """Write a line to standard error at once."""
    print(line, file=sys.stderr, flush=True)
