"""What a question asks of a lake, whoever reads it: with Java, or without.

Two readers satisfy this: :mod:`lake.fs` with :mod:`lake.spark_tables`, in the JVM, and
:mod:`lake.native_files` with :mod:`lake.native_tables`, which answer within a second.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol
from zoneinfo import ZoneInfo

from lake.errors import FloError
from lake.fs import FileInfo, from_micros, from_millis

if TYPE_CHECKING:
    import pyarrow as pa

# Of Delta's operations those that leave all rows as they are.
_NO_CHANGE = (
    "CREATE TABLE",
    "OPTIMIZE",
    "REORG",
    "VACUUM",
    "SET TBLPROPERTIES",
    "UNSET TBLPROPERTIES",
    "ADD CONSTRAINT",
    "DROP CONSTRAINT",
    "UPGRADE PROTOCOL",
    "ADD FEATURE",
    "Empty Commit",  # who may write the table; see lake/fence.py
)

NEWEST_COMMITS = 30
"""How many commits of a table are looked at for the newest that changed a row."""


class UnreadableError(FloError):
    """The reader without Java cannot read this lake; the message is the reason."""

    exit_code = 3


class StalledError(UnreadableError):
    """The reader without Java gave no answer; another process may get one."""


class Files(Protocol):
    """A file system, to be read; :class:`lake.fs.FileSystem` says what each method does."""

    def status(self, path: str) -> FileInfo | None:
        """Describe a path, or return None where there is nothing."""

    def exists(self, path: str) -> bool:
        """Tell whether there is something at a path."""

    def list(self, path: str) -> list[FileInfo]:
        """Describe what a directory holds, by name; empty where there is no directory."""

    def walk(self, path: str) -> Iterator[FileInfo]:
        """Describe every file below a directory."""

    def read_text(self, path: str) -> str | None:
        """Read a UTF-8 file whole, or return None where there is none."""


@dataclass(frozen=True)
class Question:
    """Rows of one table: these columns, where columns have these texts, the newest first.

    Attributes:
        columns: their names; none for all, in the table's order.
        newest_first: columns to order by, each from the greatest to the least.
        limit: at most so many rows; all if not given.
    """

    table: str
    columns: Sequence[str] = ()
    where: Mapping[str, str] = field(default_factory=dict)
    newest_first: Sequence[str] = ()
    limit: int | None = None

    def to_sql(self, source: str, quote: str) -> str:
        """Write it in SQL, for an engine that quotes names so."""

        def named(column: str) -> str:
            return f"{quote}{column}{quote}"

        columns = ", ".join(map(named, self.columns)) or "*"
        parts = [f"SELECT {columns} FROM {source}"]  # noqa: S608 - the names are ours
        if self.where:
            tests = (f"{named(key)} = '{text}'" for key, text in self.where.items())
            parts.append(f"WHERE {' AND '.join(tests)}")
        if self.newest_first:
            order = (f"{named(column)} DESC NULLS LAST" for column in self.newest_first)
            parts.append(f"ORDER BY {', '.join(order)}")
        if self.limit is not None:
            parts.append(f"LIMIT {self.limit}")
        return " ".join(parts)


def changes_rows(operation: str) -> bool:
    """Tell whether a commit of Delta's of that name changes any row."""
    return not operation.startswith(_NO_CHANGE)


@dataclass(frozen=True)
class TableState:
    """What a table's log says of its newest version.

    Attributes:
        files: data files of that version.
        bytes: their size.
        committed_at: when it was made, to a few milliseconds.
        operation: by what, in Delta's words, such as ``MERGE``.
        changed: the newest version that changed a row, as far as ``NEWEST_COMMITS`` tell.
    """

    version: int
    files: int
    bytes: int
    committed_at: datetime
    operation: str
    changed: int

    @classmethod
    def of(cls, files: int, size: int, commits: Sequence[tuple[int, int, str]]) -> TableState:
        """Build it from the newest commits, the newest first.

        Args:
            files: data files.
            size: their bytes.
            commits: of each its version, its time in milliseconds since 1970, its operation.
        """
        version, millis, operation = commits[0]
        changes = (at for at, _, what in commits if changes_rows(what))
        newest = next(changes, commits[-1][0])
        return cls(version, files, size, from_millis(millis), operation, newest)


class Tables(Protocol):
    """The Delta tables of a lake, to be read."""

    @property
    def zone(self) -> ZoneInfo:
        """The zone in which times are shown: that of Spark's sessions here."""

    def ask(self, question: Question) -> pa.Table:
        """Read rows.

        Raises:
            NotFoundError: there is no such table.
        """

    def state(self, name: str) -> TableState | None:
        """Look at a table's log; None where there is no such table."""


@dataclass(frozen=True)
class Lake:
    """The files and the tables of one lake, to be read."""

    files: Files
    tables: Tables

    def ask(self, question: Question) -> tuple[list[str], Iterator[dict[str, Any]]]:
        """Read rows as Python values, by column; times have Spark's zone.

        Returns:
            The columns' names, and the rows.

        Raises:
            NotFoundError: there is no such table.
        """
        table = self.tables.ask(question)
        return table.column_names, _to_python(table, self.tables.zone)

    def rows(self, question: Question) -> Iterator[dict[str, Any]]:
        """Read rows, as :meth:`ask` does."""
        return self.ask(question)[1]


def _to_python(table: pa.Table, zone: ZoneInfo) -> Iterator[dict[str, Any]]:
    for batch in table.to_batches():
        columns = [_values(column, zone) for column in batch.columns]
        for row in zip(*columns, strict=True):
            yield dict(zip(table.column_names, row, strict=True))


def _values(column: pa.Array, zone: ZoneInfo) -> list[Any]:
    """Turn a column into Python values; times by way of numbers, as Arrow's way imports pandas."""
    if not str(column.type).startswith("timestamp[us"):
        return list(column.to_pylist())
    micros = column.cast("int64").to_pylist()
    return [None if each is None else from_micros(each).astimezone(zone) for each in micros]
