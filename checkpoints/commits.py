"""The stream's own commits on a table: the accounts that each carries, read from Delta's log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from pyspark.sql import SparkSession

from checkpoints.ledger import VERSION_COLUMNS, LedgerRow, State, from_metadata
from lake.delta import history_after, newest_snapshot
from lake.fence import number_of
from lake.settings import Settings
from lake.tables import FEATURES, QUARANTINE, SNAPSHOTS

RECOVERED = "flo-recovered"
"""Under which name a table keeps the version up to which recovery has looked at its commits."""


def read_commits_after(
    spark: SparkSession, settings: Settings, table: str, known: int
) -> dict[int, list[LedgerRow]]:
    """Read what is beyond a version that is known, the oldest first.

    Args:
        spark: the session of the caller.
        settings: where the tables are.
        table: its name.
        known: a version of it, -1 for none; usually the newest that the ledger names. Where
            recovery has noted a later one, that counts.

    Returns:
        By version the accounts that the commit carries; those of other programs, and of
        compactions, carry none.
    """
    newest = newest_snapshot(spark, settings, table)
    known = max(known, number_of(newest, RECOVERED))
    if newest.version() <= known:
        return {}
    commits = history_after(spark, settings, table, known, newest.version()).orderBy("version")
    return {
        int(each["version"]): from_metadata(each["userMetadata"])
        for each in commits.select("version", "userMetadata").collect()
    }


class Accounts(Protocol):
    """What is asked of the ledger, whether it is in memory or a table."""

    def newest_version(self, column: str) -> int:
        """Newest table version that an account names; -1 where none does."""

    def recorded(self, rows: Sequence[LedgerRow]) -> tuple[set[str], set[str]]:
        """Of these accounts the ids of those that it has, and of their drops the ingested ones."""


@dataclass(frozen=True)
class Unrecorded:
    """What the tables have and the ledger lacks.

    A batch becomes true with its commit on the features, which carries the accounts of its drops.

    Attributes:
        accounts: of batches that are true; they only have to be written into the ledger.
        begun: by table, the drops of a batch that is not: their rows do not count.
    """

    accounts: tuple[LedgerRow, ...]
    begun: Mapping[str, frozenset[str]]

    @property
    def begun_drops(self) -> frozenset[str]:
        """The drops of all tables in ``begun``."""
        return frozenset[str]().union(*self.begun.values())

    @property
    def drops(self) -> frozenset[str]:
        """All drops that it is about."""
        return self.begun_drops.union(row.drop_id for row in self.accounts if row.drop_id)


def read_unrecorded(
    spark: SparkSession, settings: Settings, ledger: Accounts, version: int
) -> Unrecorded:
    """Find what is beyond the ledger, in the commits that are newer than it names.

    Commits of others, such as a compaction's, carry no accounts and are passed over.

    Args:
        spark: the session of the caller.
        settings: where the tables are.
        ledger: read before the tables.
        version: of the features: later commits on them do not count.
    """
    commits = {
        table: read_commits_after(spark, settings, table, ledger.newest_version(column))
        for table, column in VERSION_COLUMNS.items()
    }
    carried = [row for each in commits.values() for rows in each.values() for row in rows]
    recorded, ingested = ledger.recorded(carried) if carried else (set(), set())
    accounts = [
        replace(row, features_version=at) if row.state == State.INGESTED else row
        for at, rows in commits[FEATURES].items()
        for row in rows
        if at <= version and row.account_id not in recorded
    ]
    recorded = recorded | {row.account_id for row in accounts}
    # An earlier try of a drop, whose rows were taken back, says nothing of the rows of a later one.
    done = ingested | {row.drop_id for row in accounts}
    begun = {
        table: frozenset(
            row.drop_id
            for rows in commits[table].values()
            for row in rows
            if row.drop_id and row.account_id not in recorded and row.drop_id not in done
        )
        for table in (SNAPSHOTS, QUARANTINE)
    }
    return Unrecorded(tuple(accounts), begun)
