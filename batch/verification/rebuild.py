"""Put the tables right: drop what is there twice, then replace the features that differ."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from batch.verification.recompute import compared_columns, recompute_features, value_columns
from batch.verification.repeats import drop_repeats
from checkpoints.consistent_view import read_consistent_view
from checkpoints.ledger import Ledger
from checkpoints.lock import StreamLock, holding
from checkpoints.recovery import recover
from lake.conflicts import retry_conflicts
from lake.contract import load_contract
from lake.delta import open_table, table_version
from lake.fence import Fence
from lake.format import require_tables
from lake.fs import FileSystem
from lake.order_rule import making_anew
from lake.settings import Settings
from lake.tables import FEATURES, TABLES
from streaming.features import differs


@dataclass(frozen=True)
class Rebuilt:
    """What a rebuild did.

    Attributes:
        inserted: rows of the features, as are ``changed`` and ``deleted``.
        features_version: the version that holds them.
        repeated_rows: rows of snapshots and quarantine that were there twice.
        repeated_accounts: accounts of the ledger that were.
    """

    inserted: int
    changed: int
    deleted: int
    features_version: int
    repeated_rows: int = 0
    repeated_accounts: int = 0


def rebuild(spark: SparkSession, settings: Settings) -> Rebuilt:
    """Make ``customer_features`` what the snapshots say, while readers go on.

    - What two streams at once have written twice, in the other tables, is there once afterwards,
      see :func:`batch.verification.repeats.drop_repeats`.
    - One commit, or none where nothing differs: a reader sees the features before it or after
      it. Rows that are right are not touched. (An overwrite would be one commit too, but would
      write the whole table anew and tell the change feed that every customer changed.)
    - ``updated_at`` stays where a customer's values stay.
    - A customer who is there several times is there once afterwards.
    - They are made by the order rule of the contract of now, whatever they were made by.
    - It holds the stream's lock. What a killed stream left half done is finished first.
    - Its commit carries no accounts, so that a later recovery passes over it.

    Raises:
        LockedError: a stream is running; the message says who.
        NotFoundError: there are no tables yet.
        TransientError: other writers kept changing the features.
    """
    contract = load_contract(settings.contract)
    require_tables(spark, settings)
    lock = StreamLock(FileSystem.of(spark), settings)
    with holding(lock, spark.sparkContext.applicationId):
        fence = Fence.raised(spark, settings, lock.confirm)
        recover(spark, fence, Ledger(spark, fence))
        rows, accounts = drop_repeats(spark, fence)

        def replace_features() -> Rebuilt:
            view = read_consistent_view(spark, settings)
            expected = recompute_features(view.snapshots, view.ledger, contract)
            changes = find_changes(expected, view.features, datetime.now(UTC))
            return _apply(spark, fence, changes)

        with making_anew(spark, settings, contract):
            done = retry_conflicts(replace_features, "the features")
        return replace(done, repeated_rows=rows, repeated_accounts=accounts)


def find_changes(expected: DataFrame, stored: DataFrame, now: datetime) -> DataFrame:
    """Find what turns the stored features into the expected ones.

    Returns:
        The columns of ``customer_features`` and ``kind``: ``inserted``, ``changed`` or
        ``deleted``. ``updated_at`` is NULL where it stays. A customer who is stored several
        times is deleted and inserted.
    """
    compared = compared_columns()
    once = stored.groupBy("master_id").agg(
        F.first(F.struct(*compared)).alias("o"), F.count(F.lit(1)).alias("copies")
    )
    new = expected.select(F.col("master_id").alias("id"), F.struct(*compared).alias("n"))
    both = new.join(once, F.col("id").eqNullSafe(F.col("master_id")), "full_outer")
    kinds = (
        F.when(F.col("n").isNull(), _kinds("deleted"))
        .when(F.col("o").isNull(), _kinds("inserted"))
        .when(F.col("copies") > 1, _kinds("deleted", "inserted"))
        .when(differs("n", "o", compared), _kinds("changed"))
    )
    changes = both.withColumn("kind", F.explode(kinds))
    stays = (F.col("kind") == "changed") & ~differs("n", "o", value_columns())
    return changes.select(
        F.coalesce("n.master_id", "o.master_id").alias("master_id"),
        *[F.col(f"n.{name}").alias(name) for name in compared if name != "master_id"],
        F.when(~stays, F.lit(now)).alias("updated_at"),
        "kind",
    )


def _kinds(*names: str) -> Column:
    return F.array(*[F.lit(name) for name in names])


def _apply(spark: SparkSession, fence: Fence, changes: DataFrame) -> Rebuilt:
    changes = changes.persist(StorageLevel.MEMORY_AND_DISK)
    try:
        counts = {row["kind"]: row["count"] for row in changes.groupBy("kind").count().collect()}
        if counts:
            _merge(spark, fence, changes)
        version = table_version(spark, fence.settings, FEATURES)
    finally:
        changes.unpersist()
    return Rebuilt(
        counts.get("inserted", 0), counts.get("changed", 0), counts.get("deleted", 0), version
    )


def _merge(spark: SparkSession, fence: Fence, changes: DataFrame) -> None:
    values: dict[str, str | Column] = {
        name: F.col(f"s.{name}") for name in TABLES[FEATURES].column_names
    }
    kept: dict[str, str | Column] = {"updated_at": F.coalesce("s.updated_at", "t.updated_at")}
    # What is inserted matches nothing: a repeated customer's rows all go, and one comes.
    same = "t.master_id <=> s.master_id AND s.kind <> 'inserted'"
    merge = (
        open_table(spark, fence.settings, FEATURES)
        .alias("t")
        .merge(changes.alias("s"), same)
        .whenMatchedDelete(condition="s.kind = 'deleted'")
        .whenMatchedUpdate(condition="s.kind = 'changed'", set=values | kept)
        .whenNotMatchedInsert(condition="s.kind = 'inserted'", values=values)
    )
    with fence.committing(spark, FEATURES):
        merge.execute()
