"""The upsert: from a batch's accepted rows to one commit on ``customer_features``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from checkpoints.ledger import carrying
from lake.contract import Contract
from lake.replacing import OLD, Replacement, Sizes, placed, with_old
from lake.settings import Settings
from lake.sizing import compiling
from lake.tables import FEATURES, SNAPSHOTS, table_path
from streaming.features import complete
from streaming.steps import as_snapshots, pick_candidates, step, step_once

OUTCOMES = ("inserted", "updated", "unchanged", "stale", "superseded")


ColumnsOf = Callable[[Collection[str]], Mapping[str, Collection[str]]]
"""Tells of ingested drops, by their ``drop_id``, which columns their headers had."""


@dataclass(frozen=True)
class Stored:
    """What a plan looks at.

    Attributes:
        features: the customers as they are.
        snapshots: all accepted rows, this batch's own too; seldom asked for.
        columns_of: tells which columns drops had that came before.
    """

    features: DataFrame
    snapshots: Callable[[], DataFrame]
    columns_of: ColumnsOf

    @classmethod
    def newest(cls, spark: SparkSession, settings: Settings, columns_of: ColumnsOf) -> Stored:
        """The tables as they are now."""

        def read(name: str) -> DataFrame:
            return spark.read.format("delta").load(table_path(settings, name))

        return cls(read(FEATURES), lambda: read(SNAPSHOTS), columns_of)


@dataclass(frozen=True)
class Upsert:
    """What a batch does to the features.

    Attributes:
        outcomes: per ``drop_id``, how many rows were inserted, updated, unchanged, stale and
            superseded.
        rows: the feature rows to write, each with the ``old`` one, if there is one; what they come
            from is persisted until ``release``.
        sizes: of these rows.
    """

    outcomes: Mapping[str, Counter[str]]
    rows: DataFrame
    sizes: Sizes
    release: Callable[[], None]


def plan_upsert(
    spark: SparkSession,
    contract: Contract,
    accepted: DataFrame,
    now: datetime,
    stored: Stored,
    *,
    one_drop: bool = False,
    kept: StorageLevel = StorageLevel.MEMORY_AND_DISK,
) -> Upsert:
    """Work out what the accepted rows change, and how each of them counts.

    Args:
        spark: the session of the batch.
        contract: the order rule's leading column and the optional columns.
        accepted: this batch's rows of ``customer_snapshots``, already written there.
        now: ``updated_at`` of the rows whose values change.
        stored: what to compare with.
        one_drop: all rows are of the same drop; the result is the same without.
        kept: where the plan's rows are until they are written.
    """
    # By customer from here on, so that nothing has to be moved again for the windows to come.
    candidates = pick_candidates(accepted.repartition("master_id"), contract)
    customers = accepted.select("master_id")
    concerned = placed(stored.features).join(customers, "master_id", "left_semi")
    known = as_snapshots(with_old(concerned.repartition("master_id")))
    advance = step_once if one_drop else step
    with compiling(spark):
        steps = advance(candidates, known, contract).persist(kept)
    counts = _count(steps)
    lacking = _lacking(stored.columns_of(counts.stored_ids), contract)
    if lacking:
        undecided = _find_undecided(spark, lacking, steps, candidates).persist()
        if not undecided.isEmpty():
            earlier = stored.snapshots().where(~F.col("drop_id").isin(list(counts.outcomes)))
            known = _with_history(known, earlier, undecided)
            steps.unpersist()
            with compiling(spark):
                steps = step(candidates, known, contract).persist(kept)
            counts = _count(steps)
        undecided.unpersist()

    def release() -> None:
        steps.unpersist()

    sizes = Sizes(counts.writes[False], counts.writes[True], counts.files)
    return Upsert(counts.outcomes, _changed(steps, now), sizes, release)


def write_upsert(spark: SparkSession, features: Replacement, upsert: Upsert, metadata: str) -> int:
    """Write the feature rows in one commit that carries ``metadata``, and return its version.

    Args:
        spark: the session of the batch.
        features: begun before the plan was made; where there is nothing to write, the version is
            the one that it began at.
        upsert: the plan.
        metadata: the accounts of the batch.

    Raises:
        OvertakenError: the customers are others by now than the plan has seen, or lie elsewhere
            (a compaction); a new plan is needed.
    """
    if upsert.sizes.rows == 0:
        return features.version
    with carrying(spark, metadata):
        return features.commit(upsert.rows, upsert.sizes)


@dataclass(frozen=True)
class _Counts:
    """What a plan comes to.

    Attributes:
        outcomes: rows per drop and outcome, ``superseded`` ones too.
        writes: rows to write, by whether the customer exists.
        stored_ids: drops that customers' stored rows are of, where a candidate is older.
        files: those in which the rows lie that are replaced.
    """

    outcomes: dict[str, Counter[str]]
    writes: Counter[bool]
    stored_ids: set[str]
    files: set[str]


def _count(steps: DataFrame) -> _Counts:
    found = _Counts({}, Counter(), set(), set())
    counted = steps.groupBy("drop_id", "outcome", "existed").agg(
        F.count(F.lit(1)).alias("rows"),
        F.sum("superseded").alias("superseded"),
        F.count_if("writes").alias("writes"),
        F.collect_set(F.when(F.col("behind_stored"), F.col("stored_id"))).alias("stored_ids"),
        F.collect_set(F.when(F.col("writes"), F.col("old.file"))).alias("files"),
    )
    for row in counted.collect():
        of_drop = found.outcomes.setdefault(row["drop_id"], Counter())
        of_drop[row["outcome"]] += row["rows"]
        of_drop["superseded"] += row["superseded"]
        found.writes[row["existed"]] += row["writes"]
        found.stored_ids.update(row["stored_ids"])
        found.files.update(row["files"])
    return found


def _lacking(
    columns: Mapping[str, Collection[str]], contract: Contract
) -> dict[str, tuple[str, ...]]:
    """Name, of the drops that lacked an optional column, those that they lacked."""
    lacked = {
        drop_id: tuple(name for name in contract.optional if name not in had)
        for drop_id, had in columns.items()
    }
    return {drop_id: names for drop_id, names in lacked.items() if names}


def _changed(steps: DataFrame, now: datetime) -> DataFrame:
    """Turn the last step of each customer whose winner or values changed into a feature row."""
    # A row whose values stay keeps its time of change.
    updated_at = F.when(F.col("touched"), F.lit(now)).otherwise(F.col("old.values.updated_at"))
    last = steps.where("writes")
    return complete(last.select("master_id", "state.*", updated_at.alias("updated_at"), OLD), OLD)


def _find_undecided(
    spark: SparkSession,
    lacking: Mapping[str, tuple[str, ...]],
    steps: DataFrame,
    candidates: DataFrame,
) -> DataFrame:
    """Find the customers that a comparison with the stored row cannot decide.

    These are the ones for whom a row older than the stored one has a column which the stored
    winner's drop lacked: the stored value of that column may be older still.
    """
    lacked = spark.createDataFrame(list(lacking.items()), "stored_id STRING, lacked ARRAY<STRING>")
    behind = steps.where("behind_stored").select("master_id", "drop_id", "stored_id")
    present = candidates.select("master_id", "drop_id", "absent")
    return (
        behind.join(F.broadcast(lacked), "stored_id")
        .join(present, ["master_id", "drop_id"])
        .where(F.size(F.array_except("lacked", "absent")) > 0)
        .select("master_id")
        .distinct()
    )


def _with_history(known: DataFrame, snapshots: DataFrame, undecided: DataFrame) -> DataFrame:
    """Put all earlier snapshots of the undecided customers in the place of their stored rows."""
    few = F.broadcast(undecided)
    marked = {"is_stored": F.lit(True), "superseded": F.lit(0).cast("bigint")}
    # Whole rows, so they are not broadcast: a large late drop may leave most customers undecided.
    old = known.select("master_id", OLD)
    history = snapshots.join(few, "master_id", "left_semi").withColumns(marked)
    history = history.join(old, "master_id")
    # A customer whose snapshots somebody has deleted keeps the stored row.
    decided = known.join(history.select("master_id"), "master_id", "left_anti")
    return decided.unionByName(history.select(*known.columns))
