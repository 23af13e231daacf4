"""The order rule as a step: from what is stored to what it is after each drop of a batch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from pyspark.sql import Column, DataFrame, Window, WindowSpec
from pyspark.sql import functions as F

from lake.contract import Contract
from lake.features_writer import OLD
from streaming.features import (
    BUSINESS,
    SOURCE,
    fold_snapshots,
    placed_names,
    stored_columns,
    unpack,
)


def step(candidates: DataFrame, stored: DataFrame, contract: Contract) -> DataFrame:
    """Apply each drop's candidates one by one, in ``(drop_time, drop_id)`` order, to the features.

    Args:
        candidates: at most one per customer and drop (see :func:`pick_candidates`).
        stored: what these customers' rows were made of, each with its ``old`` row (see
            :func:`as_placed`).

    Returns:
        One row per candidate: ``master_id, drop_id``, ``outcome`` (``inserted``, ``updated``,
        ``unchanged`` or ``stale``), ``touched`` (this or an earlier step changed a value; a stale
        candidate does where it has a column that the rows before it lacked),
        ``superseded`` (see :func:`pick_candidates`), ``state`` (the customer's columns after this
        drop), ``existed``, ``writes`` (it is the customer's last step, and a value or where one
        comes from is another than stored), and ``old``.
    """
    columns = _step_columns(contract)
    rows = candidates.withColumn(OLD, F.lit(None)).unionByName(
        stored.withColumns({"drop_id": F.lit(None), "superseded": F.lit(None)})
    )
    # Kept beside the winner, which becomes that of all rows so far.
    rows = rows.withColumn("place", F.col("winner.place")).select(*columns.running)
    rows = rows.withColumn("state", columns.state).withColumns(columns.compared)
    rows = rows.withColumn("touched", columns.touched)
    return rows.where("drop_id IS NOT NULL").select(*columns.result)


def step_once(candidates: DataFrame, stored: DataFrame, contract: Contract) -> DataFrame:
    """Do the same as :func:`step` where a customer has one candidate at most.

    That is so for the rows of one drop. To compare two rows a join is enough; of more, each
    customer's must be put in order.
    """
    columns = _once_columns(contract)
    before = stored.select(*columns.before)
    # Both lie by customer already; to broadcast whole rows would be one job more.
    rows = candidates.join(before.hint("merge"), "master_id", "left")
    rows = rows.withColumns(columns.winning).withColumn("state", columns.state)
    return (
        rows.withColumn("touched", columns.touched)
        .withColumn("outcome", columns.outcome)
        .select(*_result())
    )


@dataclass(frozen=True)
class _StepColumns:
    """What each stage of :func:`step` adds or selects, in their order."""

    running: list[Column]
    state: Column
    compared: dict[str, Column]
    touched: Column
    result: list[Column]


# Each column is several calls from Python to Java; as it belongs to no frame, it is made once.
@lru_cache(maxsize=4)
def _step_columns(contract: Contract) -> _StepColumns:
    order = Window.partitionBy("master_id").orderBy(
        F.col("drop_id").isNotNull(), "place.drop_time", "drop_id"
    )
    so_far = order.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    business = F.struct(*[F.col(f"state.{name}") for name in BUSINESS])
    same = F.lag(business).over(order).eqNullSafe(business)
    return _StepColumns(
        running=_running(contract, order, so_far),
        state=F.struct(*unpack(contract)),
        compared={"outcome": _outcome(same), "changes": F.col("drop_id").isNotNull() & ~same},
        touched=F.max("changes").over(so_far),
        result=_result(),
    )


@dataclass(frozen=True)
class _OnceColumns:
    """What each stage of :func:`step_once` adds or selects, in their order."""

    before: list[Column]
    winning: dict[str, Column]
    state: Column
    touched: Column
    outcome: Column


@lru_cache(maxsize=4)
def _once_columns(contract: Contract) -> _OnceColumns:
    rivals = placed_names(contract)
    business = F.struct(*[F.col(f"state.{name}") for name in BUSINESS])
    before = F.struct(*[F.col(f"before.{name}") for name in BUSINESS])
    return _OnceColumns(
        before=[
            F.col("master_id"),
            *[F.col(name).alias(f"stored_{name}") for name in rivals],
            F.col(OLD),
        ],
        winning={
            "place": F.col("winner.place"),
            "best_before": F.col("stored_winner.place"),
            "is_last": F.lit(True),
            "before": F.struct(*unpack(contract, "stored_")),
            # The greatest passes over what is NULL.
            **{name: F.greatest(name, f"stored_{name}") for name in rivals},
        },
        state=F.struct(*unpack(contract)),
        touched=~before.eqNullSafe(business),
        outcome=_outcome(~F.col("touched")),
    )


def _running(contract: Contract, order: WindowSpec, so_far: WindowSpec) -> list[Column]:
    """The winner of each column, and what it is compared with, after each of a customer's rows."""
    before = order.rowsBetween(Window.unboundedPreceding, -1)
    return [
        *map(F.col, ("master_id", "drop_id", "superseded", "place")),
        *[F.max(name).over(so_far).alias(name) for name in placed_names(contract)],
        F.max("place").over(before).alias("best_before"),
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
    source, stored = (
        F.struct(*[F.col(f"{row}.{name}") for name in SOURCE]) for row in ("state", "old.values")
    )
    writes = F.col("is_last") & (F.col("touched") | ~source.eqNullSafe(stored))
    return [
        *map(F.col, ("master_id", "drop_id", "superseded", "outcome", "touched", "state")),
        F.col(OLD).isNotNull().alias("existed"),
        writes.alias("writes"),
        F.col(OLD),
    ]


def pick_candidates(snapshots: DataFrame, contract: Contract) -> DataFrame:
    """Keep the greatest of each drop's snapshots of a customer, and count the others.

    Returns:
        ``master_id``, ``drop_id``, ``superseded`` and the columns of
        :func:`streaming.features.placed_columns`.
    """
    folded = fold_snapshots(snapshots, contract, "drop_id")
    return folded.withColumn("superseded", F.col("rows") - 1).drop("rows")


def as_placed(stored: DataFrame, contract: Contract) -> DataFrame:
    """See stored rows, each with its ``old``, as what they were made of."""
    return stored.select("master_id", *stored_columns(contract), OLD)
