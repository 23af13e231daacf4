"""How the features are written: one commit that puts new rows in the place of known ones.

Who plans a change has read the rows that it replaces, with the places where they lie. So a commit
holds on these very rows, or it is not made: no row is replaced that the plan has not seen. There
are two ways to make it, see :mod:`lake.replacing` and :mod:`lake.merging`; the setting
``features_writer`` chooses, and :func:`lake.writers.open_writer` goes by it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lake.conflicts import OvertakenError
from lake.delta import newest_snapshot
from lake.errors import ConfigError, TransientError
from lake.fence import Fence, schema_of
from lake.tables import FEATURES, TABLES

OLD = "old"
"""The column with the stored row that another replaces: its place, ``file`` and ``row``, and its
``values``."""

DELETED = "deleted"
"""The column that tells of a row whether its ``old`` goes and nothing takes its place."""


def placed(rows: DataFrame) -> DataFrame:
    """Tell where each row of a table, as read by its path, lies: the first half of its ``old``."""
    place = {"_file": F.col("_metadata.file_path"), "_row": F.col("_metadata.row_index")}
    return rows.withColumns(place)


def with_old(rows: DataFrame) -> DataFrame:
    """Give each of these rows of :func:`placed` its ``old``: itself and where it lies.

    Choose the rows before: made for all of a table, it took half of the time of a batch into
    8,000,000 customers.
    """
    names = ", ".join(f"`{name}`" for name in rows.columns if name not in ("_file", "_row"))
    old = f"struct(_file AS file, _row AS row, struct({names}) AS values) AS {OLD}"
    return rows.selectExpr("* EXCEPT (_file, _row)", old)


def goes(sizes: Sizes) -> str:
    """SQL: whether a row of a commit of these sizes only takes its ``old`` away."""
    return DELETED if sizes.deletes else "false"


@dataclass(frozen=True)
class Sizes:
    """What a commit does to how many rows, and in which files those lie that it takes away.

    Attributes:
        inserts: rows without an ``old``.
        updates: rows with one.
        files: the files that the ``old`` of any row names.
        deletes: rows that only take their ``old`` away.
    """

    inserts: int
    updates: int
    files: Collection[str]
    deletes: int = 0

    @property
    def written(self) -> int:
        """Rows that are in the table afterwards."""
        return self.inserts + self.updates

    @property
    def gone(self) -> int:
        """Rows that are not in it any more as they were."""
        return self.updates + self.deletes

    @property
    def rows(self) -> int:
        """All rows."""
        return self.inserts + self.updates + self.deletes


class FeaturesWriter(ABC):
    """The features as they are now, and one commit on them that is made only if they still are.

    It is begun before the rows are read. Whatever is read until the commit is then known to be of
    the same version.

    Attributes:
        version: that it has begun at.
        is_empty: whether the table is known to have no file.
    """

    def __init__(self, spark: SparkSession, fence: Fence, snapshot: Any) -> None:
        """Begin at a snapshot, the newest one."""
        self._spark = spark
        self._fence = fence
        self._settings = fence.settings
        self._schema = schema_of(snapshot)
        self.version = int(snapshot.version())
        # To ask the snapshot itself takes a job.
        checksum = snapshot.checksumOpt()
        self.is_empty = bool(checksum.isDefined() and checksum.get().numFiles() == 0)

    def commit(self, rows: DataFrame, sizes: Sizes) -> int:
        """Write rows, each in the place of its ``old``; return the new version.

        Args:
            rows: the table's columns and ``old``, which is NULL for a row that is new. A column
                of the table that is not among them keeps its value. Where there is something to
                delete, ``deleted``, too: such rows have an ``old``, of the other columns only
                ``master_id`` counts, and all of the customer's rows have to be among them: a
                deletion may go by the customer alone.
            sizes: of these rows.

        Raises:
            OvertakenError: another commit came before this one; nothing is written.
            TransientError: the rows are not as many as was said, or two have the same ``old``;
                nothing is written.
            ConfigError: a column of the table has another type.
            LockedError: the epoch has passed; nothing is written, or it was just before.
        """
        if newest_snapshot(self._spark, self._settings, FEATURES).version() != self.version:
            raise OvertakenError(FEATURES)
        self._require_types(rows)
        return self._write(rows, sizes)

    @abstractmethod
    def _write(self, rows: DataFrame, sizes: Sizes) -> int:
        """Make the commit, on the version that this was begun at."""

    def _require(self, found: int, wanted: int, done: str) -> None:
        """Nothing may be lost or doubled, so what is done is counted before it counts."""
        if found != wanted:
            raise TransientError(
                f"{found} rows of {FEATURES} would have been {done} in the place of {wanted}; "
                "nothing was changed. Try again, and run `flo verify` if it stays so."
            )

    def _given(self, rows: DataFrame) -> dict[str, str]:
        """The columns of the table that a plan gives, with their types.

        Others that somebody has added are not among them, whatever their names are.
        """
        ours = TABLES[FEATURES].column_names
        return {name: kind for name, kind in rows.dtypes if name in ours}

    def _require_types(self, rows: DataFrame) -> None:
        """What is cast, or is not, is up to the way of writing: so nothing may need to be."""
        given = self._given(rows)
        for column in self._schema:
            kind = column.dataType.simpleString()
            if given.get(column.name, kind) != kind:
                raise ConfigError(
                    f"The column {column.name} of the table {FEATURES} is {kind} and should be "
                    f"{given[column.name]}; change it back, see docs/architecture.md."
                )
