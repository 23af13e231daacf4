"""The help of each command: there at once, and with an example that can be typed."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import Path as Words
from tests.commands import every_command, understand
from tests.processes import BIN

# How many times as long as loading the library that reads command lines: 0.3 s where that takes
# 0.085 s (0.07 to 0.13 s seen). Machines, and moments, differ by a factor of two.
BAR = 3.5
LIBRARY = [sys.executable, "-c", "import typer"]
# What takes as long to load as all the rest.
HEAVY = {"rich", "pyarrow", "pandas", "numpy", "pyspark", "delta", "hdfs_native"}
COMMANDS = every_command()
IDS = [" ".join(path) or "flo" for path in COMMANDS]


def processor_seconds(*command: str | Path) -> float:
    """Run a command, and return the seconds that it took of the processor: it waits for nothing."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, capture_output=True, timeout=60, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.parametrize("path", COMMANDS, ids=IDS)
def test_help_is_there_at_once(path: Words) -> None:
    """It takes 0.3 s at most, told by what a library takes beside it, at its quickest of twenty."""
    ours = theirs = float("inf")
    for _ in range(20):
        ours = min(ours, processor_seconds(BIN / "flo", *path, "--help"))
        theirs = min(theirs, processor_seconds(*LIBRARY))
        if ours < BAR * theirs:
            break
    assert ours < BAR * theirs


@pytest.mark.parametrize("path", COMMANDS, ids=IDS)
def test_help_loads_little_and_ends_with_an_example(path: Words) -> None:
    """Help loads nothing heavy, warns of nothing, and its last lines can be typed."""
    done = subprocess.run(
        [BIN / "flo", *path, "--help"], env={**os.environ, "PYTHONPROFILEIMPORTTIME": "1"},
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    said = done.stderr.splitlines()
    assert not [line for line in said if not line.startswith("import time:")]
    assert not {line.rpartition("|")[2].strip() for line in said} & HEAVY
    _, found, examples = done.stdout.partition("\n  Example:\n")
    assert found, "the help has no example"
    lines = [line.strip() for line in examples.splitlines()]
    assert lines
    used = [each for line in lines for each in understand(line)]
    assert any(each[: len(path)] == path for each in used), "the example is of another command"


@pytest.mark.parametrize("line", ["flo drop", "flo drop a.csv --dryrun", "flo segments --date x"])
def test_an_example_that_is_wrong_would_be_found(line: str) -> None:
    """What a command would refuse is not understood."""
    with pytest.raises(Exception, match=r"(?i)missing|no such option|is no day"):
        understand(line)
