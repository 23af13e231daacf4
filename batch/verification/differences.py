"""Differences between what a table has and what it should have, counted, with example drops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import MapType

EXAMPLES = 3
"""How many drops are named, those with the most rows first."""

MISSING = "row missing"
SURPLUS = "row that nothing explains"

_FOUND = ("check", "table", "what", "drop", "rows")


@dataclass(frozen=True)
class Difference:
    """One kind of difference.

    Attributes:
        check: ``features``, ``ledger``, ``kpis`` or ``archive``.
        table: where it is.
        what: the column, or what is wrong with the row or the file.
        rows: how many rows it concerns.
        drops: up to three drops of these rows, twelve digits of each id.
    """

    check: str
    table: str
    what: str
    rows: int
    drops: tuple[str, ...] = ()


def compare_rows(
    expected: DataFrame, stored: DataFrame, keys: Sequence[str], check: str, table: str
) -> DataFrame:
    """Find the rows of a table that are not what they should be (NULL equals NULL).

    Args:
        expected: what it should have; its columns are the ones compared.
        stored: what it has; further columns are not looked at.
        keys: columns that name a row. Where both have a ``drop_id``, it serves as the example.

    Returns:
        Findings (see :func:`count_findings`): one for each row that is missing or surplus, and
        one for each column of a row that has another value.
    """
    columns = expected.columns
    maps = {f.name for f in expected.schema.fields if isinstance(f.dataType, MapType)}
    pair = _pack(expected, keys, "expected").join(
        _pack(stored.select(*columns), keys, "stored"),
        reduce(
            Column.__and__, [F.col(f"expected_{k}").eqNullSafe(F.col(f"stored_{k}")) for k in keys]
        ),
        "full_outer",
    )
    values = [name for name in columns if name not in keys]
    unequal = [
        F.when(~_value("expected", n, maps).eqNullSafe(_value("stored", n, maps)), F.lit(n))
        for n in values
    ]
    what = (
        F.when(F.col("stored").isNull(), F.array(F.lit(MISSING)))
        .when(F.col("expected").isNull(), F.array(F.lit(SURPLUS)))
        .otherwise(F.filter(F.array(*unequal), lambda name: name.isNotNull()))
    )
    drop = F.coalesce("expected.drop_id", "stored.drop_id") if "drop_id" in columns else F.lit(None)
    each = pair.select(F.explode(what).alias("what"), drop.cast("string").alias("drop_id"))
    return find(each, check, table, F.col("what"), F.lit(1))


def find(frame: DataFrame, check: str, table: str, what: Column, rows: Column) -> DataFrame:
    """Select findings from rows each of which is one.

    Args:
        frame: has a ``drop_id``, NULL where no drop can be named.
        rows: how many rows of the table a row of the frame stands for.
    """
    return frame.select(
        F.lit(check).alias("check"),
        F.lit(table).alias("table"),
        what.alias("what"),
        F.substring("drop_id", 1, 12).alias("drop"),
        rows.cast("bigint").alias("rows"),
    )


def count_findings(findings: Sequence[DataFrame]) -> list[Difference]:
    """Count findings by kind, and name some of the drops that they are of."""
    union = reduce(DataFrame.unionByName, findings).select(*_FOUND)
    by_drop = union.groupBy("check", "table", "what", "drop").agg(F.sum("rows").alias("rows"))
    named = F.when(F.col("drop").isNotNull(), F.struct((-F.col("rows")).alias("place"), "drop"))
    most = F.slice(F.array_sort(F.collect_list(named)), 1, EXAMPLES)
    by_kind = by_drop.groupBy("check", "table", "what").agg(
        F.sum("rows").alias("rows"), most["drop"].alias("drops")
    )
    rows = by_kind.orderBy("check", "table", "what").collect()
    return [
        Difference(row["check"], row["table"], row["what"], row["rows"], tuple(row["drops"]))
        for row in rows
    ]


def _pack(frame: DataFrame, keys: Sequence[str], side: str) -> DataFrame:
    named = [F.col(key).alias(f"{side}_{key}") for key in keys]
    return frame.select(*named, F.struct(*frame.columns).alias(side))


def _value(side: str, name: str, maps: set[str]) -> Column:
    """A column of one side; a map, which Spark does not compare, as its sorted entries."""
    value = F.col(f"{side}.{name}")
    return F.array_sort(F.map_entries(value)) if name in maps else value
