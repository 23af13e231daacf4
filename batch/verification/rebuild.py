"""Put the tables right: drop what is there twice, then replace the features that differ."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from batch.verification.recompute import compared_columns, recompute_features, value_columns
from batch.verification.repeats import drop_repeats
from checkpoints.consistent_view import read_consistent_view
from checkpoints.ledger import Ledger
from checkpoints.lock import StreamLock, holding
from checkpoints.recovery import recover
from lake.conflicts import retry_conflicts
from lake.contract import load_contract
from lake.features_writer import DELETED, OLD, FeaturesWriter, Sizes, placed, with_old
from lake.fence import Fence
from lake.format import require_tables
from lake.fs import FileSystem
from lake.order_rule import making_anew
from lake.settings import Settings
from lake.writers import open_writer, require_writer
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
        require_writer(spark, settings)
        fence = Fence.raised(spark, settings, lock.confirm)
        open_writer(spark, fence)  # says what it cannot do with before anything is changed
        recover(spark, fence, Ledger(spark, fence))
        rows, accounts = drop_repeats(spark, fence)

        def replace_features() -> Rebuilt:
            writer = open_writer(spark, fence)
            view = read_consistent_view(spark, settings)
            expected = recompute_features(view.snapshots, view.ledger, contract)
            return _apply(writer, find_changes(expected, view.features, datetime.now(UTC)))

        with making_anew(spark, settings, contract):
            done = retry_conflicts(replace_features, "the features")
        return replace(done, repeated_rows=rows, repeated_accounts=accounts)


def find_changes(expected: DataFrame, stored: DataFrame, now: datetime) -> DataFrame:
    """Find what turns the stored features into the expected ones.

    Args:
        expected: one row per customer.
        stored: the table, as read by its path.
        now: ``updated_at`` of the rows whose values change.

    Returns:
        What a :class:`lake.features_writer.FeaturesWriter` takes, and ``kind``: ``inserted``,
        ``changed`` or ``deleted``. Of a customer who is stored several times each row is deleted,
        and one inserted.
    """
    compared = compared_columns()
    of_customer = Window.partitionBy("master_id")
    nth = F.row_number().over(of_customer.orderBy("old.file", "old.row"))
    copies = F.count(F.lit(1)).over(of_customer)
    known = with_old(placed(stored)).select("master_id", OLD)
    known = known.withColumns({"copies": copies, "nth": nth})
    new = expected.select(F.col("master_id").alias("id"), F.struct(*compared).alias("n"))
    both = new.join(known, F.col("id").eqNullSafe(F.col("master_id")), "full_outer")
    again = F.col("n").isNotNull() & (F.col("nth") == 1)
    kinds = (
        F.when(F.col(OLD).isNull(), _kinds("inserted"))
        .when((F.col("copies") > 1) & again, _kinds("deleted", "inserted"))
        .when((F.col("copies") > 1) | F.col("n").isNull(), _kinds("deleted"))
        .when(differs("n", "old.values", compared), _kinds("changed"))
    )
    changes = both.withColumn("kind", F.explode(kinds))
    stays = (F.col("kind") == "changed") & ~differs("n", "old.values", value_columns())
    return changes.select(
        F.coalesce("id", "master_id").alias("master_id"),
        *[F.col(f"n.{name}").alias(name) for name in compared if name != "master_id"],
        F.when(stays, F.col("old.values.updated_at")).otherwise(F.lit(now)).alias("updated_at"),
        F.when(F.col("kind") != "inserted", F.col(OLD)).alias(OLD),
        (F.col("kind") == "deleted").alias(DELETED),
        "kind",
    )


def _kinds(*names: str) -> Column:
    return F.array(*[F.lit(name) for name in names])


def _apply(writer: FeaturesWriter, changes: DataFrame) -> Rebuilt:
    changes = changes.persist(StorageLevel.MEMORY_AND_DISK)
    try:
        counted = changes.groupBy("kind").agg(
            F.count(F.lit(1)).alias("rows"), F.collect_set("old.file").alias("files")
        )
        found = {row["kind"]: row for row in counted.collect()}
        inserted, changed, deleted = (
            found[kind]["rows"] if kind in found else 0
            for kind in ("inserted", "changed", "deleted")
        )
        files = {file for row in found.values() for file in row["files"]}
        sizes = Sizes(inserted, changed, files, deleted)
        version = writer.commit(changes.drop("kind"), sizes) if found else writer.version
    finally:
        changes.unpersist()
    return Rebuilt(inserted, changed, deleted, version)
