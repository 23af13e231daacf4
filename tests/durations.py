"""Where the time of a test run goes: each test's seconds, and the Java programs that it started.

A run writes both to ``var/tests/durations.json`` and ends with a table of them.
``python -m tests.durations`` puts the table by kind of test into docs/testing.md.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import psutil
import pytest

from bench.yardstick import yardstick
from tests.figures import write_figures
from tests.processes import ROOT

WRITTEN = ROOT / "var" / "tests" / "durations.json"
PAGE = ROOT / "docs" / "testing.md"
LONGEST = 20
# What a Java program is, by a word of its command line; the first that fits.
_PROGRAMS = (
    ("spark.deploy.yarn", "YARN container"),
    ("spark.executor", "YARN container"),
    ("deploy.SparkSubmit", "Spark session"),
    ("namenode.NameNode -format", "short Java program"),
    ("namenode.NameNode", "sandbox"),
)


@dataclass
class Run:
    """What one run of the tests took.

    Attributes:
        seconds: from its beginning to its end.
        yardstick: how quick the machine was at its end, see :mod:`bench.yardstick`.
        java: how many Java programs were started, by kind.
        tests: by test, the seconds of ``setup``, ``call`` and ``teardown``; a fixture that several
            tests share is in the set-up of the first.
        kinds: by test, what it needs: ``plain``, ``spark`` or ``integration``.
    """

    seconds: float
    yardstick: float
    java: dict[str, int]
    tests: dict[str, dict[str, float]]
    kinds: dict[str, str]

    @property
    def totals(self) -> dict[str, float]:
        """The seconds of each test in all."""
        return {name: sum(parts.values()) for name, parts in self.tests.items()}


class JavaPrograms(threading.Thread):
    """Counts the Java programs that start on this machine while it watches."""

    def __init__(self) -> None:
        super().__init__(name="java-programs", daemon=True)
        self._ended = threading.Event()
        self._since = time.time()
        self._kinds: dict[tuple[int, float], str] = {}

    def run(self) -> None:
        """Look twice a second: hardly a Java program is shorter."""
        while not self._ended.wait(0.5):
            for process in psutil.process_iter(["name", "create_time"]):
                key = process.pid, process.info["create_time"]
                if process.info["name"] == "java" and key not in self._kinds:
                    self._note(process, key)

    def _note(self, process: psutil.Process, key: tuple[int, float]) -> None:
        try:
            command = " ".join(process.cmdline())
        except psutil.Error:  # it has ended since
            return
        if key[1] >= self._since:
            found = (kind for word, kind in _PROGRAMS if word in command)
            self._kinds[key] = next(found, "short Java program")

    def count(self) -> dict[str, int]:
        """Stop watching, and say how many there were of each kind."""
        self._ended.set()
        self.join()
        return dict(Counter(self._kinds.values()))


class Recorder:
    """The plugin of pytest that records a run."""

    def __init__(self) -> None:
        self._tests: dict[str, dict[str, float]] = defaultdict(dict)
        self._kinds: dict[str, str] = {}
        self._java = JavaPrograms()
        self._java.start()
        self._began = time.monotonic()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the seconds of set-up, call and teardown."""
        self._tests[report.nodeid][report.when or "call"] = round(report.duration, 3)
        marks = [kind for kind in ("integration", "spark") if kind in report.keywords]
        self._kinds[report.nodeid] = marks[0] if marks else "plain"

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Write the run down, and say where its time went."""
        seconds = round(time.monotonic() - self._began, 1)
        run = Run(seconds, round(yardstick(), 3), self._java.count(), self._tests, self._kinds)
        WRITTEN.parent.mkdir(parents=True, exist_ok=True)
        WRITTEN.write_text(json.dumps(vars(run), indent=1) + "\n", "utf-8")
        terminalreporter.section("where the time went")
        for line in describe(run):
            terminalreporter.write_line(line)


def pytest_configure(config: pytest.Config) -> None:
    """Record, in the one process that hears of all tests."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Recorder())


def describe(run: Run) -> Iterator[str]:
    """Say what was started, the seconds by directory, and the longest tests."""
    places: Counter[str] = Counter()
    for name, seconds in run.totals.items():
        places[name.partition("::")[0].rpartition("/")[0]] += seconds
    yield f"{len(run.tests):,} tests in {run.seconds:.0f} s, at a yardstick of {run.yardstick} s."
    yield f"Started: {', '.join(f'{n} × {kind}' for kind, n in sorted(run.java.items())) or 'none'}"
    for listed in (places, Counter(run.totals)):
        yield ""
        yield from (f"{seconds:8.1f} s  {name}" for name, seconds in listed.most_common(LONGEST))


def table(run: Run) -> str:
    """Write the table of docs/testing.md: what each kind of test costs."""
    lines = ["| kind | tests | seconds | of these the longest |", "|---|---|---|---|"]
    for kind in ("plain", "spark", "integration"):
        own = {name: run.totals[name] for name, is_of in run.kinds.items() if is_of == kind}
        longest = max(own, key=own.__getitem__, default="")
        lines.append(
            f"| {kind} | {len(own):,} | {sum(own.values()):.0f} | "
            f"`{longest.rpartition('/')[2]}`: {own.get(longest, 0):.0f} |"
        )
    started = ", ".join(f"{count} × {kind}" for kind, count in sorted(run.java.items()))
    return "\n".join(
        [
            *lines,
            "",
            f"All {len(run.tests):,} took {run.seconds:.0f} s at a yardstick of {run.yardstick} s, "
            f"two files at a time; started were: {started}.",
        ]
    )


def main() -> int:
    """Put the table of the last run into docs/testing.md."""
    try:
        run = Run(**json.loads(WRITTEN.read_text("utf-8")))
    except FileNotFoundError:
        print(f"There is no {WRITTEN}; run `make test` first.", file=sys.stderr)
        return 2
    write_figures("durations", table(run), PAGE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
