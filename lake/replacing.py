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
from lake.delta import delta_log, newest_snapshot
from lake.errors import ConfigError, TransientError
from lake.fence import Fence, schema_of, use_session
from lake.java import java_class, scala_object, to_list, to_map, to_seq
from lake.local_rows import local_frame
from lake.tables import table_path

OLD = "old"
"""The column with the stored row that another replaces: its place, ``file`` and ``row``, and its
``values``."""

_DELTA = "org.apache.spark.sql.delta"
_KIND = "_change_type"
# More would be one task's work for more than a second or two.
_ROWS_PER_FILE = 50_000


def placed(rows: DataFrame) -> DataFrame:
    """Tell where each row of a table, as read by its path, lies: the first half of its ``old``."""
    place = {"_file": F.col("_metadata.file_path"), "_row": F.col("_metadata.row_index")}
    return rows.withColumns(place)


def with_old(rows: DataFrame) -> DataFrame:
    """Give each of these rows of :func:`placed` its ``old``: itself and where it lies.

    Choose the rows before: made for all of a table, it took half of the time of a batch into
    8,000,000 customers.
    """
    names = [name for name in rows.columns if name not in ("_file", "_row")]
    place = (F.col("_file").alias("file"), F.col("_row").alias("row"))
    return rows.select(*names, F.struct(*place, F.struct(*names).alias("values")).alias(OLD))


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

    @property
    def rows(self) -> int:
        """All rows."""
        return self.inserts + self.updates


class Replacement:
    """A table as it is now, and one commit on it that is made only if it still is then.

    It is begun before the rows are read. Whatever is read until the commit is then known to be of
    the same version.
    """

    def __init__(self, spark: SparkSession, fence: Fence, table: str) -> None:
        """Begin, at the newest version of the table.

        Raises:
            ConfigError: the table has been set to have no deletion vectors.
            LockedError: the epoch of the fence has passed.
        """
        self._spark = spark
        self._jvm: Any = spark._jvm
        self._fence = fence
        self._settings = settings = fence.settings
        self._table = table
        self._log = delta_log(spark, settings, table)
        self._transaction = fence.begin(spark, table)
        # Any other change of the table, a compaction too, is one that the reading depends on.
        self._transaction.readWholeTable()
        self._snapshot = self._transaction.snapshot()
        self._require_vectors()
        self.version = int(self._snapshot.version())

    def commit(self, rows: DataFrame, sizes: Sizes) -> int:
        """Write rows, each in the place of its ``old``; return the new version.

        Args:
            rows: the table's columns and ``old``, which is NULL for a row that is new. A column
                of the table that is not among them keeps its value.
            sizes: of these rows.

        Raises:
            OvertakenError: another commit came before this one; nothing is written.
            TransientError: the rows are not as many as was said, or two have the same ``old``;
                nothing is written.
            ConfigError: a column of the table has another type.
            LockedError: the epoch has passed; nothing is written.
        """
        if newest_snapshot(self._spark, self._settings, self._table).version() != self.version:
            raise OvertakenError(self._table)
        use_session(self._spark)
        gone = self._mark(rows, sizes) if sizes.updates else []
        # As many files as the rows have partitions, or fewer.
        written = self._images(rows, sizes).coalesce(1 + sizes.rows // _ROWS_PER_FILE)
        added = to_list(self._jvm, self._transaction.writeFiles(written._jdf))
        self._require(sum(map(_rows_in, added)), sizes.rows, "written")
        self._tell(sizes)
        actions = to_seq(self._jvm, [*gone, *added])
        return self._fence.commit(self._transaction, self._table, actions, self._operation())

    def _require_vectors(self) -> None:
        utilities = scala_object(self._jvm, f"{_DELTA}.commands.DeletionVectorUtils")
        protocol, metadata = self._snapshot.protocol(), self._snapshot.metadata()
        if not utilities.deletionVectorsWritable(protocol, metadata):
            raise ConfigError(
                f"The table {self._table} is set to have no deletion vectors, and needs them; "
                f"run: ALTER TABLE delta.`{table_path(self._settings, self._table)}` "
                "SET TBLPROPERTIES ('delta.enableDeletionVectors' = 'true')"
            )

    def _require(self, found: int, wanted: int, done: str) -> None:
        """Nothing may be lost or doubled, so what was done is counted before it counts."""
        if found != wanted:
            raise TransientError(
                f"{found} rows of {self._table} would have been {done} in the place of {wanted}; "
                "nothing was changed. Try again, and run `flo verify` if it stays so."
            )

    def _mark(self, rows: DataFrame, sizes: Sizes) -> list[Any]:
        """Write deletion vectors for the old rows; return what the log is to say of their files."""
        files = self._find_files(sizes.files)
        vectors = local_frame(
            self._spark,
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
        newly_gone = 0
        for each in to_list(self._jvm, marked):
            file, vector = files[each.filePath()], each.deletionVector()
            newly_gone += vector.cardinality() - file.numDeletedRecords()
            actions += _without(file, vector)
        self._require(newly_gone, sizes.updates, "replaced")
        return actions

    def _find_files(self, urls: Collection[str]) -> dict[str, Any]:
        """Find what the log says of files, by the names under which Spark has read them."""
        by_name = {_file_name(url): url for url in urls}
        wanted = F.substring_index("path", "/", -1).isin(list(by_name))
        found = self._snapshot.allFiles().filter(wanted._jc).collectAsList()
        files = {by_name[_file_name(file.path())]: file for file in found}
        # Without its former vector, a file's deleted rows would come back.
        self._require(len(files), len(urls), "looked for by their files")
        return files

    def _images(self, rows: DataFrame, sizes: Sizes) -> DataFrame:
        """Add to the rows what the change feed shows: each as it was and as it is."""
        columns = self._columns(rows)
        # Delta tells of added rows by itself.
        if not sizes.updates or not self._has_feed():
            return rows.select(*columns)
        new, old = F.struct(*columns), F.col("old.values")
        written, inserted = _image(new, None), _image(new, "insert")
        before, after = _image(old, "update_preimage"), _image(new, "update_postimage")
        images = F.when(F.col(OLD).isNotNull(), F.array(written, before, after)).otherwise(
            F.array(written, inserted)
        )
        return rows.select(F.inline(images)).select("values.*", _KIND)

    def _has_feed(self) -> bool:
        reader = scala_object(self._jvm, f"{_DELTA}.commands.cdc.CDCReader")
        metadata = self._snapshot.metadata()
        return bool(reader.isCDCEnabledOnTable(metadata, self._spark._jsparkSession))

    def _columns(self, rows: DataFrame) -> list[Column]:
        """The table's columns in their order, of the types that it has, for Delta casts nothing."""
        schema = schema_of(self._snapshot)
        given = dict(rows.dtypes)
        for column in schema:
            kind = column.dataType.simpleString()
            if given.get(column.name, kind) != kind:
                raise ConfigError(
                    f"The column {column.name} of the table {self._table} is {kind} and should be "
                    f"{given[column.name]}; change it back, see docs/architecture.md."
                )
        return [
            F.col(name) if name in given else F.col(f"old.values.`{name}`").alias(name)
            for name in schema.names
        ]

    def _tell(self, sizes: Sizes) -> None:
        """Have the table's history say how many rows it was."""
        metrics = java_class(self._jvm, "org.apache.spark.sql.execution.metric.SQLMetrics")
        context = self._spark._jsc.sc()
        told = {}
        for name, count in (
            ("operationNumSourceRows", sizes.rows),
            ("numTargetRowsInserted", sizes.inserts),
            ("numTargetRowsUpdated", sizes.updates),
            ("numTargetRowsCopied", 0),
        ):
            told[name] = metrics.createMetric(context, name)
            told[name].set(count)
        self._transaction.registerSQLMetrics(self._spark._jsparkSession, to_map(self._jvm, told))

    def _operation(self) -> Any:
        """What the table's history calls it: what it does is what a MERGE does."""
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


def _rows_in(written: Any) -> int:
    """Rows that a written file adds to the table; those of the change feed are beside it."""
    if written.getClass().getSimpleName() != "AddFile":
        return 0
    return int(written.numPhysicalRecords().get())


def _without(file: Any, vector: Any) -> list[Any]:
    """What a log says of a file that has lost rows: none are left, or fewer."""
    if vector.cardinality() == file.numPhysicalRecords().get():
        return [file.removeWithTimestamp(int(time.time() * 1000), True)]
    changed = file.removeRows(vector, True, True)
    return [changed._1(), changed._2()]
