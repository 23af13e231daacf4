"""The help of each command: there at once, and with an example that can be typed."""

from __future__ import annotations

import resource
import subprocess

import pytest

from tests.commands import Path, every_command, understand
from tests.processes import BIN

BAR_SECONDS = 0.3


def ask(path: Path) -> tuple[str, float]:
    """Print a command's help as a user does; return it with the seconds of the processor.

    These are the seconds that it takes on a machine that does nothing else: it waits for nothing.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [BIN / "flo", *path, "--help"], capture_output=True, text=True, timeout=60, check=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.stderr == ""
    return done.stdout, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.parametrize("path", every_command(), ids=lambda path: " ".join(path) or "flo")
def test_help_is_quick_and_ends_with_an_example(path: Path) -> None:
    """Help answers in under 0.3 s, at its quickest of twenty, and its last lines can be typed."""
    told, took = ask(path)
    for _ in range(19):
        took = min(took, ask(path)[1]) if took >= BAR_SECONDS else took

    _, found, examples = told.partition("\n  Example:\n")
    assert found, "the help has no example"
    lines = [line.strip() for line in examples.splitlines()]
    assert lines
    used = [each for line in lines for each in understand(line)]
    assert any(each[: len(path)] == path for each in used), "the example is of another command"
    assert took < BAR_SECONDS


@pytest.mark.parametrize("line", ["flo drop", "flo drop a.csv --dryrun", "flo segments --date x"])
def test_an_example_that_is_wrong_would_be_found(line: str) -> None:
    """What a command would refuse is not understood."""
    with pytest.raises(Exception, match=r"(?i)missing|no such option|is no day"):
        understand(line)
