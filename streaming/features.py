"""The order rule: from snapshots to one row per customer, whole or as a step from what is stored.

A customer's row is the snapshot with the greatest ``(sequence_by, drop_time, drop_id, row_no)``;
a column that a snapshot's drop lacked comes from the greatest one whose drop had it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, reduce

from pyspark.sql import Column, DataFrame, Window, WindowSpec
from pyspark.sql import functions as F

from lake.contract import Contract
from lake.replacing import OLD
from lake.tables import FEATURES, TABLES

# Columns that name the winning snapshot; they differ where the values may still be the same.
IDENTITY = ["drop_id", "drop_time", "row_no"]
_SEQUENCE_TAIL = ["drop_time", "drop_id", "row_no"]
_COUNTS = ["order_num_total_ever_online", "order_num_total_ever_offline"]
_VALUES = ["customer_value_total_ever_online", "customer_value_total_ever_offline"]
BUSINESS = [
    "order_channel",
    "platform_type",
    "last_order_channel",
    "store_type",
    "first_order_date",
    "last_order_date",
    "last_order_date_online",
    "last_order_date_offline",
    "last_order_at",
    *_COUNTS,
    *_VALUES,
    "interested_in_categories_12",
    "online_product_group",
    "offline_product_group",
]


def sequence(contract: Contract) -> Column:
    """The place of a snapshot in the order, as a comparable struct."""
    return F.struct(F.col(contract.sequence_by).alias("leading"), *_SEQUENCE_TAIL)


def fold_snapshots(snapshots: DataFrame, contract: Contract) -> DataFrame:
    """Apply the order rule to all snapshots of each customer, from nothing.

    Args:
        snapshots: rows of ``customer_snapshots``.
        contract: ``sequence_by`` and which columns may be absent.

    Returns:
        The business and identity columns, one row per ``master_id``, missing numbers as 0;
        see :func:`complete` for the rest of ``customer_features``.
    """
    always, optional = _split(contract)
    place = sequence(contract)
    folded = snapshots.groupBy("master_id").agg(
        F.max(F.struct(place.alias("place"), *always, *IDENTITY)).alias("winner"),
        *[F.max(_if_present(name, place)).alias(f"_{name}") for name in optional],
    )
    return folded.select("master_id", *_unpack(always, optional)).transform(fill_numbers)


def step(candidates: DataFrame, stored: DataFrame, contract: Contract) -> DataFrame:
    """Apply each drop's candidates one by one, in ``(drop_time, drop_id)`` order, to the features.

    Args:
        candidates: snapshots, at most one per customer and drop (see :func:`pick_candidates`).
        stored: what these customers' rows were made of, with ``is_stored`` and the ``old`` row:
            the rows themselves, seen as snapshots (see :func:`as_snapshots`), or all their earlier
            snapshots.

    Returns:
        One row per candidate: ``master_id, drop_id``, ``outcome`` (``inserted``, ``updated``,
        ``unchanged`` or ``stale``), ``touched`` (this or an earlier step changed a value; a stale
        candidate does where it has a column that the rows before it lacked),
        ``superseded`` (see :func:`pick_candidates`), ``state`` (the customer's business and
        identity columns after this drop), ``existed``, ``behind_stored`` (the candidate is older
        than the stored row), ``writes`` (it is the customer's last step, and a value or the
        winner is another than stored), ``stored_id``, the stored winner's drop, and ``old``.
    """
    columns = _step_columns(contract)
    rows = candidates.withColumns({"is_stored": F.lit(False), OLD: F.lit(None)})
    rows = rows.unionByName(stored)
    rows = rows.withColumns(columns.placed).select(*columns.running)
    rows = rows.withColumn("state", columns.state).withColumns(columns.compared)
    rows = rows.withColumn("touched", columns.touched)
    return rows.where(~F.col("is_stored")).select(*columns.result)


@dataclass(frozen=True)
class _StepColumns:
    """What each stage of :func:`step` adds or selects, in their order."""

    placed: dict[str, Column]
    running: list[Column]
    state: Column
    compared: dict[str, Column]
    touched: Column
    result: list[Column]


# Each column is several calls from Python to Java; as it belongs to no frame, it is made once.
@lru_cache(maxsize=4)
def _step_columns(contract: Contract) -> _StepColumns:
    always, optional = _split(contract)
    order = Window.partitionBy("master_id").orderBy(
        F.col("is_stored").desc(), "drop_time", "drop_id"
    )
    so_far = order.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    business = F.struct(*[F.col(f"state.{name}") for name in BUSINESS])
    same = F.lag(business).over(order).eqNullSafe(business)
    return _StepColumns(
        placed=_filled() | {"place": sequence(contract)},
        running=_running(always, optional, order, so_far),
        state=F.struct(*_unpack(always, optional)),
        compared={"outcome": _outcome(same), "changes": ~F.col("is_stored") & ~same},
        touched=F.max("changes").over(so_far),
        result=_result(),
    )


def _running(
    always: list[str], optional: list[str], order: WindowSpec, so_far: WindowSpec
) -> list[Column]:
    """The winner, and what it is compared with, after each of a customer's rows."""
    winner = F.struct("place", *[F.col(name) for name in [*always, *IDENTITY]])
    before = order.rowsBetween(Window.unboundedPreceding, -1)
    place = F.col("place")
    return [
        *map(F.col, ("master_id", "drop_id", "drop_time", "is_stored", "superseded", "place")),
        F.max(winner).over(so_far).alias("winner"),
        *[F.max(_if_present(name, place)).over(so_far).alias(f"_{name}") for name in optional],
        F.max("place").over(before).alias("best_before"),
        F.max(F.when(F.col("is_stored"), place)).over(so_far).alias("stored_place"),
        F.lead("drop_id").over(order).isNull().alias("is_last"),
        F.first(OLD, ignorenulls=True).over(so_far).alias(OLD),
    ]


def _outcome(same: Column) -> Column:
    return (
        F.when(F.col("best_before").isNull(), "inserted")
        .when(F.col("place") < F.col("best_before"), "stale")
        .when(same, "unchanged")
        .otherwise("updated")
    )


def _result() -> list[Column]:
    stored, no = F.col("stored_place"), F.lit(False)
    same_winner = (F.col("state.drop_id") == F.col("stored_place.drop_id")) & (
        F.col("state.row_no") == F.col("stored_place.row_no")
    )
    writes = F.col("is_last") & (F.col("touched") | ~F.coalesce(same_winner, no))
    return [
        *map(F.col, ("master_id", "drop_id", "superseded", "outcome", "touched", "state")),
        stored.isNotNull().alias("existed"),
        F.coalesce(F.col("place") < stored, no).alias("behind_stored"),
        writes.alias("writes"),
        F.col("stored_place.drop_id").alias("stored_id"),
        F.col(OLD),
    ]


def pick_candidates(snapshots: DataFrame, contract: Contract) -> DataFrame:
    """Keep each drop's greatest snapshot of each customer, and count the others: ``superseded``."""
    same = Window.partitionBy("master_id", "drop_id")
    rank = F.row_number().over(same.orderBy(sequence(contract).desc()))
    ranked = snapshots.withColumns({"_rank": rank, "superseded": F.count(F.lit(1)).over(same) - 1})
    kept = ("master_id", *BUSINESS, *IDENTITY, "absent", "superseded")
    return ranked.where(F.col("_rank") == 1).select(*kept)


def complete(rows: DataFrame, *further: str) -> DataFrame:
    """Add the derived columns and select the columns of ``customer_features`` and ``further``.

    Args:
        rows: ``master_id``, business and identity columns (numbers filled) and ``updated_at``;
            ``platform_type`` as given by a drop, NULL where none did.
    """
    return rows.withColumns(_derived()).select(*TABLES[FEATURES].column_names, *further)


@lru_cache(maxsize=1)
def _derived() -> dict[str, Column]:
    online, offline = (F.col(name) for name in _COUNTS)
    value_online, value_offline = (F.col(name) for name in _VALUES)
    orders, value = online + offline, (value_online + value_offline).cast("decimal(18,2)")
    by_rule = (
        F.when((online > 0) & (offline > 0), "OmniChannel")
        .when(online > 0, "Online")
        .when(offline > 0, "Offline")
    )
    # NULL where there is nothing to divide by. The quotient has 22 decimals, so rounding it half
    # up to cents is right; up to 90 trillion, cents are exact as doubles and their quotient too.
    average = F.when(orders > 0, value / orders)
    share = F.when(value > 0, _in_cents(value_online) / _in_cents(value))
    return {
        "platform_type_derived": F.col("platform_type").isNull(),
        "platform_type": F.coalesce("platform_type", by_rule),
        "order_num_total": orders,
        "customer_value_total": value,
        "avg_order_value": F.round(average, 2).cast("decimal(18,2)"),
        "online_value_share": share,
        "is_omnichannel": (online > 0) & (offline > 0),
    }


def fill_numbers(rows: DataFrame) -> DataFrame:
    """Fill the four "ever" numbers with 0 where they are missing."""
    return rows.withColumns(_filled())


def _filled() -> dict[str, Column]:
    zero = {name: F.coalesce(name, F.lit(0).cast("bigint")) for name in _COUNTS}
    none = {name: F.coalesce(name, F.lit(0).cast("decimal(18,2)")) for name in _VALUES}
    return zero | none


def _in_cents(money: Column) -> Column:
    return (money * 100).cast("bigint").cast("double")


def differs(left: str, right: str, columns: list[str]) -> Column:
    """Tell whether two aliased rows differ in any of these columns (NULL equals NULL)."""
    unequal = [~F.col(f"{left}.{name}").eqNullSafe(F.col(f"{right}.{name}")) for name in columns]
    return reduce(Column.__or__, unequal)


def as_snapshots(stored: DataFrame) -> DataFrame:
    """See a stored row, which has its ``old``, as a snapshot that has every column."""
    return stored.select(*_snapshot_columns())


@lru_cache(maxsize=1)
def _snapshot_columns() -> list[Column]:
    given = F.when(~F.col("platform_type_derived"), F.col("platform_type"))
    plain = [name for name in ("master_id", *BUSINESS, *IDENTITY) if name != "platform_type"]
    return [
        *map(F.col, plain),
        given.alias("platform_type"),
        F.array().cast("array<string>").alias("absent"),
        F.lit(0).cast("bigint").alias("superseded"),
        F.lit(True).alias("is_stored"),
        F.col(OLD),
    ]


def _split(contract: Contract) -> tuple[list[str], list[str]]:
    """Separate the business columns that every drop has from those that one may lack."""
    optional = [name for name in BUSINESS if name in contract.optional]
    return [name for name in BUSINESS if name not in optional], optional


def _if_present(name: str, place: Column) -> Column:
    here = ~F.array_contains("absent", F.lit(name))
    return F.when(here, F.struct(place.alias("place"), F.col(name).alias("value")))


def _unpack(always: list[str], optional: list[str]) -> list[Column]:
    return [
        *[F.col(f"winner.{name}").alias(name) for name in always],
        *[F.col(f"_{name}.value").alias(name) for name in optional],
        *[F.col(f"winner.{name}").alias(name) for name in IDENTITY],
    ]
