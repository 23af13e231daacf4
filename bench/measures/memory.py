"""P13: the peak memory of a first load through the real stream, daemons included."""

from __future__ import annotations

import contextlib
import time

import psutil

from bench import spark_conf
from bench.errors import BenchError
from bench.hdfs import Hdfs, flo_stream
from bench.measures.drops import data_of
from bench.measures.rounds import oracle, require
from bench.measures.settings import FULL, Plan
from bench.results import Result
from bench.say import say

_ROOT = "/bench/load"
_LIMIT = 8.0
_GIB = 2**30


def measure(plan: Plan, hdfs: Hdfs) -> Result:
    """Measure P13: the largest sum of resident memory that five looks a second find."""
    data = data_of(plan.size)
    expected = oracle(data)[0].digest
    try:
        hdfs.files.delete(_ROOT)
        with spark_conf.ours_on(hdfs.environment(_ROOT)) as contender:
            contender.ask("start", root=_ROOT)
            contender.ask("init")
        hdfs.put(data.full, f"{_ROOT}/landing")
        peak, parts, seconds = _watch(hdfs)
        with spark_conf.ours_on(hdfs.environment(_ROOT)) as contender:
            contender.ask("start", root=_ROOT)
            require("ours", contender.ask("digest"), expected, data.full.name)
    finally:
        hdfs.files.delete(_ROOT)
    say(f"    {peak / _GIB:.2f} GiB at most: {parts}")
    return Result(
        id="P13",
        what=f"peak memory of the {plan.size:,}-row load, driver and daemons together",
        size=plan.size,
        ours=peak / _GIB,
        theirs=None,
        ratio=peak / _GIB,
        limit=plan.limit(_LIMIT, FULL),
        repetitions=1,
        unit="GiB",
        notes={"parts_gib": parts, "seconds": seconds},
    )


def _watch(hdfs: Hdfs) -> tuple[int, dict[str, float], float]:
    stream = flo_stream(hdfs, _ROOT, "--once")
    daemons = [psutil.Process(pid) for pid in hdfs.daemons()]
    peak, parts = 0, {}
    try:
        while stream.process.poll() is None:
            driver, served = _resident(stream.tree()), _resident(daemons)
            if driver + served > peak:
                peak = driver + served
                parts = {"driver": driver / _GIB, "daemons": served / _GIB}
            time.sleep(0.2)
        seconds = time.time() - stream.started
        if stream.process.returncode != 0:
            raise BenchError(f"The load failed; it says why in {stream.log}.")
        return peak, parts, seconds
    finally:
        stream.stop()


def _resident(processes: list[psutil.Process]) -> int:
    total = 0
    for each in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            total += each.memory_info().rss
    return total
