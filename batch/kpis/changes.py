"""How the KPIs differ between two states of the features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from batch.kpis.formulas import NUMBERS, kpis_by
from batch.kpis.tables import KPI_TABLES
from lake.tables import TABLES

Number = int | float | Decimal | None
Group = tuple[str, str | None, str | None]

_KEYS = ("order_channel", "platform_type")
# A group without a customer has no average and no quartile.
_NOBODY: dict[str, Number] = {
    **dict.fromkeys(NUMBERS),
    "total_customers": 0,
    "total_orders": 0,
    "total_revenue": Decimal("0.00"),
}


@dataclass(frozen=True)
class KpiChange:
    """One row of a KPI table that changes, appears or goes.

    Attributes:
        kpi_table: the table.
        group: the row's key: the table's own key columns and their values.
        before: its numbers (`formulas.NUMBERS`) by name; a group that nobody is in has totals
            of zero and no averages and quartiles.
        after: the same, afterwards.
    """

    kpi_table: str
    group: Mapping[str, str | None]
    before: Mapping[str, Number]
    after: Mapping[str, Number]

    @property
    def difference(self) -> dict[str, Number]:
        """After less before, by name; None where one of them is missing."""
        return {name: _subtract(self.after[name], self.before[name]) for name in NUMBERS}


def compare_kpis(before: DataFrame, after: DataFrame) -> list[KpiChange]:
    """Compute all KPIs of two states of the features, and return the rows that differ.

    The missing channel or platform is a group like any other. Rows come in the order of the
    tables, then of their groups.

    Args:
        before: rows of ``customer_features``.
        after: the same, afterwards.
    """
    # Both states at once: what costs time on few rows is the number of plans.
    states = before.withColumn("is_after", F.lit(False)).unionByName(
        after.withColumn("is_after", F.lit(True))
    )
    frames = [
        kpis_by(states, "is_after", *_keys_of(name)).withColumn("kpi_table", F.lit(name))
        for name in KPI_TABLES
    ]
    union = reduce(_append, frames).select("kpi_table", "is_after", *_KEYS, *NUMBERS)
    # As many rows as there are groups: few enough to be compared here.
    sides: dict[bool, dict[Group, dict[str, Number]]] = {False: {}, True: {}}
    for row in union.collect():
        group = (row["kpi_table"], row["order_channel"], row["platform_type"])
        sides[row["is_after"]][group] = {name: row[name] for name in NUMBERS}
    changes = [
        _change(group, sides[False].get(group, _NOBODY), sides[True].get(group, _NOBODY))
        for group in sides[False].keys() | sides[True].keys()
    ]
    return sorted((each for each in changes if each.before != each.after), key=_place)


def _keys_of(table: str) -> list[str]:
    return [key for key in _KEYS if key in TABLES[table].column_names]


def _append(left: DataFrame, right: DataFrame) -> DataFrame:
    return left.unionByName(right, allowMissingColumns=True)


def _change(group: Group, before: Mapping[str, Number], after: Mapping[str, Number]) -> KpiChange:
    table, *values = group
    named = zip(_KEYS, values, strict=True)
    own = {key: value for key, value in named if key in _keys_of(table)}
    return KpiChange(table, own, before, after)


def _place(change: KpiChange) -> tuple[int, list[tuple[bool, str]]]:
    groups = [(value is not None, value or "") for value in change.group.values()]
    return list(KPI_TABLES).index(change.kpi_table), groups


def _subtract(after: Number, before: Number) -> Number:
    if after is None or before is None:
        return None
    if isinstance(after, float) or isinstance(before, float):
        # Of the decimals that are shown, not of the binary numbers behind: 0.1, not 0.0999….
        return float(Decimal(repr(after)) - Decimal(repr(before)))
    return after - before
