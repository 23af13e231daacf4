"""Upkeep of the tables: few files, few marks of deleted rows, and no file that nobody needs.

OPTIMIZE, REORG, VACUUM and the checkpoint of a table's log change no row. The first two may lose
against a batch that commits first, and are tried again. A batch may lose against them just so:
then the stream plans it anew, see :mod:`lake.conflicts`, and ``flo maintain`` relies on that.
The appends to the other tables never conflict with them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lake.conflicts import retry_conflicts
from lake.ddl import set_properties
from lake.delta import delta_log, has_table, newest_snapshot
from lake.errors import TransientError, no_tables
from lake.java import scala_object
from lake.settings import Settings
from lake.tables import INTERNAL, ON_DEMAND, TABLES, table_path

DAY = 86_400.0
_OPTIMIZE = "spark.databricks.delta.optimize"


@dataclass(frozen=True)
class Limits:
    """When a table is worth compacting, and how far that goes.

    Attributes:
        small_files: compact a table that has so many small files.
        small_bytes: a file below this size is small: it is put together with others. One above
            it is left alone, however many small ones there are.
        target_bytes: put together files up to this size: some of them to a table of millions of
            customers, so that all cores have one to read.
        deleted_share: take deleted rows out where more than this share of all rows is only
            marked as deleted, so that for one deleted row at most ``1 / deleted_share`` rows
            are written.
    """

    small_files: int = 2
    small_bytes: int = 64 * 2**20
    target_bytes: int = 128 * 2**20
    deleted_share: float = 0.05


@dataclass(frozen=True)
class Files:
    """What the newest version of a table is made of; ``rows`` has the deleted ones, too."""

    files: int
    bytes: int
    small_files: int
    rows: int
    deletion_vectors: int
    deleted_rows: int


@dataclass(frozen=True)
class Upkept:
    """What became of one table.

    Attributes:
        vectors_removed: how many files no longer carry marks of deleted rows.
        rows_removed: how many rows that were only marked as deleted are gone from the files.
        files_vacuumed: how many files were removed that no kept version of the table needs.
        log_checkpoint: the version at which the table's log has a checkpoint now.
        note: what was left for the next time, as a sentence; empty where nothing was.
    """

    table: str
    files_before: int
    files_after: int
    bytes_before: int
    bytes_after: int
    vectors_removed: int
    rows_removed: int
    files_vacuumed: int
    log_checkpoint: int
    note: str = ""


def maintain(spark: SparkSession, settings: Settings, limits: Limits | None = None) -> list[Upkept]:
    """Compact each table, remove what is older than ``keep_days``, and checkpoint its log.

    - No row changes, and every version of the last ``keep_days`` days can still be asked for.
    - A table that is within the limits is not written.
    - It may run beside a stream. A table that other writers kept changing is left for the next
      time, with a note.

    Raises:
        NotFoundError: there are no tables yet.
    """
    named = (*TABLES, *ON_DEMAND, *INTERNAL)
    present = [name for name in named if has_table(spark, settings, name)]
    if not present:
        raise no_tables(settings.tables)
    # VACUUM and Delta's own cleaning of the log go by the tables' properties.
    set_properties(spark, settings)
    session = own_session(spark)
    return [_maintain(session, settings, name, limits or Limits()) for name in present]


def own_session(spark: SparkSession) -> SparkSession:
    """Open a session of one's own: what upkeep sets in it, the stream's must not see."""
    session = spark.newSession()
    # VACUUM lists files in so many tasks: with the default of 10,000, an empty one took 20 s.
    session.conf.set("spark.sql.sources.parallelPartitionDiscovery.parallelism", 4)
    return session


def look_at(spark: SparkSession, settings: Settings, name: str, limits: Limits) -> Files:
    """Count the files of a table's newest version, from Delta's log alone."""
    added = DataFrame(newest_snapshot(spark, settings, name).allFiles().toDF(), spark)
    rows = F.get_json_object("stats", "$.numRecords").cast("bigint")
    found = added.agg(
        F.count(F.lit(1)).alias("files"),
        F.coalesce(F.sum("size"), F.lit(0)).alias("bytes"),
        F.count_if(F.col("size") < limits.small_bytes).alias("small_files"),
        F.coalesce(F.sum(rows), F.lit(0)).alias("rows"),
        F.count("deletionVector").alias("deletion_vectors"),
        F.coalesce(F.sum("deletionVector.cardinality"), F.lit(0)).alias("deleted_rows"),
    ).collect()
    return Files(**found[0].asDict())


def compact(
    spark: SparkSession, settings: Settings, name: str, limits: Limits, found: Files
) -> list[str]:
    """Bring a table that is outside the limits back; return what was done, if anything.

    Small files are put together first, which takes their deleted rows out as well. Each of the
    two statements is one commit.

    Args:
        spark: a session of one's own: the limits become settings of it.
        found: what the table is made of now.

    Raises:
        TransientError: other writers kept changing the table.
    """
    spark.conf.set(f"{_OPTIMIZE}.minFileSize", limits.small_bytes)
    spark.conf.set(f"{_OPTIMIZE}.maxFileSize", limits.target_bytes)
    # By itself OPTIMIZE would write big files anew for a twentieth of their rows, but only those
    # that it can put together with others.
    spark.conf.set(f"{_OPTIMIZE}.maxDeletedRowsRatio", "1.0")
    table = f"delta.`{table_path(settings, name)}`"
    done = []
    if found.small_files >= limits.small_files:
        retry_conflicts(lambda: spark.sql(f"OPTIMIZE {table}").collect(), name)
        done.append("optimized")
        found = look_at(spark, settings, name, limits)
    if found.deleted_rows > limits.deleted_share * found.rows:
        retry_conflicts(lambda: spark.sql(f"REORG TABLE {table} APPLY (PURGE)").collect(), name)
        done.append("purged")
    return done


def may_have_old_files(spark: SparkSession, settings: Settings, name: str) -> bool:
    """Tell whether a table is older than what it keeps; the files of a younger one are needed."""
    snapshot = newest_snapshot(spark, settings, name)
    if snapshot.version() < 0:
        return False
    made = snapshot.metadata().createdTime()
    made_at = int(made.get()) / 1000 if made.isDefined() else 0.0
    kept = 1 if name in INTERNAL else settings.keep_days
    return time.time() - made_at > kept * DAY


def vacuum(spark: SparkSession, settings: Settings, name: str) -> int:
    """Remove the files that no version of the last ``keep_days`` days needs; return how many.

    Delta goes by the table's own property, whatever RETAIN says, and notes the start and the
    end in the table's log, where the number is read from.
    """
    path = table_path(settings, name)
    with _standard_error(spark):
        spark.sql(f"VACUUM delta.`{path}`").collect()
    ended = (
        spark.sql(f"DESCRIBE HISTORY delta.`{path}` LIMIT 20")
        .where("operation = 'VACUUM END'")
        .orderBy(F.desc("version"))
        .select(F.col("operationMetrics")["numDeletedFiles"].cast("bigint").alias("files"))
        .first()
    )
    return int(ended["files"]) if ended else 0


@contextmanager
def _standard_error(spark: SparkSession) -> Iterator[None]:
    """Send what Delta prints about a VACUUM to standard error: the output is for results."""
    jvm: Any = spark._jvm
    console = scala_object(jvm, "scala.Console")
    console.setOutDirect(jvm.java.lang.System.err)
    try:
        yield
    finally:
        console.setOutDirect(jvm.java.lang.System.out)


def _checkpoint(spark: SparkSession, settings: Settings, name: str) -> int:
    """See that the newest version has a checkpoint, which also cleans the log; return it."""
    snapshot = newest_snapshot(spark, settings, name)
    if snapshot.checkpointProvider().version() != snapshot.version():
        log = delta_log(spark, settings, name)
        log.checkpoint(snapshot, getattr(log, "checkpoint$default$2")())
    return int(snapshot.version())


def _maintain(session: SparkSession, settings: Settings, name: str, limits: Limits) -> Upkept:
    before = look_at(session, settings, name, limits)
    note = ""
    try:
        compact(session, settings, name, limits, before)
    except TransientError as error:
        note = f"{name} is left as it is until the next time. {error}"
    old = may_have_old_files(session, settings, name)
    vacuumed = vacuum(session, settings, name) if old else 0
    after = look_at(session, settings, name, limits)
    return Upkept(
        table=name,
        files_before=before.files,
        files_after=after.files,
        bytes_before=before.bytes,
        bytes_after=after.bytes,
        vectors_removed=max(0, before.deletion_vectors - after.deletion_vectors),
        rows_removed=max(0, before.deleted_rows - after.deleted_rows),
        files_vacuumed=vacuumed,
        log_checkpoint=_checkpoint(session, settings, name),
        note=note,
    )
