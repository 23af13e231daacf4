"""The order rule as a step: from what is stored to what it is after each drop of a batch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from pyspark.sql import Column, DataFrame, Window, WindowSpec
from pyspark.sql import functions as F

from lake.contract import Contract
from lake.replacing import OLD
from streaming.features import (
    BUSINESS,
    IDENTITY,
    filled,
    if_present,
    sequence,
    split_columns,
    unpack,
)


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


def step_once(candidates: DataFrame, stored: DataFrame, contract: Contract) -> DataFrame:
    """Do the same as :func:`step` where a customer has one candidate and one stored row at most.

    That is so for the rows of one drop and of ``customer_features``. To compare two rows a join is
    enough; of more, each customer's must be put in order.
    """
    columns, ordered = _once_columns(contract), _step_columns(contract)
    new = candidates.withColumns(ordered.placed).select(*columns.new)
    before = stored.withColumns(ordered.placed).select(*columns.before)
    # Both lie by customer already; to broadcast whole rows would be one job more.
    rows = new.join(before.hint("merge"), "master_id", "left")
    rows = rows.withColumns(columns.winning).withColumn("state", columns.state)
    return (
        rows.withColumn("touched", columns.touched)
        .withColumn("outcome", columns.outcome)
        .select(*ordered.result)
    )


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
    always, optional = split_columns(contract)
    order = Window.partitionBy("master_id").orderBy(
        F.col("is_stored").desc(), "drop_time", "drop_id"
    )
    so_far = order.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    business = F.struct(*[F.col(f"state.{name}") for name in BUSINESS])
    same = F.lag(business).over(order).eqNullSafe(business)
    return _StepColumns(
        placed=filled() | {"place": sequence(contract)},
        running=_running(always, optional, order, so_far),
        state=F.struct(*unpack(always, optional)),
        compared={"outcome": _outcome(same), "changes": ~F.col("is_stored") & ~same},
        touched=F.max("changes").over(so_far),
        result=_result(),
    )


@dataclass(frozen=True)
class _OnceColumns:
    """What each stage of :func:`step_once` adds or selects, in their order."""

    new: list[Column]
    before: list[Column]
    winning: dict[str, Column]
    state: Column
    touched: Column
    outcome: Column


@lru_cache(maxsize=4)
def _once_columns(contract: Contract) -> _OnceColumns:
    always, optional = split_columns(contract)
    place = F.col("place")
    winner = F.struct("place", *map(F.col, [*always, *IDENTITY]))
    rivals = {"winner": winner} | {f"_{name}": if_present(name, place) for name in optional}
    business = F.struct(*[F.col(f"state.{name}") for name in BUSINESS])
    return _OnceColumns(
        new=[
            *map(F.col, ("master_id", "drop_id", "superseded", "place")),
            *(rival.alias(name) for name, rival in rivals.items()),
        ],
        before=[
            F.col("master_id"),
            place.alias("stored_place"),
            F.struct(*BUSINESS).alias("stored"),
            *(rival.alias(f"stored_{name}") for name, rival in rivals.items()),
            F.col(OLD),
        ],
        # The greatest passes over what is NULL.
        winning={name: F.greatest(name, f"stored_{name}") for name in rivals}
        | {"best_before": F.col("stored_place"), "is_last": F.lit(True)},
        state=F.struct(*unpack(always, optional)),
        touched=~F.col("stored").eqNullSafe(business),
        outcome=_outcome(~F.col("touched")),
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
        *[F.max(if_present(name, place)).over(so_far).alias(f"_{name}") for name in optional],
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
