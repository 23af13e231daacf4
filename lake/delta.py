"""Opening the Delta tables: at a version, for a change, or to see what their logs say."""

from __future__ import annotations

from typing import Any

from delta.tables import DeltaTable
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lake.causes import condition_of
from lake.errors import no_table
from lake.fs import FileSystem
from lake.java import java_class
from lake.settings import Settings
from lake.tables import DATABASE, table_path

# What Delta says, and Spark of a file.
_GONE = {
    "DELTA_VERSION_NOT_FOUND",
    "DELTA_TIMESTAMP_EARLIER_THAN_COMMIT_RETENTION",
    "DELTA_NO_RECREATABLE_HISTORY_FOUND",
    "DELTA_UNSUPPORTED_TIME_TRAVEL_BEYOND_DELETED_FILE_RETENTION_DURATION",
    "DELTA_LOG_FILE_NOT_FOUND",
    "FAILED_READ_FILE.FILE_NOT_EXIST",
    "FileNotFoundException",
}
# More than are made between two calls.
_LATER_COMMITS = 20


def has_table(spark: SparkSession, settings: Settings, name: str) -> bool:
    """Tell whether there is a table; a directory without a commit, left by a kill, is none."""
    return table_version(spark, settings, name) >= 0


def require_table(spark: SparkSession, settings: Settings, name: str) -> None:
    """Make sure that there is a table.

    Raises:
        NotFoundError: there is none.
    """
    if not has_table(spark, settings, name):
        raise no_table(name, settings.tables)


def read_table(
    spark: SparkSession, settings: Settings, name: str, version: int | None = None
) -> DataFrame:
    """Read one version of a table; without one, whatever is the newest when the frame is used."""
    reader = spark.read.format("delta")
    if version is not None:
        reader = reader.option("versionAsOf", version)
    return reader.load(table_path(settings, name))


def is_gone(error: BaseException) -> bool:
    """Tell whether reading failed because Delta keeps a version, or a file of it, no longer."""
    return condition_of(error) in _GONE


def open_table(spark: SparkSession, settings: Settings, name: str) -> DeltaTable:
    """Open one of the tables for MERGE, history and the like."""
    return DeltaTable.forPath(spark, table_path(settings, name))


def table_version(spark: SparkSession, settings: Settings, name: str) -> int:
    """Newest version of a table; -1 where there is none."""
    return int(newest_snapshot(spark, settings, name).version())


def history_after(
    spark: SparkSession, settings: Settings, name: str, version: int, newest: int
) -> DataFrame:
    """What Delta tells of the commits after a version, at least up to the newest that is known."""
    # It is counted back from the newest commit, which may be a later one by now.
    history = open_table(spark, settings, name).history(newest - version + _LATER_COMMITS)
    return history.where(F.col("version") > version)


def delta_log(spark: SparkSession, settings: Settings, name: str) -> Any:
    """Delta's log of a table; the JVM keeps it, so asking again costs next to nothing."""
    logs = java_class(spark._jvm, "org.apache.spark.sql.delta.DeltaLog")
    return logs.forTable(spark._jsparkSession, table_path(settings, name))


def newest_snapshot(spark: SparkSession, settings: Settings, name: str) -> Any:
    """Delta's own view of a table's newest version; its version is -1 where there is no table."""
    log = delta_log(spark, settings, name)
    # Default arguments are methods, seen from outside Scala.
    defaults = [getattr(log, f"update$default${position}")() for position in (2, 3)]
    return log.update(False, *defaults)


def read_property(spark: SparkSession, settings: Settings, name: str, key: str) -> str | None:
    """Read a property of a table that is there; None where it has none of that name."""
    configuration = newest_snapshot(spark, settings, name).metadata().configuration()
    return str(configuration.apply(key)) if configuration.contains(key) else None


def declare_names(spark: SparkSession, settings: Settings) -> None:
    """Declare ``flo.<table>`` for each table that exists; repeating it changes nothing.

    With an in-memory catalogue the names last as long as the session; with a metastore they
    are there for everybody.
    """
    files = FileSystem.of(spark)
    # Asked for one that is there, Spark 4.2 warns that somebody has made it at the same time.
    if not spark.catalog.databaseExists(DATABASE):
        spark.sql(f"CREATE DATABASE IF NOT EXISTS {DATABASE}")
    for info in files.list(settings.tables):
        if info.is_dir and files.exists(f"{settings.tables}/{info.name}/_delta_log"):
            spark.sql(
                f"CREATE TABLE IF NOT EXISTS {DATABASE}.`{info.name}` USING delta "
                f"LOCATION '{table_path(settings, info.name)}'"
            )
