"""P8 and P9: what a batch costs after many drops, and with many files already ingested.

The drops of a round are all in landing before it begins, and the stream takes them one by one
without a pause; a batch's time is the time from one drop's end to the next one's. So it holds
all that the stream does for a drop: listing, planning, the batch, its commit, and upkeep.
"""

from __future__ import annotations

import statistics
import time
from itertools import pairwise

from bench import spark_conf
from bench.contenders.client import Contender
from bench.hdfs import Hdfs, Program, flo_stream, wait_for
from bench.measures.rounds import oracle, require
from bench.measures.settings import SMALL, Plan
from bench.measures.streams import data_of
from bench.results import Result, compare
from bench.say import say

ONE_BY_ONE = {"FLO_MAX_FILES_PER_BATCH": "1", "FLO_TRIGGER_SECONDS": "0"}
_CHUNK, _WINDOW = 50, 20
_FIRST, _LAST = 50, 1_000
_FEW, _MANY = 100, 50_000
_REAL = 12
ROUND = 12
_LIMIT = 1.2


def many_drops(hdfs: Hdfs, deadline: float | None) -> Result:
    """Measure P8, as far as there is time for: to drop 100 at least, to drop 1,000 at most.

    Args:
        hdfs: where the lake is made.
        deadline: when to be at an end (`time.monotonic`); None for no limit.
    """
    root, data = "/bench/drops", data_of()
    hdfs.files.delete(root)
    stream = flo_stream(hdfs, root, **ONE_BY_ONE)
    middle: dict[int, list[float]] = {}
    done, slowest = 0, 0.0
    try:
        stream.wait_for("event=watching")
        hdfs.put(data.full, f"{root}/landing")
        stream.wait_for("event=drop")
        while done < 2 * _FIRST or (
            done < _LAST and (deadline is None or time.monotonic() + slowest < deadline)
        ):
            began = time.monotonic()
            for file in data.changes[done : done + _CHUNK]:
                hdfs.put(file, f"{root}/landing")
            done += _CHUNK
            stream.wait_for("event=drop", 1 + done, seconds=1800)
            slowest = max(slowest, time.monotonic() - began)
            middle[done] = _periods(stream)[-_WINDOW:]
            say(f"    drop {done}: {statistics.median(middle[done]):.2f} s a batch")
    finally:
        stream.stop()
    _check(hdfs, root, done)
    what = f"batch time at drop {done:,} ÷ at drop {_FIRST} (10 rows, {SMALL:,} customers)"
    limit = _LIMIT if done == _LAST else None
    curve = {number: statistics.median(each) for number, each in middle.items()}
    return compare("P8", what, SMALL, middle[done], middle[_FIRST], limit, medians=curve)


def many_files(plan: Plan, hdfs: Hdfs) -> Result:
    """Measure P9: two lakes alike but for what was ingested before take turns."""
    roots = {_FEW: "/bench/few", _MANY: "/bench/many"}
    for files, root in roots.items():
        hdfs.files.delete(root)
        _prepare(hdfs, root, files)
    times: dict[int, list[float]] = {_FEW: [], _MANY: []}
    done = _REAL
    for _ in range(2 if plan.seconds else 4):
        for files, root in roots.items():
            times[files] += stream_round(hdfs, root, done)
        done += ROUND
        say(f"    {', '.join(f'{n:,}: {statistics.median(t):.2f} s' for n, t in times.items())}")
    for root in roots.values():
        _check(hdfs, root, done)
    what = f"batch time with {_MANY:,} files already ingested ÷ with {_FEW} (10 rows, HDFS)"
    return compare("P9", what, SMALL, times[_MANY], times[_FEW], _LIMIT)


def _prepare(hdfs: Hdfs, root: str, files: int) -> None:
    """Make a lake that has ingested so many files: some for real, of the others the accounts.

    The ledger alone says what has been seen, so a batch's time may depend on its accounts. (Rows
    are P8's matter.)
    """
    data = data_of()
    stream = flo_stream(hdfs, root, **ONE_BY_ONE)
    try:
        stream.wait_for("event=watching")
        for file in (data.full, *data.changes[:_REAL]):
            hdfs.put(file, f"{root}/landing")
        stream.wait_for("event=drop", 1 + _REAL)
    finally:
        stream.stop()
    earlier = files - 1 - _REAL
    with spark_conf.ours_on(hdfs.environment(root), f"seed-{files}") as contender:
        contender.ask("start", root=root)
        contender.ask("seed_ledger", files=earlier, per_commit=200)


def stream_round(hdfs: Hdfs, root: str, done: int, **further: str) -> list[float]:
    """Put drops into landing, start the stream, and tell each batch's time but the first's.

    Args:
        hdfs: where the lake is, or is made.
        root: of the lake.
        done: how many of the small drops it has had already.
        further: of the stream's environment.
    """
    landing = f"{root}/landing"
    hdfs.files.mkdirs(landing)
    for file in data_of().changes[done : done + ROUND]:
        hdfs.put(file, landing)
    stream = flo_stream(hdfs, root, **ONE_BY_ONE, **further)
    try:
        stream.wait_for("event=drop", ROUND)
        wait_for(lambda: not hdfs.files.list(landing), f"an empty {landing}", 60)
        return _periods(stream)[1:]
    finally:
        stream.stop()


def _periods(stream: Program) -> list[float]:
    times = stream.drop_times()
    return [later - earlier for earlier, later in pairwise(times)]


def _check(hdfs: Hdfs, root: str, done: int) -> None:
    contender: Contender
    with spark_conf.ours_on(hdfs.environment(root), "referee") as contender:
        contender.ask("start", root=root)
        wanted = oracle(data_of())[done].digest
        require("ours", contender.ask("digest"), wanted, f"drop {done}")
