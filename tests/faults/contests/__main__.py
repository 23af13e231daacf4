"""``python -m tests.faults.contests``: many contests for the lock, on an HDFS of their own."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from lake.session import open_file_system
from lake.settings import Settings
from sandbox import Sandbox
from tests.faults.contests.contest import run_contests


def main(arguments: Sequence[str] | None = None) -> int:
    """Hold them, and say what was met how often; the first with two holders ends it with an error.

    Example:
        >>> main(["--contests", "10000"])
        10,000 contests: 1,429 absent, …; never two holders, and one wherever there had to be one.
    """
    parser = argparse.ArgumentParser(prog="tests.faults.contests", description=__doc__)
    parser.add_argument("--contests", type=int, default=10_000, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="flo-contests-") as folder:
        os.environ["FLO_VAR"] = str(Path(folder) / "var")
        os.environ.pop("HADOOP_CONF_DIR", None)
        sandbox = Sandbox(Path(folder) / "var")
        sandbox.up()
        try:
            files = open_file_system(Settings())
            began = time.monotonic()
            seeds = range(options.first, options.first + options.contests)
            settled = run_contests(os.environ, files, seeds)
        finally:
            sandbox.wipe()
    met = ", ".join(f"{count:,} {meeting}" for meeting, count in settled.items())
    seconds = time.monotonic() - began
    print(f"{settled.total():,} contests in {seconds:.0f} s: {met}; never two holders, "
          "and one wherever there had to be one.")  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
