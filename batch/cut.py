"""One state of the tables that agrees in itself, though a stream goes on writing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from delta.tables import DeltaTable
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from checkpoints.commits import read_commits_after
from checkpoints.ledger import VERSION_COLUMNS, LedgerRow
from checkpoints.lock import StreamLock
from lake.errors import no_table
from lake.format import require_format
from lake.fs import FileSystem
from lake.settings import Settings
from lake.tables import (
    FEATURES,
    LEDGER,
    QUARANTINE,
    SNAPSHOTS,
    TABLES,
    table_path,
    table_version,
)


@dataclass(frozen=True)
class Cut:
    """The tables at one moment, each read at a version of its own that no longer changes.

    Attributes:
        snapshots: without the rows of the batch that a stream is at.
        quarantine: the same.
        features: before that batch.
        in_hand: the drops of that batch, some of which an earlier try may have left rows of.
        unfinished: drops that a stream which runs no more has left between the tables.
    """

    ledger: DataFrame
    snapshots: DataFrame
    quarantine: DataFrame
    features: DataFrame
    in_hand: frozenset[str]
    unfinished: frozenset[str]


@dataclass(frozen=True)
class _Tail:
    """A table's newest version, and by version the accounts in its latest commits."""

    newest: int
    accounts: dict[int, list[LedgerRow]]


def take_cut(spark: SparkSession, settings: Settings) -> Cut:
    """Choose the versions to read.

    The ledger is written last, so it decides: read first, it names what is done. What the other
    tables have beyond it is in commits that carry accounts which it lacks:

    * While a stream runs, that is the batch in its hand. Its drops' rows are left out, and the
      features are read just before the first such commit.
    * Where none runs, it is what a killed one left half done, and stays in: the tables do differ
      until the next start finishes it.

    Other commits, such as a compaction's, carry no accounts and are read.

    Raises:
        NotFoundError: there are no tables yet.
    """
    require_tables(spark, settings)
    lock = StreamLock(FileSystem.of(spark), settings)
    was_running = lock.live_holder() is not None
    ledger = read_at(spark, settings, LEDGER, table_version(spark, settings, LEDGER))
    tails = _read_tails(spark, settings, ledger)
    # Asked on both sides: a stream may have started, or ended, in between.
    is_running = was_running or lock.live_holder() is not None
    ahead = frozenset(
        row.drop_id
        for tail in tails.values()
        for rows in tail.accounts.values()
        for row in rows
        if row.drop_id
    )
    in_hand = ahead if is_running else frozenset()
    versions = {name: tail.newest for name, tail in tails.items()}
    if is_running and tails[FEATURES].accounts:
        versions[FEATURES] = min(tails[FEATURES].accounts) - 1
    frames = {name: read_at(spark, settings, name, at) for name, at in versions.items()}
    return Cut(
        ledger=ledger,
        snapshots=leave_out(frames[SNAPSHOTS], in_hand),
        quarantine=leave_out(frames[QUARANTINE], in_hand),
        features=frames[FEATURES],
        in_hand=in_hand,
        unfinished=ahead - in_hand,
    )


def require_tables(spark: SparkSession, settings: Settings) -> None:
    """Make sure that there is something to look at.

    Raises:
        NotFoundError: a table does not exist.
        ConfigError: the tables are of another format.
    """
    require_format(spark, settings)
    for name in TABLES:
        if not DeltaTable.isDeltaTable(spark, table_path(settings, name)):
            raise no_table(name, settings.tables)


def read_at(spark: SparkSession, settings: Settings, name: str, version: int) -> DataFrame:
    """Read one version of a table."""
    reader = spark.read.format("delta").option("versionAsOf", version)
    return reader.load(table_path(settings, name))


def leave_out(frame: DataFrame, drop_ids: Iterable[str]) -> DataFrame:
    """Leave out the rows of a few drops; a row without a drop stays."""
    named = sorted(drop_ids)
    if not named:
        return frame
    return frame.where(F.col("drop_id").isNull() | ~F.col("drop_id").isin(named))


def _read_tails(spark: SparkSession, settings: Settings, ledger: DataFrame) -> dict[str, _Tail]:
    """Read of each table the commits that are newer than the ledger knows, and lack an account."""
    known = ledger.agg(*[F.max(each).alias(each) for each in VERSION_COLUMNS.values()]).collect()[0]
    tails = {
        name: _read_tail(spark, settings, name, -1 if known[column] is None else known[column])
        for name, column in VERSION_COLUMNS.items()
    }
    accounts = [row for tail in tails.values() for rows in tail.accounts.values() for row in rows]
    done = _find_done(ledger, accounts)
    return {name: _Tail(tail.newest, _without(tail.accounts, done)) for name, tail in tails.items()}


def _read_tail(spark: SparkSession, settings: Settings, name: str, known: int) -> _Tail:
    # The newest first: a commit made since then is beyond this cut.
    newest = table_version(spark, settings, name)
    commits = read_commits_after(spark, settings, name, known)
    return _Tail(newest, commits)


def _find_done(ledger: DataFrame, accounts: list[LedgerRow]) -> set[str]:
    """Which of these accounts the ledger has."""
    if not accounts:
        return set()
    ids = sorted({row.account_id for row in accounts})
    found = ledger.where(F.col("account_id").isin(ids)).select("account_id")
    return {account_id for (account_id,) in found.collect()}


def _without(commits: dict[int, list[LedgerRow]], done: set[str]) -> dict[int, list[LedgerRow]]:
    left = {at: [row for row in rows if row.account_id not in done] for at, rows in commits.items()}
    return {at: rows for at, rows in left.items() if rows}
