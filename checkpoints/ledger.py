"""The drop ledger: one row per file seen, with its counts, its state and its table versions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import uuid4

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lake.delta import read_table
from lake.errors import FloError
from lake.fence import Fence
from lake.fs import FileInfo, FileKey, file_key, from_micros
from lake.local_rows import local_frame
from lake.tables import FEATURES, LEDGER, QUARANTINE, SNAPSHOTS, TABLES

_USER_METADATA = "spark.databricks.delta.commitInfo.userMetadata"
_TIMES = ("modified_at", "first_seen_at", "drop_time", "started_at", "finished_at")
VERSION_COLUMNS = {
    SNAPSHOTS: "snapshots_version",
    QUARANTINE: "quarantine_version",
    FEATURES: "features_version",
}
"""Where an account names the version of a table that its batch made."""

_INDEXED = (
    "account_id",
    "file_id",
    "path",
    "bytes",
    "modified_at",
    "state",
    "started_at",
    "drop_id",
    "archived_path",
    "rows_quarantined",
    "batch_id",
)

OF_THE_ARRIVAL = (
    "account_id",
    "path",
    "archived_path",
    "file_id",
    "bytes",
    "modified_at",
    "first_seen_at",
    "drop_time",
    "batch_id",
    "started_at",
    "finished_at",
)
"""What an account has of the arrival itself; the rest is of what was in the file."""


class State(StrEnum):
    """What became of a drop; ``undone`` is reserved for a drop that was taken back."""

    INGESTED = "ingested"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"
    UNDONE = "undone"


class LedgerError(FloError):
    """The sums of a drop do not add up: a defect of this program, so nothing is recorded."""


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """The account of one arrival of a file. The fields are the columns of the table ``drops``.

    Attributes:
        account_id: opaque, and its own: one file may arrive several times, under the same name and
            with the same time and bytes; at most one of these arrivals is ``ingested``.
        file_id: by which HDFS knows the file; None elsewhere.
        first_seen_at: when the batch that took it in began, by the file system's clock.
        drop_time: its place among the drops, see :func:`streaming.intake.drop_time`.
        contract_digest: of the contract by which it was judged, see
            :attr:`lake.contract.Contract.digest`.
        decoder_version: of the rules by which it was decoded.
        archived_sha256: of the bytes in the archive.
        superseded_by: reserved for a drop that another one has replaced.
    """

    path: str
    bytes: int
    modified_at: datetime
    state: str
    started_at: datetime
    account_id: str = field(default_factory=lambda: uuid4().hex)
    file_id: int | None = None
    first_seen_at: datetime | None = None
    drop_time: datetime | None = None
    drop_id: str | None = None
    archived_path: str | None = None
    archived_sha256: str | None = None
    contract_digest: str | None = None
    decoder_version: int | None = None
    delimiter: str | None = None
    encoding: str | None = None
    date_format: str | None = None
    decimal_mark: str | None = None
    columns: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    rows_read: int = 0
    rows_accepted: int = 0
    rows_quarantined: int = 0
    rows_inserted: int = 0
    rows_updated: int = 0
    rows_unchanged: int = 0
    rows_stale: int = 0
    rows_superseded: int = 0
    rows_forgotten: int = 0
    rows_erased_accepted: int = 0
    rows_erased_quarantined: int = 0
    reason: str | None = None
    superseded_by: str | None = None
    batch_id: int | None = None
    snapshots_version: int | None = None
    quarantine_version: int | None = None
    features_version: int | None = None
    finished_at: datetime | None = None

    @property
    def file(self) -> FileKey:
        """What tells the file that it was written for from any other."""
        return file_key(self.path, self.file_id, _millis(self.modified_at), self.bytes)

    @property
    def appearance(self) -> tuple[str, int, int]:
        """What one look tells the file by, see :attr:`lake.fs.FileInfo.appearance`."""
        return self.path, _millis(self.modified_at), self.bytes

    def check_sums(self) -> None:
        """Refuse an account that does not add up.

        ``rows_read = accepted + quarantined``; for an ingested drop ``accepted = inserted +
        updated + unchanged + stale + superseded``; for any other drop nothing is accepted.

        Raises:
            LedgerError: a sum is wrong.
        """
        outcomes = (
            self.rows_inserted
            + self.rows_updated
            + self.rows_unchanged
            + self.rows_stale
            + self.rows_superseded
        )
        if self.rows_read != self.rows_accepted + self.rows_quarantined:
            raise LedgerError(
                f"{self.path}: {self.rows_read} rows read, but {self.rows_accepted} accepted and "
                f"{self.rows_quarantined} quarantined; nothing was recorded."
            )
        if self.rows_accepted != outcomes:
            raise LedgerError(
                f"{self.path}: {self.rows_accepted} rows accepted, but {outcomes} accounted for "
                "in the features; nothing was recorded."
            )

    def to_json(self) -> dict[str, Any]:
        """Give the row as plain JSON, for a Delta commit's metadata and for the archive."""
        values = asdict(self)
        for name in _TIMES:
            values[name] = values[name].isoformat() if values[name] else None
        return values

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> LedgerRow:
        """Read back what :meth:`to_json` gave; names that are not known are left out."""
        known = {each.name for each in fields(cls)}
        kept = {name: value for name, value in values.items() if name in known}
        for name in _TIMES:
            kept[name] = datetime.fromisoformat(kept[name]) if kept.get(name) else None
        kept["columns"] = tuple(kept.get("columns") or ())
        kept["notes"] = tuple(kept.get("notes") or ())
        return cls(**kept)


class Ledger:
    """The table ``drops`` and an index of it in memory.

    One stream writes it (see :mod:`checkpoints.lock`), so the index stays true while it runs;
    it holds a few hundred bytes per drop.
    """

    def __init__(self, spark: SparkSession, fence: Fence) -> None:
        """Read the index from the table."""
        self._fence = fence
        self._ingested: set[str] = set()
        self._accounts: dict[str, LedgerRow] = {}
        self._files: dict[FileKey, LedgerRow] = {}
        self._quarantined: set[str] = set()
        self._places: set[str] = set()
        self._newest: dict[str, int] = {}
        self._last_batch = -1
        self._load(spark)

    def _load(self, spark: SparkSession) -> None:
        table = read_table(spark, self._fence.settings, LEDGER)
        for row in frame_rows(table.select(*_INDEXED, *VERSION_COLUMNS.values())):
            self._remember(row)

    def _remember(self, row: LedgerRow) -> None:
        # Many drops are held: what is long, and not asked of here, is left out.
        kept = self._accounts[row.account_id] = replace(row, columns=(), notes=())
        before = self._files.get(row.file)
        if before is None or before.started_at <= row.started_at:
            self._files[row.file] = kept
        if row.state == State.INGESTED and row.drop_id:
            self._ingested.add(row.drop_id)
        if row.rows_quarantined and row.drop_id:
            self._quarantined.add(row.drop_id)
        if row.archived_path:
            self._places.add(row.archived_path)
        if row.batch_id is not None:
            self._last_batch = max(row.batch_id, self._last_batch)
        for name in VERSION_COLUMNS.values():
            value = getattr(row, name)
            if value is not None:
                self._newest[name] = max(value, self._newest.get(name, -1))

    def is_ingested(self, drop_id: str) -> bool:
        """Tell whether these bytes are in the tables already."""
        return drop_id in self._ingested

    def quarantined(self, drop_id: str) -> bool:
        """Tell whether an earlier, rejected try of these bytes left rows in quarantine."""
        return drop_id in self._quarantined

    def names(self, archived_path: str) -> bool:
        """Tell whether a place in the archive is that of an account."""
        return archived_path in self._places

    def find(self, account_id: str) -> LedgerRow | None:
        """Find an account."""
        return self._accounts.get(account_id)

    def recorded(self, rows: Sequence[LedgerRow]) -> tuple[set[str], set[str]]:
        """Of these accounts the ids of those that it has, and of their drops the ingested ones."""
        accounts = {row.account_id for row in rows} & self._accounts.keys()
        return accounts, {row.drop_id for row in rows if row.drop_id} & self._ingested

    def read(self, spark: SparkSession, account_ids: Sequence[str]) -> list[LedgerRow]:
        """Read accounts whole from the table: the index has not all of them."""
        if not account_ids:
            return []
        table = read_table(spark, self._fence.settings, LEDGER)
        found = table.where(F.col("account_id").isin(list(account_ids)))
        return list(frame_rows(found.select(*TABLES[LEDGER].column_names)))

    def find_of(self, info: FileInfo) -> LedgerRow | None:
        """Find the newest account that was written for this very file."""
        return self._files.get(info.key)

    def next_batch(self) -> int:
        """Number of the batch that comes after all that have an account."""
        return self._last_batch + 1

    def newest_version(self, column: str) -> int:
        """Newest table version that an account names (column such as ``features_version``)."""
        return self._newest.get(column, -1)

    def append(self, spark: SparkSession, rows: Sequence[LedgerRow]) -> list[LedgerRow]:
        """Check the sums of these rows and add them in one commit.

        Returns:
            The rows as they are in the table.

        Raises:
            LedgerError: a sum is wrong; nothing is written.
            LockedError: the epoch of the fence has passed; nothing is written.
        """
        for row in rows:
            row.check_sums()
        if not rows:
            return []
        finished = datetime.now(UTC)
        done = [replace(row, finished_at=row.finished_at or finished) for row in rows]
        self._fence.append(spark, LEDGER, rows_frame(spark, done).coalesce(1))
        for row in done:
            self._remember(row)
        return done


def rows_frame(spark: SparkSession, rows: Iterable[LedgerRow]) -> DataFrame:
    """Give accounts as rows of the table ``drops``."""
    return local_frame(spark, map(_values, rows), TABLES[LEDGER].schema)


def frame_rows(frame: DataFrame) -> Iterator[LedgerRow]:
    """Read rows of the table ``drops``, or some of its columns, as accounts."""
    wanted = [
        F.unix_micros(name).alias(name) if name in _TIMES else F.col(name) for name in frame.columns
    ]
    for row in frame.select(*wanted).toLocalIterator():
        values = row.asDict()
        for name in set(_TIMES) & set(values):
            values[name] = None if values[name] is None else from_micros(values[name])
        for name in {"columns", "notes"} & set(values):
            values[name] = tuple(values[name] or ())
        yield LedgerRow(**values)


def to_metadata(rows: Iterable[LedgerRow]) -> str:
    """Pack accounts into the user metadata of a Delta commit."""
    return json.dumps({"flo": 1, "drops": [row.to_json() for row in rows]})


@contextmanager
def carrying(spark: SparkSession, metadata: str) -> Iterator[None]:
    """Have each commit of this session carry the metadata, for what has no option for it."""
    spark.conf.set(_USER_METADATA, metadata)
    try:
        yield
    finally:
        spark.conf.unset(_USER_METADATA)


def from_metadata(text: str | None) -> list[LedgerRow]:
    """Unpack :func:`to_metadata`; other texts, such as another program's, give nothing."""
    try:
        values = json.loads(text or "")
    except json.JSONDecodeError:
        return []
    if not isinstance(values, dict) or values.get("flo") != 1:
        return []
    return [LedgerRow.from_json(each) for each in values.get("drops", [])]


def _values(row: LedgerRow) -> tuple[Any, ...]:
    return tuple(
        list(value) if isinstance(value, tuple) else value
        for value in (getattr(row, name) for name in TABLES[LEDGER].column_names)
    )


def _millis(moment: datetime) -> int:
    seconds = int(moment.replace(microsecond=0).timestamp())
    return seconds * 1000 + moment.microsecond // 1000
