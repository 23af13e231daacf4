"""The features' writer that needs no MERGE: it knows where the rows lie that it replaces.

Delta's MERGE finds the rows to replace by itself: it reads the table three times, and moves all of
it where there are new rows, too. Who has just read those rows knows where they lie, so what is left
is to mark them as deleted and to write the new ones. It is done with Delta's own parts: its
transaction (which refuses where another commit came first), its writer (which checks constraints
and makes the change feed) and its deletion vectors. See ADR 14.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from functools import lru_cache
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lake.delta import delta_log
from lake.errors import ConfigError
from lake.features_writer import OLD, FeaturesWriter, Sizes, goes
from lake.fence import Fence, use_session
from lake.java import java_class, scala_object, to_list, to_map, to_seq
from lake.tables import FEATURES, table_path

TRIED_WITH = "4.4.0"
"""The version of Delta, that of conf/jars.lock, whose inner parts the tests have tried."""

_DELTA = "org.apache.spark.sql.delta"
_KIND = "_change_type"
# More would be one task's work for more than a second or two.
_ROWS_PER_FILE = 50_000


class Replacement(FeaturesWriter):
    """The writer that marks the old rows as deleted and adds the new ones."""

    def __init__(self, spark: SparkSession, fence: Fence) -> None:
        """Begin, at the newest version.

        Raises:
            ConfigError: this is not the Delta that it was tried with, or the table has been set
                to have no deletion vectors.
            LockedError: the epoch of the fence has passed.
        """
        require_tried_delta(spark)
        self._jvm: Any = spark._jvm
        self._transaction = fence.begin(spark, FEATURES)
        # Any other change of the table, a compaction too, is one that the reading depends on.
        self._transaction.readWholeTable()
        self._snapshot = self._transaction.snapshot()
        super().__init__(spark, fence, self._snapshot)
        self._log = delta_log(spark, self._settings, FEATURES)
        self._require_vectors()

    def _write(self, rows: DataFrame, sizes: Sizes) -> int:
        use_session(self._spark)
        gone = self._mark(rows, sizes) if sizes.gone else []
        # As many files as the rows have partitions, or fewer.
        written = self._images(rows, sizes).coalesce(1 + sizes.rows // _ROWS_PER_FILE)
        added = to_list(self._jvm, self._transaction.writeFiles(written._jdf))
        self._require(sum(map(_rows_in, added)), sizes.written, "written")
        self._tell(sizes)
        actions = to_seq(self._jvm, [*gone, *added])
        return self._fence.commit(self._transaction, FEATURES, actions, self._operation())

    def _require_vectors(self) -> None:
        utilities = scala_object(self._jvm, f"{_DELTA}.commands.DeletionVectorUtils")
        protocol, metadata = self._snapshot.protocol(), self._snapshot.metadata()
        if not utilities.deletionVectorsWritable(protocol, metadata):
            raise ConfigError(
                f"The table {FEATURES} is set to have no deletion vectors, and needs them: "
                'set features_writer = "merge" in the settings, or '
                f"run: ALTER TABLE delta.`{table_path(self._settings, FEATURES)}` "
                "SET TBLPROPERTIES ('delta.enableDeletionVectors' = 'true')"
            )

    def _mark(self, rows: DataFrame, sizes: Sizes) -> list[Any]:
        """Write deletion vectors for the old rows; return what the log is to say of their files."""
        files = self._find_files(sizes.files)
        vectors = ", ".join(
            f"{_quoted(url)}, {_quoted(_vector(file))}" for url, file in files.items()
        )
        places = rows.where(f"{OLD} IS NOT NULL").selectExpr(
            "old.file AS filePath",
            "old.row AS rowIndexCol",
            f"map({vectors})[old.file] AS deletionVectorId",
        )
        generator = scala_object(self._jvm, f"{_DELTA}.commands.DeletionVectorBitmapGenerator")
        marked = generator.buildDeletionVectors(
            self._spark._jsparkSession,
            places._jdf,
            self._log,
            0,
        )
        actions: list[Any] = []
        newly_gone = 0
        for each in to_list(self._jvm, marked):
            file, vector = files[each.filePath()], each.deletionVector()
            newly_gone += vector.cardinality() - file.numDeletedRecords()
            actions += _without(file, vector)
        self._require(newly_gone, sizes.gone, "replaced")
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
        """The rows to write; where the change feed tells of others, too, each as it was and is."""
        columns = self._columns(rows)
        # Delta tells of added rows by itself.
        if not sizes.gone or not self._has_feed():
            return rows.where(f"NOT {goes(sizes)}").selectExpr(*columns)
        new, old = f"struct({', '.join(columns)})", "old.values"
        written, inserted = _image(new, None), _image(new, "insert")
        before, after = _image(old, "update_preimage"), _image(new, "update_postimage")
        images = f"""
            CASE WHEN {goes(sizes)} THEN array({_image(old, "delete")})
                WHEN {OLD} IS NOT NULL THEN array({written}, {before}, {after})
                ELSE array({written}, {inserted}) END
        """
        return rows.selectExpr(f"inline({images})").selectExpr("values.*", _KIND)

    def _has_feed(self) -> bool:
        reader = scala_object(self._jvm, f"{_DELTA}.commands.cdc.CDCReader")
        metadata = self._snapshot.metadata()
        return bool(reader.isCDCEnabledOnTable(metadata, self._spark._jsparkSession))

    def _columns(self, rows: DataFrame) -> list[str]:
        """SQL: the table's columns in their order, for Delta's writer takes them by it."""
        given = self._given(rows)
        return [
            f"`{name}`" if name in given else f"old.values.`{name}` AS `{name}`"
            for name in self._schema.names
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
            ("numTargetRowsDeleted", sizes.deletes),
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


@lru_cache(maxsize=4)
def _delta_version(jvm: Any) -> str:
    return str(scala_object(jvm, "io.delta.package").VERSION())


def require_tried_delta(spark: SparkSession) -> None:
    """Inner parts may change their meaning without a word, and no error would tell.

    Raises:
        ConfigError: this is another Delta than the one that they were tried with.
    """
    version = _delta_version(spark._jvm)
    if version != TRIED_WITH:
        raise ConfigError(
            f"This is Delta {version}, and the features are written with inner parts of Delta "
            f'{TRIED_WITH}: set features_writer = "merge" in the settings, or run with the jars '
            "of conf/jars.lock (`make setup` fetches them)."
        )


def _image(values: str, kind: str | None) -> str:
    told = "CAST(NULL AS STRING)" if kind is None else f"'{kind}'"
    return f"struct({values} AS values, {told} AS {_KIND})"


def _file_name(path: str) -> str:
    """Delta gives each file a name of its own; how the path before it is written may differ."""
    return path.rsplit("/", 1)[-1]


def _quoted(text: str | None) -> str:
    """SQL: a text, or NULL."""
    if text is None:
        return "CAST(NULL AS STRING)"
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


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
