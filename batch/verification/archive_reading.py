"""The drops read from the archive once more, in pieces, as if no table were there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from batch.verification.differences import Difference
from batch.verification.workplace import workplace
from checkpoints.contracts import kept_contract
from lake.contract import Contract
from lake.errors import DropRejected, NotFoundError
from lake.fs import FileInfo, FileSystem, from_millis
from lake.scratch import scratch
from lake.settings import Settings
from lake.tables import QUARANTINE, SNAPSHOTS, TABLES
from streaming.constraints import Constraints
from streaming.decode import DECODER_VERSION, DecodedDrop
from streaming.intake import Drop, hash_file
from streaming.rows import judging, read_staged

CHECK = "archive"
NEWER_DECODER = f"newer decoder ({DECODER_VERSION}): "
"""Before what comes of it that a drop was decoded by earlier rules."""

_PIECE_BYTES = 256 * 2**20


def kept_columns(table: str) -> list[str]:
    """List what the archive decides of a table: all but when a row was put into quarantine."""
    return [name for name in TABLES[table].column_names if name != "quarantined_at"]


@dataclass(frozen=True)
class ArchiveReading:
    """What the archive holds.

    Attributes:
        snapshots: the accepted rows of all files that could be read.
        quarantine: their other rows.
        files: how many files were read.
        differences: files that are not there, are not the ones that were ingested, or can no
            longer be read.
        unread: the drops of these files.
    """

    snapshots: DataFrame
    quarantine: DataFrame
    files: int
    differences: tuple[Difference, ...]
    unread: frozenset[str]


@contextmanager
def read_archive(
    spark: SparkSession, settings: Settings, contract: Contract, ledger: DataFrame
) -> Iterator[ArchiveReading]:
    """Decode and judge the archived file of every drop that has rows, by the stream's own code.

    That code defines what a drop's rows are. Of the ledger only this is believed: which files
    there are, the times of each drop, and the contract that judged it. Where that is not told, or
    not kept, ``contract`` judges.

    Local disk holds one file at a time. Decoded rows go to a directory of this reading's own
    below ``checkpoints/``, for executors that do not see this machine's disk, and are removed
    at the end; it grows about as large as the snapshots are.
    """
    application = str(spark.sparkContext.applicationId)
    with workplace(FileSystem.of(spark), settings, application) as place:
        with scratch("verify") as spool:
            reader = _Reader(spark, settings, contract, place, spool)
            for number, piece in enumerate(_pieces(_accounts(ledger), settings)):
                reader.read(number, piece)
        yield reader.result()


def _accounts(ledger: DataFrame) -> Iterator[Row]:
    """Choose the account of each drop that says what became of its rows: the newest one."""
    columns = (
        "drop_id",
        "path",
        "archived_path",
        "bytes",
        "rows_read",
        "contract_digest",
        "decoder_version",
    )
    times = [F.unix_millis(name).alias(name) for name in ("drop_time", "first_seen_at")]
    account = F.when(F.col("rows_read") > 0, F.struct(*columns, *times))
    newest = (
        ledger.where("drop_id IS NOT NULL")
        .groupBy("drop_id")
        .agg(
            F.max_by(account, F.when(account.isNotNull(), F.col("finished_at"))).alias("account"),
            # The bytes may have come again, and a file may have been moved by hand.
            F.collect_set("archived_path").alias("places"),
        )
    )
    read = newest.where("account IS NOT NULL").select("account.*", "places")
    return read.orderBy("drop_time", "drop_id").toLocalIterator()


def _pieces(accounts: Iterator[Row], settings: Settings) -> Iterator[list[Row]]:
    """Take together what the stream would take as one batch: of one contract, up to some size."""
    piece: list[Row] = []
    size = 0
    for account in accounts:
        full = len(piece) == settings.max_files_per_batch or size + account["bytes"] > _PIECE_BYTES
        if piece and (full or account["contract_digest"] != piece[0]["contract_digest"]):
            yield piece
            piece, size = [], 0
        piece.append(account)
        size += account["bytes"]
    if piece:
        yield piece


class _Reader:
    """Reads pieces of the archive, one after the other, into Parquet files."""

    def __init__(
        self, spark: SparkSession, settings: Settings, contract: Contract, place: str, spool: Path
    ) -> None:
        self._spark = spark
        self._settings = settings
        self._contract = self._contract_of_now = contract
        self._files = FileSystem.of(spark)
        self._place = place
        self._spool = spool
        self._differences: list[Difference] = []
        self._unread: set[str] = set()
        self._read = 0
        for name in (SNAPSHOTS, QUARANTINE):
            self._files.mkdirs(f"{place}/{name}")

    def read(self, number: int, accounts: list[Row]) -> None:
        """Read the files of these accounts, and write their rows."""
        staging = f"{self._place}/staging-{number}"
        digest = accounts[0]["contract_digest"]
        own = kept_contract(self._files, self._settings, digest)
        self._contract = own or self._contract_of_now
        drops = dict(each for account in accounts if (each := self._decode(account, staging)))
        self._read += len(drops)
        if not drops:
            return
        staged = read_staged(self._spark, staging, self._contract)
        constraints = Constraints.of(self._spark, self._settings)
        with judging(self._spark, staged, drops, self._contract, constraints) as judged:
            for name, frame in ((SNAPSHOTS, judged.accepted), (QUARANTINE, judged.quarantined)):
                rows = frame.select(*kept_columns(name))
                rows.write.mode("append").parquet(f"{self._place}/{name}")
        self._files.delete(staging)

    def result(self) -> ArchiveReading:
        """Give what was read."""
        return ArchiveReading(
            self._table(SNAPSHOTS),
            self._table(QUARANTINE),
            self._read,
            tuple(self._differences),
            frozenset(self._unread),
        )

    def _table(self, name: str) -> DataFrame:
        reader = self._spark.read.schema(TABLES[name].schema)
        return reader.parquet(f"{self._place}/{name}").select(*kept_columns(name))

    def _decode(self, account: Row, staging: str) -> tuple[str, DecodedDrop] | None:
        drop = self._fetch(account)
        if drop is None:
            return None
        staged = self._spool / "staged.parquet"
        try:
            limit = self._settings.max_line_bytes
            found = drop.decode(staged, self._contract, max_line_bytes=limit)
        except DropRejected as refusal:
            earlier = (account["decoder_version"] or 0) < DECODER_VERSION
            self._report(account, f"{NEWER_DECODER * earlier}file refused now, {refusal.code}")
            return None
        self._files.upload(staged, f"{staging}/{drop.drop_id}.parquet")
        return drop.drop_id, found

    def _fetch(self, account: Row) -> Drop | None:
        """Copy the file of an account, as it was when it was ingested."""
        spool, what = self._spool / "file", "file missing"
        # A file leaves landing after its account was written, so it may still be there.
        own = (account["archived_path"], account["path"], account["archived_path"])
        for path in (*own, *account["places"]):
            info = self._copy(path, spool) if path else None
            if info is None:
                continue
            if hash_file(spool) == account["drop_id"]:
                # Its name and its times are those of the account, which moving it may change.
                seen, time = (from_millis(account[name]) for name in ("first_seen_at", "drop_time"))
                named = replace(info, path=account["path"])
                return Drop(named, account["drop_id"], spool, seen, time)
            what = "file changed"
        self._report(account, what)
        return None

    def _copy(self, path: str, spool: Path) -> FileInfo | None:
        info = self._files.status(path)
        if info is None or info.is_dir:
            return None
        try:
            self._files.download(path, spool)
        except NotFoundError:
            return None
        return info

    def _report(self, account: Row, what: str) -> None:
        drop_id = account["drop_id"]
        self._unread.add(drop_id)
        where = account["archived_path"] or account["path"]
        self._differences.append(
            Difference(CHECK, "archive", f"{what}: {where}", account["rows_read"], (drop_id[:12],))
        )
