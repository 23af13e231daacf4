"""The help of each command: there at once, and with an example that can be typed."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import Path as Words
from tests.commands import every_command, understand
from tests.processes import BIN

# How many times as long as loading the library that reads command lines, which takes 0.12 s of an
# idle machine. Times alone say little: machines differ by a factor of two, and so do moments.
BAR = 2.5
# What takes as long to load as all the rest.
HEAVY = {"rich", "pyarrow", "pandas", "numpy", "pyspark", "delta", "hdfs_native"}


def processor_seconds(*command: str | Path) -> float:
    """Run a command, and return the seconds that it took of the processor: it waits for nothing."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, capture_output=True, timeout=60, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_help_is_there_at_once() -> None:
    """It answers within 0.3 s at a yardstick of 0.5 s, told by what a library takes beside it."""
    library = [sys.executable, "-c", "import typer"]
    tried = [(processor_seconds(BIN / "flo", "--help"), processor_seconds(*library))
             for _ in range(10)]  # fmt: skip
    ours, theirs = map(min, zip(*tried, strict=True))
    assert ours < BAR * theirs


@pytest.mark.parametrize("path", every_command(), ids=lambda path: " ".join(path) or "flo")
def test_help_loads_little_and_ends_with_an_example(path: Words) -> None:
    """Help loads nothing that it does not need, and its last lines can be typed."""
    options = ["-X", "importtime", "-c", "from flo.cli import main; main()", *path, "--help"]
    done = subprocess.run(
        [sys.executable, *options], capture_output=True, text=True, timeout=60, check=True
    )
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert not loaded & HEAVY
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
