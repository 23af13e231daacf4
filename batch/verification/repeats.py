"""Rows and accounts that are there twice, as two streams at once would leave them: one is kept."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from checkpoints.ledger import OF_THE_ARRIVAL, State
from lake.conflicts import retry_conflicts
from lake.delta import read_table
from lake.fence import Fence
from lake.tables import LEDGER, QUARANTINE, SNAPSHOTS, table_path
from streaming.accounts import SAME_BYTES

ROW_KEY = ("drop_id", "row_no")
ACCOUNT_KEY = ("account_id",)

_KEPT = frozenset((*OF_THE_ARRIVAL, "drop_id", "archived_sha256"))


def find_repeats(rows: DataFrame, *key: str) -> DataFrame:
    """Find what has the same key as another row: the key, its drop, how many too many (``n``)."""
    of_drop = [] if "drop_id" in key else [F.any_value("drop_id").alias("drop_id")]
    counted = rows.groupBy(*key).agg((F.count(F.lit(1)) - 1).alias("n"), *of_drop)
    return counted.where("n > 0")


def drop_repeats(spark: SparkSession, fence: Fence) -> tuple[int, int]:
    """Keep one of each row in snapshots and quarantine, and one ingested account of each drop.

    One commit for each table in which there is something to do.

    Returns:
        How many rows, and how many accounts, were too many.
    """
    rows = sum(_drop_rows(spark, fence, table) for table in (SNAPSHOTS, QUARANTINE))
    return rows, _drop_accounts(spark, fence)


def _drop_rows(spark: SparkSession, fence: Fence, table: str) -> int:
    stored = read_table(spark, fence.settings, table)
    found = find_repeats(stored, *ROW_KEY).where("drop_id IS NOT NULL")
    repeats = found.groupBy("drop_id").agg(F.sum("n").alias("n")).collect()
    if repeats:
        named = ", ".join(f"'{row['drop_id']}'" for row in repeats)
        concerned = f"drop_id IN ({named})"
        _replace(spark, fence, table, stored.where(concerned).dropDuplicates([*ROW_KEY]), concerned)
    return sum(row["n"] for row in repeats)


def _drop_accounts(spark: SparkSession, fence: Fence) -> int:
    """Of an account keep the first; of other arrivals of its bytes make duplicates."""
    stored = read_table(spark, fence.settings, LEDGER)
    ingested = F.col("state") == State.INGESTED
    # Who wrote the features first has counted what changed; the second found it there.
    first = [(~ingested).asc(), F.col("features_version").asc_nulls_last(), F.col("finished_at")]
    of_account = F.row_number().over(Window.partitionBy(*ACCOUNT_KEY).orderBy(*first))
    of_drop = F.row_number().over(Window.partitionBy("drop_id").orderBy(*first))
    once = stored.withColumn("nth", of_account).where("nth = 1").withColumn("nth", of_drop)
    later = ingested & (F.col("nth") > 1)
    repeats = find_repeats(stored, *ACCOUNT_KEY).agg(F.coalesce(F.sum("n"), F.lit(0))).first()
    again = once.where(later).count()
    found = int(repeats[0] if repeats else 0) + again
    if found:
        kept = [_or_duplicate(stored, name, later).alias(name) for name in stored.columns]
        _replace(spark, fence, LEDGER, once.select(*kept), None)
    return found


def _or_duplicate(stored: DataFrame, name: str, duplicate: Column) -> Column:
    """A column of an account, as a duplicate's has it where it is one."""
    kind = dict(stored.dtypes)[name]
    if name in _KEPT:
        return F.col(name)
    if name == "state":
        value = F.lit(State.DUPLICATE.value)
    elif name == "reason":
        value = F.lit(SAME_BYTES)
    elif name.startswith("rows_"):
        value = F.lit(0)
    else:
        value = F.array() if kind.startswith("array") else F.lit(None)
    return F.when(duplicate, value.cast(kind)).otherwise(F.col(name))


def _replace(
    spark: SparkSession, fence: Fence, table: str, rows: DataFrame, concerned: str | None
) -> None:
    """Put rows in the place of those concerned, or of all."""
    writer = rows.write.format("delta").mode("overwrite")
    writer = writer.option("replaceWhere", concerned) if concerned else writer

    def replace() -> None:
        with fence.committing(spark, table):
            writer.save(table_path(fence.settings, table))

    retry_conflicts(replace, table)
