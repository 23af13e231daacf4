"""The stream's own commits on a table: the accounts that each carries, read from Delta's log."""

from __future__ import annotations

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from checkpoints.ledger import LedgerRow, from_metadata
from lake.settings import Settings
from lake.tables import open_table, table_version

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
        known: a version of it, -1 for none; usually the newest that the ledger names.

    Returns:
        By version the accounts that the commit carries; those of other programs, and of
        compactions, carry none.
    """
    behind = table_version(spark, settings, table) - known
    if behind <= 0:
        return {}
    # It is counted back from the newest commit, which may be a later one by now.
    history = open_table(spark, settings, table).history(behind + _LATER_COMMITS)
    commits = history.where(F.col("version") > known).orderBy("version")
    return {
        int(each["version"]): from_metadata(each["userMetadata"])
        for each in commits.select("version", "userMetadata").collect()
    }
