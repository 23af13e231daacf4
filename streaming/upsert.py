"""The upsert: from a batch's accepted rows to one commit on ``customer_features``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from delta.tables import DeltaTable
from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from checkpoints.ledger import carrying
from lake.conflicts import retry_conflicts
from lake.contract import Contract
from lake.settings import Settings
from lake.tables import FEATURES, SNAPSHOTS, TABLES, open_table, table_path, table_version
from streaming.features import as_snapshots, complete, pick_candidates, sequence, step

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
        rows: the feature rows to write, with ``existed``; what they come from is persisted until
            ``release``.
        inserts: how many of them are new customers.
        updates: how many of them replace a row.
    """

    outcomes: Mapping[str, Counter[str]]
    rows: DataFrame
    inserts: int
    updates: int
    release: Callable[[], None]


def plan_upsert(
    spark: SparkSession, contract: Contract, accepted: DataFrame, now: datetime, stored: Stored
) -> Upsert:
    """Work out what the accepted rows change, and how each of them counts.

    Args:
        spark: the session of the batch.
        contract: the order rule's leading column and the optional columns.
        accepted: this batch's rows of ``customer_snapshots``, already written there.
        now: ``updated_at`` of the rows whose values change.
        stored: what to compare with.
    """
    candidates = pick_candidates(accepted, contract)
    ids = candidates.select("master_id")
    known = as_snapshots(stored.features.join(ids, "master_id", "left_semi"))
    steps = step(candidates, known, contract).persist(StorageLevel.MEMORY_AND_DISK)
    counts = _count(steps)
    lacking = _lacking(stored.columns_of(counts.stored_ids), contract)
    if lacking:
        undecided = _find_undecided(spark, lacking, steps, candidates).persist()
        if not undecided.isEmpty():
            earlier = stored.snapshots().where(~F.col("drop_id").isin(list(counts.outcomes)))
            known = _with_history(known, earlier, undecided)
            steps.unpersist()
            steps = step(candidates, known, contract).persist(StorageLevel.MEMORY_AND_DISK)
            counts = _count(steps)
        undecided.unpersist()

    def release() -> None:
        steps.unpersist()

    sizes = counts.writes
    return Upsert(counts.outcomes, _changed(steps, now), sizes[False], sizes[True], release)


def write_upsert(
    spark: SparkSession, settings: Settings, contract: Contract, upsert: Upsert, metadata: str
) -> int:
    """Write the feature rows in one commit that carries ``metadata``, and return its version.

    Only the clauses that are needed are asked for: new customers alone are appended, known ones
    alone need no outer join. A matched row is replaced only by one that is not older.
    """
    if upsert.inserts + upsert.updates == 0:
        return table_version(spark, settings, FEATURES)
    table = open_table(spark, settings, FEATURES)
    columns = TABLES[FEATURES].column_names
    with carrying(spark, metadata):
        if upsert.updates == 0:
            frame = upsert.rows.select(*columns)
            frame.write.format("delta").mode("append").save(table_path(settings, FEATURES))
        else:
            # The plan is of absolute values, so it may be repeated after a compaction that came
            # first; of other streams the lock takes care.
            retry_conflicts(lambda: _merge(table, upsert, columns, contract), FEATURES)
    return table_version(spark, settings, FEATURES)


def _merge(table: DeltaTable, upsert: Upsert, columns: list[str], contract: Contract) -> None:
    values: dict[str, str | Column] = {name: F.col(f"s.{name}") for name in columns}
    # A row whose values stay keeps its time of change: the plan leaves it NULL.
    kept: dict[str, str | Column] = {"updated_at": F.coalesce("s.updated_at", "t.updated_at")}
    merge = table.alias("t").merge(upsert.rows.alias("s"), "t.master_id = s.master_id")
    not_older = sequence(contract, "s") >= sequence(contract, "t")
    merge = merge.whenMatchedUpdate(condition=not_older, set=values | kept)
    if upsert.inserts:
        merge = merge.whenNotMatchedInsert(values=values)
    merge.execute()


@dataclass(frozen=True)
class _Counts:
    """What a plan comes to.

    Attributes:
        outcomes: rows per drop and outcome, ``superseded`` ones too.
        writes: rows to write, by whether the customer exists.
        stored_ids: drops that customers' stored rows are of, where a candidate is older.
    """

    outcomes: dict[str, Counter[str]]
    writes: Counter[bool]
    stored_ids: set[str]


def _count(steps: DataFrame) -> _Counts:
    found = _Counts({}, Counter(), set())
    counted = steps.groupBy("drop_id", "outcome", "existed").agg(
        F.count(F.lit(1)).alias("rows"),
        F.sum("superseded").alias("superseded"),
        F.count_if("writes").alias("writes"),
        F.collect_set(F.when(F.col("behind_stored"), F.col("stored_id"))).alias("stored_ids"),
    )
    for row in counted.collect():
        of_drop = found.outcomes.setdefault(row["drop_id"], Counter())
        of_drop[row["outcome"]] += row["rows"]
        of_drop["superseded"] += row["superseded"]
        found.writes[row["existed"]] += row["writes"]
        found.stored_ids.update(row["stored_ids"])
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
    touched = F.when(F.col("touched"), F.lit(now))
    last = steps.where("writes")
    flat = last.select("master_id", "state.*", touched.alias("updated_at"), "existed")
    return complete(flat, "existed")


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
    history = snapshots.join(few, "master_id", "left_semi").withColumns(marked)
    decided = known.join(few, "master_id", "left_anti")
    return decided.unionByName(history.select(*known.columns))
