"""One commit that puts new rows in the place of old ones that the writer has read already.

Delta's MERGE finds the rows to replace by itself: it reads the table three times, and moves all of
it where there are new rows, too. Who has just read those rows knows where they lie, so what is left
is to mark them as deleted and to write the new ones. It is done with Delta's own parts: its
transaction (which refuses where another commit came first), its writer (which checks constraints
and makes the change feed) and its deletion vectors. See ADR 14.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from lake.conflicts import OvertakenError
from lake.errors import ConfigError
from lake.java import java_class, scala_object, to_list, to_map, to_seq
from lake.settings import Settings
from lake.tables import TABLES, delta_log, newest_snapshot, table_path

OLD = "old"
"""The column with the stored row that another replaces: its place, ``file`` and ``row``, and its
``values``."""

_DELTA = "org.apache.spark.sql.delta"
_KIND = "_change_type"
_VECTORS = "delta.enableDeletionVectors"
# More would be one task's work for more than a second or two.
_ROWS_PER_FILE = 50_000


def with_old(rows: DataFrame, table: str) -> DataFrame:
    """Give each row of a table, as read by its path, its ``old``: itself and where it lies."""
    values = F.struct(*TABLES[table].column_names).alias("values")
    place = (F.col("_metadata.file_path").alias("file"), F.col("_metadata.row_index").alias("row"))
    return rows.select("*", F.struct(*place, values).alias(OLD))


@dataclass(frozen=True)
class Sizes:
    """How many rows a commit writes, and in which files those lie that it replaces.

    Attributes:
        inserts: rows without an ``old``.
        updates: rows with one.
        files: the files that those name.
    """

    inserts: int
    updates: int
    files: Collection[str]


class Replacement:
    """A table as it is now, and one commit on it that is made only if it still is then.

    It is begun before the rows are read. Whatever is read until the commit is then known to be of
    the same version.
    """

    def __init__(self, spark: SparkSession, settings: Settings, table: str) -> None:
        """Begin, at the newest version of the table."""
        self._spark = spark
        self._jvm: Any = spark._jvm
        self._settings = settings
        self._table = table
        none = scala_object(self._jvm, "scala.None")
        self._log = delta_log(spark, settings, table)
        self._transaction = self._log.startTransaction(none, none)
        # Any other change of the table, a compaction too, is one that the reading depends on.
        self._transaction.readWholeTable()
        self.version = int(self._transaction.snapshot().version())

    def commit(self, rows: DataFrame, sizes: Sizes) -> int:
        """Write rows, each in the place of its ``old``; return the new version.

        Args:
            rows: the table's columns and ``old``, which is NULL for a row that is new. No two
                rows may have the same ``old``.
            sizes: of these rows.

        Raises:
            OvertakenError: another commit came before this one; nothing is written.
            ConfigError: the table has been set not to allow deletion vectors.
        """
        if newest_snapshot(self._spark, self._settings, self._table).version() != self.version:
            raise OvertakenError
        self._use_session()
        gone = self._mark(rows, sizes.files) if sizes.updates else []
        files = 1 + (sizes.inserts + sizes.updates) // _ROWS_PER_FILE
        written = self._images(rows, sizes).coalesce(files)
        added = to_list(self._jvm, self._transaction.writeFiles(written._jdf))
        self._tell(sizes)
        return int(self._transaction.commit(to_seq(self._jvm, [*gone, *added]), self._merge()))

    def _use_session(self) -> None:
        """Delta takes settings, such as a commit's metadata, from its thread's session."""
        sessions = java_class(self._jvm, "org.apache.spark.sql.classic.SparkSession")
        sessions.setActiveSession(self._spark._jsparkSession)

    def _mark(self, rows: DataFrame, urls: Collection[str]) -> list[Any]:
        """Write deletion vectors for the old rows; return what the log is to say of their files."""
        files = self._find_files(urls)
        vectors = self._spark.createDataFrame(
            [(url, _vector(file)) for url, file in files.items()],
            "filePath STRING, deletionVectorId STRING",
        )
        old = rows.where(F.col(OLD).isNotNull())
        places = old.select(F.expr("old.file AS filePath"), F.expr("old.row AS rowIndexCol"))
        generator = scala_object(self._jvm, f"{_DELTA}.commands.DeletionVectorBitmapGenerator")
        marked = generator.buildDeletionVectors(
            self._spark._jsparkSession,
            places.join(F.broadcast(vectors), "filePath")._jdf,
            self._log,
            0,
        )
        actions: list[Any] = []
        for each in to_list(self._jvm, marked):
            actions += _without(files[each.filePath()], each.deletionVector())
        return actions

    def _find_files(self, urls: Collection[str]) -> dict[str, Any]:
        """Find what the log says of files, by the names under which Spark has read them."""
        snapshot = self._transaction.snapshot()
        if snapshot.metadata().configuration().get(_VECTORS).contains("false"):
            raise ConfigError(
                f"The table {self._table} is set to have no deletion vectors, and needs them; "
                f"run: ALTER TABLE delta.`{table_path(self._settings, self._table)}` "
                f"SET TBLPROPERTIES ('{_VECTORS}' = 'true')"
            )
        by_name = {_file_name(url): url for url in urls}
        wanted = F.substring_index("path", "/", -1).isin(list(by_name))
        found = snapshot.allFiles().filter(wanted._jc).collectAsList()
        files = {by_name[_file_name(file.path())]: file for file in found}
        # Without its former vector, a file's deleted rows would come back.
        if files.keys() != set(urls):
            raise RuntimeError(f"The log of {self._table} lacks files that were read from it.")
        return files

    def _images(self, rows: DataFrame, sizes: Sizes) -> DataFrame:
        """Add to the rows what the change feed shows: each as it was and as it is."""
        columns = TABLES[self._table].column_names
        if not sizes.updates:  # Delta tells of added rows by itself
            return rows.select(*columns)
        new, old = F.struct(*columns), F.col("old.values")
        written, inserted = _image(new, None), _image(new, "insert")
        before, after = _image(old, "update_preimage"), _image(new, "update_postimage")
        is_update = F.col(OLD).isNotNull()
        images = F.when(is_update, F.array(written, before, after)).otherwise(
            F.array(written, inserted)
        )
        return rows.select(F.inline(images)).select("values.*", _KIND)

    def _tell(self, sizes: Sizes) -> None:
        """Have the table's history say how many rows it was."""
        metrics = java_class(self._jvm, "org.apache.spark.sql.execution.metric.SQLMetrics")
        context = self._spark._jsc.sc()
        told = {}
        for name, count in (
            ("operationNumSourceRows", sizes.inserts + sizes.updates),
            ("numTargetRowsInserted", sizes.inserts),
            ("numTargetRowsUpdated", sizes.updates),
            ("numTargetRowsCopied", 0),
        ):
            told[name] = metrics.createMetric(context, name)
            told[name].set(count)
        self._transaction.registerSQLMetrics(self._spark._jsparkSession, to_map(self._jvm, told))

    def _merge(self) -> Any:
        """What the table's history calls it."""
        none, no = scala_object(self._jvm, "scala.None"), to_seq(self._jvm, [])
        operation = java_class(self._jvm, f"{_DELTA}.DeltaOperations$Merge")
        return operation(none, none, none, none, no, no, no)


def _image(values: Column, kind: str | None) -> Column:
    return F.struct(values.alias("values"), F.lit(kind).cast("string").alias(_KIND))


def _file_name(path: str) -> str:
    """Delta gives each file a name of its own; how the path before it is written may differ."""
    return path.rsplit("/", 1)[-1]


def _vector(file: Any) -> str | None:
    vector = file.deletionVector()
    return None if vector is None else str(vector.serializeToBase64())


def _without(file: Any, vector: Any) -> list[Any]:
    """What a log says of a file that has lost rows: none are left, or fewer."""
    if vector.cardinality() == file.numPhysicalRecords().get():
        return [file.removeWithTimestamp(int(time.time() * 1000), True)]
    changed = file.removeRows(vector, True, True)
    return [changed._1(), changed._2()]
