"""P1 to P5: a drop of 10,000 rows into a large table, beside what one would use instead."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from bench import spark_conf
from bench.contenders.client import Contender
from bench.data import Dataset, dataset
from bench.measures.rounds import Answers, load_all, oracle, take_turns
from bench.measures.settings import FULL, MILLION, Plan
from bench.oracle import Step
from bench.results import Result, compare
from bench.say import say

ROWS = 10_000
_KEPT = 40  # change drops per data set: more than any run asks for


def data_of(size: int) -> Dataset:
    """The data set of the large drops."""
    return dataset(size, rows=ROWS, changes=_KEPT)


def measure(plan: Plan, wanted: set[str]) -> list[Result]:
    """Measure what is wanted of P1 to P5; P4 has a table of its own where the others' is larger."""
    of_million = wanted & {"P4"} if plan.size > MILLION else set()
    results = []
    if wanted - of_million:
        results += _compare(plan, _run(plan, plan.size, _others(wanted - of_million)))
    if of_million:
        results.append(_p4(_run(plan, MILLION, _others(of_million))))
    return [each for each in results if each.id in wanted]


def _others(wanted: set[str]) -> list[Callable[[], Contender]]:
    """Whom these measures compare us with."""
    others = [spark_conf.stock]
    if "P2" in wanted:
        others.append(spark_conf.iceberg)
    if "P3" in wanted:
        others += [spark_conf.delta_rs, spark_conf.duck]
    return others


@dataclass(frozen=True)
class _Run:
    """What one run gave: the timed answers and what each should have led to, by contender."""

    size: int
    answers: Answers
    steps: list[Step]
    versions: dict[str, str]

    def seconds(self, name: str) -> list[float]:
        """The times of one contender."""
        return [each["seconds"] for each in self.answers[name]]


def _run(plan: Plan, size: int, others: list[Callable[[], Contender]]) -> _Run:
    data = data_of(size)
    say(f"  {size:,} customers, drops of {ROWS:,} rows; the oracle reads them first")
    steps = oracle(data)
    with ExitStack() as open_ones:
        contenders = [open_ones.enter_context(make()) for make in (spark_conf.ours, *others)]
        versions = {}
        for each in contenders:
            place = spark_conf.lake(f"{each.name}-{size}")
            argument = {"root": place} if each.name == "ours" else {"folder": place}
            versions[each.name] = each.ask("start", **argument)["version"]
        loads = load_all(contenders, data, steps)
        answers = take_turns(contenders, data, steps, plan.warm_up + plan.repetitions)
    for name, found in answers.items():
        del found[: plan.warm_up]
        found[0]["load_seconds"] = loads[name][0]["seconds"]
    return _Run(size, answers, steps[plan.warm_up + 1 :], versions)


def _compare(plan: Plan, run: _Run) -> list[Result]:
    what = f"whole batch for a {ROWS:,}-row drop into {run.size:,} customers ÷ "
    others = {
        "P1": ("stock", "stock recipe's", 0.25),
        "P2": ("iceberg", "Iceberg merge-on-read's MERGE of the same rows", 1.0),
        "P3": ("delta-rs", "delta-rs MERGE", 1.0),
    }
    found = {}
    for name, (other, title, limit) in others.items():
        if other in run.answers:
            times = run.seconds("ours"), run.seconds(other)
            found[name] = compare(name, what + title, run.size, *times, plan.limit(limit, FULL))
            found[name].notes["versions"] = [run.versions["ours"], run.versions[other]]
    found["P1"].notes.update(_counts(run))
    if "P3" in found:
        found["P3"].notes["duckdb_s"] = statistics.median(run.seconds("duckdb"))
        found["P3"].notes["duckdb_version"] = run.versions["duckdb"]
    return [*found.values(), _p4(run), _p5(plan, run)]


def _p4(run: _Run) -> Result:
    what = f"whole batch for a {ROWS:,}-row drop into {run.size:,} customers ÷ stock recipe's"
    limit = 0.5 if run.size == MILLION else None
    return compare("P4", what, run.size, run.seconds("ours"), run.seconds("stock"), limit)


def _p5(plan: Plan, run: _Run) -> Result:
    pairs = list(zip(run.answers["ours"], run.steps, strict=False))
    shares = [answer["written"] / step.changed_bytes for answer, step in pairs]
    written = {
        name: statistics.median(each["written"] for each in found)
        for name, found in run.answers.items()
    }
    return Result(
        id="P5",
        what=f"bytes written ÷ bytes of changed rows, {ROWS:,} into {run.size:,}",
        size=run.size,
        ours=written["ours"],
        theirs=statistics.median(step.changed_bytes for _, step in pairs),
        ratio=statistics.median(shares),
        limit=plan.limit(5, FULL),
        repetitions=len(shares),
        unit="bytes",
        notes={"all": shares, "written": written},
    )


def _counts(run: _Run) -> dict[str, Any]:
    """Medians of what was counted, for the two that run on this Spark; upkeep beside it."""
    answers, steps = run.answers, run.steps[: len(run.answers["ours"])]
    notes: dict[str, Any] = {
        "changed_rows": statistics.median(step.changed for step in steps),
        "changed_bytes": statistics.median(step.changed_bytes for step in steps),
        "upkeep_mean_s": statistics.mean(each["upkeep"] for each in answers["ours"]),
        "load_s": {name: found[0]["load_seconds"] for name, found in answers.items()},
    }
    for name in ("ours", "stock"):
        counted = [each["counts"] for each in answers[name]]
        middle = {
            key: statistics.median(each[key] for each in counted)
            for key in ("jobs", "tasks", "bytes_read", "bytes_written")
        }
        full = [sum(2 * scan["rows"] >= run.size for scan in each["scans"]) for each in counted]
        written = statistics.median(each["written"] for each in answers[name])
        notes[f"counts_{name}"] = {
            **middle, "full_scans": statistics.median(full), "written": written
        }  # fmt: skip
    return notes
