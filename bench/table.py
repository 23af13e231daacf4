"""The results as a table for people, in `docs/performance.md`, between two marks."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path

import psutil

from bench.measures.settings import FULL, MILLION
from bench.results import Result
from bench.yardstick import yardstick
from sandbox.java import find_java, version_of

MARKS = {
    FULL: ("<!-- bench: begin (written by `make bench`) -->", "<!-- bench: end -->"),
    MILLION: (
        "<!-- bench of a million: begin (written by `make bench SIZE=1000000`) -->",
        "<!-- bench of a million: end -->",
    ),
}
"""Where a page has the table of a run, by the run's size; other sizes have none."""


def write_report(path: Path, results: Sequence[Result], size: int, *, whole: bool) -> None:
    """Put the table of a run's measures into a page; see `put_between`.

    Args:
        path: the page.
        results: what was found so far.
        size: of the run; a run of single measures may keep those of a larger one.
        whole: all is measured anew; otherwise what the page says of other measures stays.
    """
    of_size = [each for each in results if each.size <= size]
    heading, lines = (machine(of_size), {}) if whole else _written(path, *MARKS[size])
    lines |= {_name(line): line for line in map(_row, of_size)}
    put_between(path, *MARKS[size], f"{heading or machine(of_size)}\n\n{_table(lines.values())}")


def _written(path: Path, begin: str, end: str) -> tuple[str, dict[tuple[str, str], str]]:
    """What a page has between two marks: a heading, and the rows by their names."""
    between = text_between(path, begin, end)
    heading = between.partition("\n| ")[0].strip()
    rows = [line for line in between.splitlines() if line.startswith("| P")]
    return heading if heading.startswith("Measured") else "", {_name(line): line for line in rows}


def _name(line: str) -> tuple[str, str]:
    """What tells a row from others: its measure, and of P4, which has two sizes, its words."""
    number, what = line.split(" | ")[:2]
    number = number.removeprefix("| ")
    return number, what if number == "P4" else ""


def text_between(path: Path, begin: str, end: str) -> str:
    """Read what a page has between two marks."""
    return path.read_text("utf-8").partition(begin)[2].partition(end)[0]


def put_between(path: Path, begin: str, end: str, body: str) -> None:
    """Put a text between two marks of a page and leave the rest of it as it is.

    Raises:
        ValueError: the page lacks the marks.
    """
    text = path.read_text("utf-8")
    if begin not in text or end not in text:
        raise ValueError(f"{path} lacks the marks {begin!r} and {end!r}; put them back.")
    before, _, rest = text.partition(begin)
    path.write_text(f"{before}{begin}\n\n{body}\n\n{end}{rest.partition(end)[2]}", "utf-8")


def _table(rows: Iterable[str]) -> str:
    heading = [
        "| | measure | ours | theirs | ratio | at most | repetitions |",
        "|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*heading, *sorted(rows, key=lambda line: int(_name(line)[0][1:]))])


def _row(result: Result) -> str:
    """One measure, as a row in Markdown."""
    theirs = "–" if result.theirs is None else _shown(result.theirs, result.unit)
    limit = "–" if result.limit is None else f"{result.limit:g}"
    mark = "" if result.holds is not False else " **missed**"
    return (
        f"| {result.id} | {result.what} | {_shown(result.ours, result.unit)} | {theirs} "
        f"| {result.ratio:.3g}{mark} | {limit} | {result.repetitions} |"
    )


def machine(results: Sequence[Result]) -> str:
    """Say on what, and with which versions, it was measured."""
    memory = psutil.virtual_memory().total / 2**30
    versions = {version for each in results for version in each.notes.get("versions", ())}
    versions |= {each.notes["duckdb_version"] for each in results if "duckdb_version" in each.notes}
    packages = ", ".join(f"{name} {metadata.version(name)}" for name in ("pyspark", "delta-spark"))
    return (
        f"Measured on {os.cpu_count()} cores ({_processor()}), {memory:.0f} GiB of memory, "
        f"{platform.system()} {platform.machine()}, Java {version_of(find_java())}, "
        f"Python {platform.python_version()}, {packages}; yardstick {yardstick():.2f} s. "
        f"Contenders: {'; '.join(sorted(versions)) or 'see the measures'}."
    )


def _processor() -> str:
    try:
        told = subprocess.run(["lscpu"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return platform.processor() or "unknown"
    names = [line.partition(":")[2].strip() for line in told.splitlines() if "Model name" in line]
    return names[0] if names else "unknown"


def _shown(value: float, unit: str) -> str:
    if unit == "bytes":
        return f"{value / 1e6:,.2f} MB"
    if unit == "share of one core":
        return f"{value:.1%}"
    return f"{value:,.2f} {unit}"
