"""The help of each command: there at once, and with an example that can be typed."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from tests.commands import Path as Words
from tests.commands import every_command, understand
from tests.processes import BIN, ROOT

# How many times as long as loading the library that reads command lines: 0.3 s where that takes
# 0.085 s (0.07 to 0.13 s seen). Machines, and moments, differ by a factor of two.
BAR = 3.5
LIBRARY = [sys.executable, "-c", "import typer"]
# What takes as long to load as all the rest.
HEAVY = {"rich", "pyarrow", "pandas", "numpy", "pyspark", "delta", "hdfs_native"}
COMMANDS = every_command()
IDS = [" ".join(path) or "flo" for path in COMMANDS]
# All others are compared with this one, which is started as people start it.
COMPARED = COMMANDS[-1]


def processor_seconds(*command: str | Path) -> float:
    """Run a command, and return the seconds that it took of the processor: it waits for nothing."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert not done.stderr
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@dataclass(frozen=True)
class Shown:
    """A help that was shown in a fork, and the seconds that the fork took of the processor."""

    output: str
    errors: str
    modules: set[str]
    seconds: float


class Helps:
    """A process that shows helps in forks of its own.

    Attributes:
        first: shows a help once, for all tests.
    """

    def __init__(self) -> None:
        self.first = cache(self.show)
        self._process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("help_in_forks.py"), *COMPARED],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, text=True,
        )  # fmt: skip

    def show(self, path: Words) -> Shown:
        """Show a command's help."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{json.dumps(path)}\n")
        self._process.stdin.flush()
        output, errors, modules = json.loads(self._process.stdout.readline())
        status, seconds = json.loads(self._process.stdout.readline())
        assert status == 0
        return Shown(output, errors, set(modules), seconds)

    def close(self) -> None:
        """End the process, which has no more lines to read."""
        self._process.communicate(timeout=60)


@pytest.fixture(scope="module")
def helps() -> Iterator[Helps]:
    """Start the process once."""
    helps = Helps()
    yield helps
    helps.close()


@dataclass
class Moment:
    """What a few starts took at their quickest: the library's, the compared help's, its fork's."""

    library: float = float("inf")
    whole: float = float("inf")
    fork: float = float("inf")

    def start(self, helps: Helps) -> None:
        """Start each once more."""
        self.whole = min(self.whole, processor_seconds(BIN / "flo", *COMPARED, "--help"))
        self.fork = min(self.fork, helps.show(COMPARED).seconds)
        self.library = min(self.library, processor_seconds(*LIBRARY))

    def is_at_once(self, fork: float) -> bool:
        """Tell whether a help is, that takes more than the compared one by what its fork does."""
        return self.whole + max(0.0, fork - self.fork) < BAR * self.library


@pytest.fixture(scope="module")
def together(helps: Helps) -> Moment:
    """Start everything a few times for all commands."""
    moment = Moment()
    for _ in range(3):
        moment.start(helps)
    return moment


def test_a_fork_shows_what_a_start_shows(helps: Helps) -> None:
    """What the tests look at is what people see."""
    command = [BIN / "flo", *COMPARED, "--help"]
    seen = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    assert helps.first(COMPARED).output == seen


@pytest.mark.parametrize("path", COMMANDS, ids=IDS)
def test_help_is_there_at_once(path: Words, helps: Helps, together: Moment) -> None:
    """It takes 0.3 s at most, told by what a library takes beside it, at its quickest of twenty."""
    fork, moment, own = helps.first(path).seconds, together, Moment()
    for _ in range(19):
        if moment.is_at_once(fork):
            break
        # This moment may be slower than the one in which all started.
        own.start(helps)
        fork, moment = min(fork, helps.show(path).seconds), own
    assert moment.is_at_once(fork)


@pytest.mark.parametrize("path", COMMANDS, ids=IDS)
def test_help_loads_little_and_ends_with_an_example(path: Words, helps: Helps) -> None:
    """Help loads nothing heavy, warns of nothing, and its last lines can be typed."""
    shown = helps.first(path)
    assert not shown.errors
    assert not shown.modules & HEAVY
    _, found, examples = shown.output.partition("\n  Example:\n")
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
