"""P10: KPIs from what changed, beside KPIs from all rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from bench import spark_conf
from bench.errors import WrongResultError
from bench.measures.drops import ROWS, data_of
from bench.measures.rounds import oracle, require
from bench.measures.settings import FULL, Plan
from bench.oracle import expect_kpis
from bench.results import Result, compare
from bench.say import say

_LIMIT = 0.2


def measure(plan: Plan) -> Result:
    """Measure P10: after each drop both, from the changes first; both must be right."""
    data = data_of(plan.size)
    steps = oracle(data)
    changed: list[float] = []
    full: list[float] = []
    with spark_conf.ours() as ours:
        ours.ask("start", root=spark_conf.lake("kpis"))
        ours.ask("load", file=str(data.full))
        ours.ask("kpis", full=True)
        for number in range(plan.warm_up + plan.repetitions):
            ours.ask("drop", file=str(data.changes[number]))
            incremental = ours.ask("kpis", full=False)["seconds"]
            rows = ours.ask("kpi_rows")
            whole = ours.ask("kpis", full=True)["seconds"]
            _require_same(rows, ours.ask("kpi_rows"))
            say(f"    from the changes {incremental:.2f} s, from all rows {whole:.2f} s")
            if number >= plan.warm_up:
                changed.append(incremental)
                full.append(whole)
        require("ours", ours.ask("digest"), steps[number + 1].digest, "the last drop")
        _require_right(ours.ask("kpi_rows"), [data.full, *data.changes[: number + 1]])
    what = f"`flo kpis` after a {ROWS:,}-row change ÷ `--full`, {plan.size:,} customers"
    return compare("P10", what, plan.size, changed, full, plan.limit(_LIMIT, FULL))


def _require_same(one: Mapping[str, Any], other: Mapping[str, Any]) -> None:
    """Refuse KPIs that depend on how they were computed; their time may differ."""
    left, right = (_comparable(each) for each in (one, other))
    if left != right:
        raise WrongResultError("The KPIs from the changes are not those from all rows.")


def _comparable(tables: Mapping[str, Any]) -> dict[str, list[list[tuple[str, str]]]]:
    return {
        name: sorted(
            sorted((key, value) for key, value in row.items() if key != "computed_at")
            for row in rows
        )
        for name, rows in tables.items()
    }


def _require_right(tables: Mapping[str, Any], files: Sequence[Path]) -> None:
    """Refuse KPIs that are not the oracle's."""
    for name, groups in expect_kpis(files).items():
        keys = [key for key in ("order_channel", "platform_type") if key in tables[name][0]]
        found = {tuple(row[key] for key in keys): row for row in tables[name]}
        if set(found) != {tuple(map(str, group)) for group in groups}:
            raise WrongResultError(f"{name} has other groups than the oracle.")
        for group, values in groups.items():
            row = found[tuple(map(str, group))]
            for column, value in values.items():
                if Decimal(row[column]) != Decimal(value):
                    raise WrongResultError(
                        f"{name} says {column} {row[column]} for {group}, the oracle {value}."
                    )
