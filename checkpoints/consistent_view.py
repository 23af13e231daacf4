"""The tables as of one batch, though a stream goes on writing them or was killed in the middle.

A batch becomes true with its commit on the features. So this is what a recovery would make of the
tables (see :mod:`checkpoints.recovery`), without a write: a batch that is true and lacks its ledger
row has one here, and the rows of a batch that is not are left out. It does not matter whether the
stream that has begun it still runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from checkpoints.commits import Unrecorded, read_unrecorded
from checkpoints.ledger import VERSION_COLUMNS, LedgerRow, State, rows_frame
from lake.delta import read_table, table_version
from lake.format import require_tables
from lake.settings import Settings
from lake.tables import FEATURES, LEDGER, QUARANTINE, SNAPSHOTS, TABLES


@dataclass(frozen=True)
class ConsistentView:
    """The stream's tables, each at a version of its own that no longer changes.

    Attributes:
        ledger: with the accounts that only a commit on the features has so far.
        unrecorded: what the ledger itself lacks.
    """

    features: DataFrame
    snapshots: DataFrame
    quarantine: DataFrame
    ledger: DataFrame
    unrecorded: Unrecorded

    def is_ingested(self, drop_id: str) -> bool:
        """Tell whether these bytes are in the tables already."""
        same = (F.col("state") == State.INGESTED) & (F.col("drop_id") == drop_id)
        return not self.ledger.where(same).isEmpty()


def read_consistent_view(spark: SparkSession, settings: Settings) -> ConsistentView:
    """Read all tables of the stream as of the newest batch in the features.

    Raises:
        NotFoundError: there are no tables yet.
        ConfigError: they are of another format.
    """
    require_tables(spark, settings)
    # In this order: each table has at least what those before it tell of.
    names = (LEDGER, FEATURES, SNAPSHOTS, QUARANTINE)
    versions = {name: table_version(spark, settings, name) for name in names}
    frames = {name: read_table(spark, settings, name, at) for name, at in versions.items()}
    ledger = frames[LEDGER].select(*TABLES[LEDGER].column_names)
    unrecorded = read_unrecorded(spark, settings, _StoredLedger(ledger), versions[FEATURES])
    if unrecorded.accounts:
        now = datetime.now(UTC)
        done = [replace(row, finished_at=row.finished_at or now) for row in unrecorded.accounts]
        ledger = ledger.unionByName(rows_frame(spark, done))
    return ConsistentView(
        features=frames[FEATURES],
        snapshots=leave_out(frames[SNAPSHOTS], unrecorded.begun[SNAPSHOTS]),
        quarantine=leave_out(frames[QUARANTINE], unrecorded.begun[QUARANTINE]),
        ledger=ledger,
        unrecorded=unrecorded,
    )


def leave_out(frame: DataFrame, drop_ids: Iterable[str]) -> DataFrame:
    """Leave out the rows of a few drops; a row without a drop stays."""
    named = sorted(drop_ids)
    if not named:
        return frame
    return frame.where(F.col("drop_id").isNull() | ~F.col("drop_id").isin(named))


class _StoredLedger:
    """The table ``drops`` at one version, see :class:`checkpoints.commits.Accounts`."""

    def __init__(self, ledger: DataFrame) -> None:
        newest = [F.max(each).alias(each) for each in VERSION_COLUMNS.values()]
        self._ledger = ledger
        self._newest = ledger.agg(*newest).collect()[0]

    def newest_version(self, column: str) -> int:
        known = self._newest[column]
        return -1 if known is None else int(known)

    def recorded(self, rows: Sequence[LedgerRow]) -> tuple[set[str], set[str]]:
        accounts = F.col("account_id").isin(sorted({row.account_id for row in rows}))
        drops = F.col("drop_id").isin(sorted({row.drop_id for row in rows if row.drop_id}))
        ingested = drops & (F.col("state") == State.INGESTED)
        found = self._ledger.select(
            F.when(accounts, F.col("account_id")).alias("account_id"),
            F.when(ingested, F.col("drop_id")).alias("drop_id"),
        ).distinct()
        pairs = found.collect()
        return {a for a, _ in pairs if a is not None}, {d for _, d in pairs if d is not None}
