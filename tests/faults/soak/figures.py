"""The figures of a soak: what is compared, the limits, and the text for docs/reliability.md."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bench.yardstick import yardstick
from tests.faults.soak.accounts import Comparison
from tests.faults.soak.plan import Plan
from tests.faults.soak.watch import Batch

SLOWER, BIGGER = 1.2, 1.1


@dataclass(frozen=True)
class Soaked:
    """All that a soak saw.

    Attributes:
        renewals: how often a process that lived on began its query anew.
        heaps: live heap in bytes, after the first window and after the last.
        landing: files left in landing.
        checks: exit codes by command.
    """

    drops: int
    seed: int
    minutes: float
    plan: Plan
    kinds: Mapping[str, int]
    killed: Mapping[str, int]
    renewals: int
    restart_seconds: Sequence[float]
    batches: Sequence[Batch]
    heaps: Sequence[int]
    landing: int
    checks: Mapping[str, int]
    tables: Comparison

    @property
    def last(self) -> range:
        """The last window."""
        return self.plan.last(len(self.batches))

    def seconds(self, window: range) -> float:
        """Median time of a batch in a window."""
        return statistics.median(each.seconds for each in self._in(window))

    def ledger_seconds(self, window: range) -> float:
        """Median time of a batch until its accounts are written, by the ledger's own columns."""
        batches = self._in(window)
        begin, end = batches[0].planned_ms, batches[-1].finished_ms or 0
        took = [s for at, s in self.tables.ledger_seconds.items() if begin <= at <= end]
        return statistics.median(took)

    def resident(self, window: range, *halves: str) -> float:
        """Median resident memory of the driver in a window, in bytes; of both halves, or of one."""
        names = halves or ("java_bytes", "python_bytes")
        return statistics.median(
            float(sum(getattr(each, name) for name in names)) for each in self._in(window)
        )

    def _in(self, window: range) -> Sequence[Batch]:
        return self.batches[window.start : window.stop]

    def to_json(self) -> dict[str, Any]:
        """Give everything as plain JSON, every batch included, with the verdict on each limit."""
        return {**asdict(self), "limits": [asdict(each) for each in limits(self)]}


@dataclass(frozen=True)
class Limit:
    """One thing that a soak must show, what it showed, and whether that is good enough."""

    what: str
    shown: str
    met: bool


def limits(soaked: Soaked) -> list[Limit]:
    """Judge a soak."""
    plan, tables = soaked.plan, soaked.tables
    time_first, time_last = soaked.seconds(plan.first), soaked.seconds(soaked.last)
    resident = soaked.resident(plan.first_of_last), soaked.resident(soaked.last)
    wrong = tables.drops_different + tables.customers_different
    return [
        Limit(
            f"the run is long enough to end with {plan.window} warm batches",
            f"{len(soaked.batches)} batches, {plan.least} needed",
            len(soaked.batches) >= plan.least,
        ),
        Limit(
            f"time of a batch, median: at most {SLOWER} × the first window's",
            f"{time_first:.2f} s, then {time_last:.2f} s: {time_last / time_first:.2f} ×",
            time_last <= SLOWER * time_first,
        ),
        _flat("resident memory of the driver, median", *resident),
        _flat("live heap of the idle driver after a collection", soaked.heaps[0], soaked.heaps[-1]),
        Limit("landing is empty", f"{soaked.landing} files", soaked.landing == 0),
        *(
            Limit(f"`flo {command}` finds nothing", f"exit code {code}", code == 0)
            for command, code in soaked.checks.items()
        ),
        Limit(
            "every account and every customer as an independent recomputation has them",
            f"{tables.drops_different} drops and {tables.customers_different} customers differ",
            wrong == 0,
        ),
    ]


def _flat(what: str, first: float, last: float) -> Limit:
    shown = f"{_mb(first)}, then {_mb(last)}: {last / first:.2f} ×"
    return Limit(f"{what}: at most {BIGGER} × the first window's", shown, last <= BIGGER * first)


def describe(soaked: Soaked) -> str:
    """Write the figures as Markdown."""
    plan, tables = soaked.plan, soaked.tables
    first, own, last = plan.first, plan.first_of_last, soaked.last
    rows = tables.rows
    restarts = soaked.restart_seconds
    return "\n".join(
        [
            f"- {soaked.drops:,} drops (seed {soaked.seed}; {_counts(soaked.kinds)}) in "
            f"{len(soaked.batches)} batches and {soaked.minutes:.0f} minutes "
            f"(yardstick {yardstick():.2f} s).",
            f"- Ledger: {_counts(tables.states)}; {rows['read']:,} rows read, "
            f"{rows['accepted']:,} accepted, {rows['quarantined']:,} quarantined; "
            f"{tables.customers:,} customers.",
            f"- Killed with SIGKILL and started again: {_counts(soaked.killed)}. "
            f"Processes that lived on began their query anew {soaked.renewals} times."
            + (f" From start to first account after a kill of the driver, median: "
               f"{statistics.median(restarts):.1f} s." if restarts else ""),
            f"- First window: batches {_span(first)}; first window of the last process, which "
            f"started after batch {plan.settled}: {_span(own)}; last window: {_span(last)}. "
            f"{plan.warm_up} batches of warm-up come before each.",
            "",
            "| must be | was | |",
            "|---|---|---|",
            *(f"| {each.what} | {each.shown} | {'met' if each.met else '**missed**'} |"
              for each in limits(soaked)),
            "",
            f"Of a batch's time, until its accounts are written: {soaked.ledger_seconds(first):.2f}"
            f" s in the first window, {soaked.ledger_seconds(last):.2f} s in the last. "
            f"Of the resident memory, Java: {_mb(soaked.resident(own, 'java_bytes'))}, then "
            f"{_mb(soaked.resident(last, 'java_bytes'))}; Python: "
            f"{_mb(soaked.resident(own, 'python_bytes'))}, then "
            f"{_mb(soaked.resident(last, 'python_bytes'))}.",
        ]
    )  # fmt: skip


def _counts(counted: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in sorted(counted.items()))


def _span(window: range) -> str:
    return f"{window.start + 1} to {window.stop}"


def _mb(size: float) -> str:
    return f"{size / 2**20:,.0f} MB"
