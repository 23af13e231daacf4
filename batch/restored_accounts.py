"""The accounts that a restore goes by: the ledger's, and those that only the archive has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from checkpoints.commits import read_commits_after
from checkpoints.kept_accounts import (
    archived,
    find_accounts,
    is_kept_account,
    keep_account,
    read_account,
)
from checkpoints.ledger import LedgerRow, State, frame_rows, rows_frame
from lake.delta import has_table, read_table
from lake.errors import FloError
from lake.fs import FileSystem
from lake.settings import Settings
from lake.tables import FEATURES, LEDGER, TABLES

# An account of v0.1.0 has no id. It gets the same one whenever it is read: it may be kept by then.
_OLD_ID = "md5(concat_ws('|', path, unix_micros(started_at)))"


class RestoreError(FloError):
    """The archive does not give what the accounts say; the tables stay as they are."""

    exit_code = 1


def read_accounts(spark: SparkSession, settings: Settings) -> DataFrame:
    """Read all accounts: the ledger's, if there is one, then those that only the archive has.

    A drop that is in the features, and whose account a killed stream did not come to write into
    either, has it from their commit.

    Returns:
        Rows of the table ``drops``.
    """
    told, missing = rows_frame(spark, ()), rows_frame(spark, ())
    if has_table(spark, settings, LEDGER):
        stored = read_table(spark, settings, LEDGER)
        told = stored.select(*[_column(stored, n).alias(n) for n in TABLES[LEDGER].column_names])
        missing = rows_frame(spark, _read_commits(spark, settings, stored))
        missing = missing.withColumn("account_id", _column(stored, "account_id"))
    known = {account_id for (account_id,) in told.select("account_id").collect()}
    files = FileSystem.of(spark)
    kept = find_accounts(files, settings).items()
    read = [read_account(files, *each) for each in kept if each[0] not in known]
    accounts = told.unionByName(rows_frame(spark, filter(None, read)))
    return accounts.unionByName(missing.join(accounts, "account_id", "left_anti"))


def keep_accounts(files: FileSystem, settings: Settings, accounts: DataFrame) -> None:
    """Keep in the archive what an older version has told in the ledger alone."""
    kept = find_accounts(files, settings)
    for row in frame_rows(accounts):
        if row.account_id not in kept:
            keep_account(files, settings, row)


def require_accounts(files: FileSystem, settings: Settings, accounts: DataFrame) -> None:
    """Make sure that no archived file lacks an account: its rows would be left out unseen.

    Raises:
        RestoreError: one does.
    """
    named = {path for (path,) in accounts.select("archived_path").collect()}
    found = archived(files, settings)
    strange = [e.path for e in found if e.path not in named and not is_kept_account(e)]
    if strange:
        raise RestoreError(
            f"{len(strange)} archived files have no account, in a ledger or beside them, such as "
            f"{strange[0]}. Nothing was changed; move them into landing, to be taken in "
            "afterwards, or out of the archive if they are no drops, and try again."
        )


def _read_commits(
    spark: SparkSession, settings: Settings, ledger: DataFrame
) -> Iterator[LedgerRow]:
    """Read the accounts in those of the features' commits that are newer than the ledger knows."""
    known = ledger.agg(F.max("features_version")).collect()[0][0]
    commits = read_commits_after(spark, settings, FEATURES, -1 if known is None else known)
    for version, rows in commits.items():
        for row in rows:
            yield replace(
                row,
                features_version=version if row.state == State.INGESTED else None,
                finished_at=row.started_at,
                first_seen_at=row.first_seen_at or row.modified_at,
                drop_time=row.drop_time or row.modified_at,
            )


def _column(stored: DataFrame, name: str) -> Column:
    """A column of the ledger, or what an account that is older than it says by it."""
    kind = TABLES[LEDGER].schema[name].dataType
    if name in stored.columns:
        return F.col(name)
    if name.startswith("rows_"):
        return F.lit(0).cast(kind)
    return {
        "account_id": F.expr(_OLD_ID),
        "drop_time": F.col("modified_at"),
        # By whose day the rule future_date went.
        "first_seen_at": F.col("modified_at"),
    }.get(name, F.lit(None).cast(kind))
