"""What a batch takes at several sizes, of one kind at a time: customers, rows, files, listing."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from bench import spark_conf
from bench.contenders.client import Contender
from bench.data import Dataset, dataset
from bench.errors import WrongResultError
from bench.hdfs import Hdfs
from bench.measures.settings import SMALL
from bench.measures.streams import data_of as small_drops
from bench.say import say

SIZES = (20_000, 200_000, 1_000_000)
_ROWS = (100, 1_000, 10_000, 100_000)
_FILES = (1, 10, 50, 200)
_ENTRIES = (100, 1_000, 5_000)
_WARM_UP = 2


@dataclass(frozen=True)
class Point:
    """One batch as it was measured.

    Attributes:
        customers: in the features before it.
        rows: in all its drops.
        files: its drops.
        seconds: the median, from the files in landing to the archived ones.
        written: bytes that it left below ``tables/``, the median.
    """

    customers: int
    rows: int
    files: int
    seconds: float
    written: float


def measure_drops(sizes: Sequence[int], repetitions: int) -> tuple[list[Point], dict[int, int]]:
    """Take drops of several sizes into tables of several sizes.

    Returns:
        The points, and the bytes of all tables right after the full drop, by customers.
    """
    points: list[Point] = []
    stored: dict[int, int] = {}
    for size in sizes:
        levels = [rows for rows in _ROWS if 2 * rows <= size]
        count = _WARM_UP + repetitions * len(levels)
        data = dataset(size, rows=levels[-1], changes=count)
        with _loaded(data) as (ours, loaded), tempfile.TemporaryDirectory() as scratch:
            stored[size] = loaded["written"]
            drops = iter(data.changes)
            for _ in range(_WARM_UP):
                _take(ours, [_cut(next(drops), levels[0], Path(scratch))])
            for rows in levels:
                files = [_cut(each, rows, Path(scratch)) for each in islice(drops, repetitions)]
                points.append(_point([_take(ours, [file]) for file in files], size, rows, 1))
    return points, stored


def measure_files(repetitions: int) -> list[Point]:
    """Take several small drops in one batch, as a stream does when they queue up."""
    data = small_drops()
    drops = iter(data.changes)
    points = []
    with _loaded(data) as (ours, _):
        for files in (*[1] * _WARM_UP, *_FILES):
            answers = [_take(ours, list(islice(drops, files))) for _ in range(repetitions)]
            points.append(_point(answers, SMALL, data.rows * files, files))
    return points[_WARM_UP:]


def measure_listing() -> dict[int, float]:
    """Time one listing of a landing directory on the sandbox's HDFS, by number of its files."""
    found: dict[int, float] = {}
    with closing(Hdfs()) as hdfs:
        landing = "/bench/listing"
        made = 0
        for entries in _ENTRIES:
            for number in range(made, entries):
                hdfs.files.write_text(f"{landing}/{number:06d}.csv", "")
            made = entries
            found[entries] = statistics.median(_time_listing(hdfs, landing) for _ in range(9))
            say(f"    {entries:,} files listed in {found[entries]:.3f} s")
    return found


def _time_listing(hdfs: Hdfs, folder: str) -> float:
    began = time.perf_counter()
    hdfs.files.list(folder)
    return time.perf_counter() - began


@contextmanager
def _loaded(data: Dataset) -> Iterator[tuple[Contender, dict[str, Any]]]:
    """Start this project as a contender, with the full drop of a data set in its tables."""
    with spark_conf.ours("scaling") as ours:
        ours.ask("start", root=spark_conf.lake(f"scaling-{data.customers}"))
        answer = ours.ask("load", file=str(data.full))
        say(f"  {data.customers:,} customers loaded in {answer['seconds']:.1f} s")
        yield ours, answer


def _cut(drop: Path, rows: int, folder: Path) -> Path:
    """Make a smaller drop of the first rows of a larger one, of which each is alike."""
    file = folder / f"{drop.stem}_{rows}.csv"
    with drop.open("rb") as whole, file.open("wb") as part:
        part.writelines(islice(whole, rows + 1))
    return file


def _take(ours: Contender, files: list[Path]) -> dict[str, Any]:
    return ours.ask("batch", files=[str(file) for file in files])


def _point(answers: list[dict[str, Any]], customers: int, rows: int, files: int) -> Point:
    for each in answers:
        if each["rows"] != rows:
            raise WrongResultError(f"A batch of {rows:,} rows accounts for {each['rows']:,}.")
    seconds = statistics.median(each["seconds"] for each in answers)
    written = statistics.median(each["written"] for each in answers)
    say(f"    {customers:,} customers, {files} files, {rows:,} rows: {seconds:.2f} s")
    return Point(customers, rows, files, seconds, written)
