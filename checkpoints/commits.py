"""The stream's own commits on a table: the accounts that each carries, read from Delta's log."""

from __future__ import annotations

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from checkpoints.ledger import LedgerRow, from_metadata
from lake.fence import number_of
from lake.settings import Settings
from lake.tables import newest_snapshot, open_table

RECOVERED = "flo-recovered"
"""Under which name a table keeps the version up to which recovery has looked at its commits."""

# More than are made between two calls.
_LATER_COMMITS = 20


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
    behind = newest.version() - known
    if behind <= 0:
        return {}
    # It is counted back from the newest commit, which may be a later one by now.
    history = open_table(spark, settings, table).history(behind + _LATER_COMMITS)
    commits = history.where(F.col("version") > known).orderBy("version")
    return {
        int(each["version"]): from_metadata(each["userMetadata"])
        for each in commits.select("version", "userMetadata").collect()
    }
