"""P7, P11 and P12: the running stream on HDFS, warm, from a cold start, and idle."""

from __future__ import annotations

import time
from pathlib import Path

import psutil

from bench import spark_conf
from bench.contenders.client import Contender
from bench.data import Dataset, dataset
from bench.hdfs import Hdfs, Program, features_of, flo_stream, stock_stream, wait_for
from bench.measures.rounds import oracle, require
from bench.measures.settings import SMALL, Plan
from bench.results import Result, compare
from bench.say import say

ROWS = 10
CHANGES = 1_100
_OURS, _STOCK = "/bench/streams", "/bench/stock"
_IDLE_SECONDS = 60
# By then Java has compiled most of what a waiting stream does again and again.
_SETTLE_SECONDS = 120


def data_of() -> Dataset:
    """The data set of the small drops."""
    return dataset(SMALL, rows=ROWS, changes=CHANGES)


class Race:
    """Two lakes on HDFS, ours and the stock recipe's, that get the same drops."""

    def __init__(self, hdfs: Hdfs, referee: Contender) -> None:
        """Make both lakes of the full drop."""
        self._hdfs, self._referee = hdfs, referee
        self._data = data_of()
        self._steps = oracle(self._data)
        self._done = 0
        self._tables = (features_of(_OURS), f"{_STOCK}/table")
        for root in (_OURS, _STOCK):
            hdfs.files.delete(root)
        hdfs.files.mkdirs(f"{_STOCK}/landing")
        self.streams = (flo_stream(hdfs, _OURS), stock_stream(hdfs, _STOCK))
        self.streams[0].wait_for("event=watching")
        for root, table in zip((_OURS, _STOCK), self._tables, strict=True):
            hdfs.put(self._data.full, f"{root}/landing")
            hdfs.await_rows(table, -1)
        self._settle()
        self._check()

    def stop(self) -> None:
        """Stop both streams."""
        for stream in self.streams:
            stream.stop()

    def warm(self) -> tuple[float, float]:
        """Put the next drop into each lake; tell the seconds from the rename to visible.

        While one is timed the other one is held: the stock recipe's default trigger would look
        for files all the time.
        """
        file, seconds = self._next(), []
        ours, stock = self.streams
        pairs = ((ours, stock, _OURS, self._tables[0]), (stock, ours, _STOCK, self._tables[1]))
        turns = pairs if self._done % 2 else pairs[::-1]
        for mine, other, root, table in turns:
            other.rest()
            mine.go_on()
            # A moment for what a process does that was held; nothing tells when that is over.
            time.sleep(1)
            before = self._hdfs.version(table)
            renamed = self._hdfs.put(file, f"{root}/landing")
            seconds.append(self._hdfs.await_rows(table, before) - renamed)
            self._settle(mine)
        ours.go_on()
        stock.go_on()
        self._check()
        return (seconds[0], seconds[1]) if turns is pairs else (seconds[1], seconds[0])

    def cold(self) -> tuple[float, float]:
        """Start each on its lake, where the next drop waits; tell the seconds to visible."""
        file, seconds = self._next(), []
        starts = (
            (flo_stream, _OURS, self._tables[0]),
            (stock_stream, _STOCK, self._tables[1]),
        )
        for start, root, table in starts:
            before = self._hdfs.version(table)
            self._hdfs.put(file, f"{root}/landing")
            stream = start(self._hdfs, root)
            try:
                seconds.append(self._hdfs.await_rows(table, before) - stream.started)
                self._settle(stream)
            finally:
                stream.stop()
        self._check()
        return seconds[0], seconds[1]

    def idle(self, settle: float) -> tuple[float, float]:
        """Start ours, leave it alone, and tell the share of one core: it, and the daemons."""
        stream = flo_stream(self._hdfs, _OURS)
        try:
            stream.wait_for("event=watching")
            time.sleep(settle)
            daemons = [psutil.Process(pid) for pid in self._hdfs.daemons()]
            before, began = (_cpu(stream.tree()), _cpu(daemons)), time.monotonic()
            time.sleep(_IDLE_SECONDS)
            after, lasted = (_cpu(stream.tree()), _cpu(daemons)), time.monotonic() - began
            return (after[0] - before[0]) / lasted, (after[1] - before[1]) / lasted
        finally:
            stream.stop()

    def _next(self) -> Path:
        self._done += 1
        return self._data.changes[self._done - 1]

    def _settle(self, *streams: Program) -> None:
        """Wait until the batch in hand is done: its file is archived, its commit written."""
        for stream in streams or self.streams:
            if "flo-stream" in stream.log.name:
                wait_for(self._ours_is_done, "an empty landing", 300)
            else:
                wait_for(self._stock_is_done, "the stock recipe's commit", 300)

    def _ours_is_done(self) -> bool:
        return not self._hdfs.files.list(f"{_OURS}/landing")

    def _stock_is_done(self) -> bool:
        names = {
            part: {info.name for info in self._hdfs.files.list(f"{_STOCK}/checkpoint/{part}")}
            for part in ("offsets", "commits")
        }
        return bool(names["offsets"]) and names["offsets"] <= names["commits"]

    def _check(self) -> None:
        """Compare both tables with the oracle's, through Spark SQL."""
        wanted, after = self._steps[self._done].digest, f"drop {self._done}"
        require("ours", self._referee.ask("digest"), wanted, after)
        theirs = self._referee.ask("digest_of", table=f"delta.`{self._tables[1]}`")
        require("stock", theirs, wanted, after)


def measure(plan: Plan, hdfs: Hdfs, wanted: set[str]) -> list[Result]:
    """Measure what is wanted of P7, P11 and P12."""
    found = []
    with spark_conf.ours_on(hdfs.environment(_OURS)) as referee:
        referee.ask("start", root=_OURS)
        race = Race(hdfs, referee)
        try:
            if "P7" in wanted:
                found.append(_warm(plan, race))
        finally:
            race.stop()
        if "P11" in wanted:
            found.append(_cold(plan, race))
    if "P12" in wanted:
        found.append(_idle(race))
    return found


def _warm(plan: Plan, race: Race) -> Result:
    times = [race.warm() for _ in range(plan.warm_up + plan.repetitions)][plan.warm_up :]
    ours, stock = zip(*times, strict=True)
    say(f"    ours {[round(s, 2) for s in ours]}, stock {[round(s, 2) for s in stock]}")
    what = (
        f"a {ROWS}-row drop into {SMALL:,} customers on HDFS, with snapshots and ledger: "
        "from rename to visible in Spark SQL ÷ the stock recipe's (its one MERGE)"
    )
    return compare("P7", what, SMALL, ours, stock, 0.4)


def _cold(plan: Plan, race: Race) -> Result:
    times = [race.cold() for _ in range(max(2, min(plan.repetitions, 5)))]
    ours, stock = zip(*times, strict=True)
    say(f"    ours {[round(s, 1) for s in ours]}, stock {[round(s, 1) for s in stock]}")
    what = f"cold start to the first drop visible ({SMALL:,} customers) ÷ the stock recipe's"
    return compare("P11", what, SMALL, ours, stock, 0.6)


def _idle(race: Race) -> Result:
    share, daemons = race.idle(settle=_SETTLE_SECONDS)
    say(f"    idle: {share:.1%} of one core, the sandbox's daemons {daemons:.1%}")
    return Result(
        id="P12",
        what="idle stream: share of one core",
        size=SMALL,
        ours=share,
        theirs=None,
        ratio=share,
        limit=0.03,
        repetitions=1,
        unit="share of one core",
        notes={"seconds": _IDLE_SECONDS, "daemons": daemons},
    )


def _cpu(processes: list[psutil.Process]) -> float:
    """Seconds of processor time that these have used."""
    return sum(sum(each.cpu_times()[:2]) for each in processes)
