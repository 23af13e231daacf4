"""Make a lake's tables anew from its archive, beside the old ones, and put them in their place."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from batch.restored_accounts import (
    RestoreError,
    keep_accounts,
    read_accounts,
    require_accounts,
)
from batch.verification.archive_reading import ArchiveReading, read_archive
from batch.verification.recompute import recompute_features
from checkpoints.in_hand import staging_path
from checkpoints.kept_accounts import find_accounts
from checkpoints.ledger import VERSION_COLUMNS
from checkpoints.lock import StreamLock, holding
from lake.contract import Contract, load_contract
from lake.ddl import create_tables
from lake.delta import has_table, read_table, table_version
from lake.errors import NotFoundError
from lake.fence import FENCED, Fence, epoch_of
from lake.format import RESTORED
from lake.fs import FileSystem
from lake.initialise import NEW_TABLES, OWN, let_read
from lake.java import java_class
from lake.settings import Settings
from lake.tables import FEATURES, KPI_HISTORY, LEDGER, QUARANTINE, SNAPSHOTS, TABLES, table_path
from streaming.constraints import carry_constraints

log = structlog.get_logger()


@dataclass(frozen=True)
class Restored:
    """What a restore made.

    Attributes:
        files: how many archived files were read.
        customers: rows of the features.
        accounts: rows of the ledger, taken over.
        set_aside: where the old tables are now; None where there were none.
    """

    files: int
    customers: int
    accounts: int
    set_aside: str | None


def restore(spark: SparkSession, settings: Settings) -> Restored:
    """Make the tables anew from the archive and the accounts, of the ledger and beside the files.

    - The ledger may be lost: the archive has what was in it, see :mod:`checkpoints.kept_accounts`.
      It may be of an older format. Its accounts stay as they were told, with what a newer
      format knows beside.
    - The rows are those of the archived files, each judged by the contract that its account names,
      or the one of now. Where that comes to other counts than the ledger's, nothing is changed.
    - The old tables are set aside, whole. Until then they are not touched.
    - It holds the stream's lock. Killed at any time, it can be run again.

    Raises:
        LockedError: a stream is running; the message says who.
        NotFoundError: there is neither a ledger nor an account in the archive.
        RestoreError: an archived file is missing, is another, or is judged otherwise now; or it has
            no account, and there is no ledger.
    """
    contract = load_contract(settings.contract)
    files = FileSystem.of(spark)
    # Below the checkpoints, so that a start takes no half of it for a lake.
    fresh = settings.model_copy(update={"root": "/".join([settings.root, *NEW_TABLES])})
    if not has_table(spark, settings, LEDGER) and not files.exists(fresh.path()):
        _require_any(files, settings)
    lock = StreamLock(files, settings)
    with holding(lock, spark.sparkContext.applicationId):
        finish_swap(files, settings, fresh)
        files.delete(fresh.path())
        # Who held the lock before, and does not know that it is lost, writes nothing more.
        there = [name for name in FENCED if has_table(spark, settings, name)]
        if len(there) == len(FENCED):
            Fence.raised(spark, settings, lock.confirm)
        epoch = max((epoch_of(spark, settings, name) for name in there), default=0)
        accounts = read_accounts(spark, settings)
        require_accounts(files, settings, accounts)
        with read_archive(spark, settings, contract, accounts) as reading:
            _require_all(reading, accounts)
            create_tables(spark, fresh)
            carry_constraints(spark, settings, fresh)
            _write(spark, fresh, contract, reading, accounts)
            files_read = reading.files
        _copy_history(spark, settings, fresh)
        done = [read_table(spark, fresh, name) for name in (FEATURES, LEDGER)]
        customers, told = (each.count() for each in done)
        keep_accounts(files, settings, done[1])
        aside = f"{settings.path('replaced')}/{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
        old = files.status(settings.tables)
        files.chmod(fresh.path("tables"), old.mode if old else OWN)
        # Nor to the new tables. Of lost ones nobody knows the epoch; of minutes there are more.
        Fence.raised(spark, fresh, lock.confirm, above=max(epoch, int(time.time()) // 60))
        lock.confirm()
        _note_swap(files, fresh, aside)
        finish_swap(files, settings, fresh)
        # Java keeps what it knows of a table by its path.
        java_class(spark._jvm, "org.apache.spark.sql.delta.DeltaLog").clearCache()
        let_read(files, settings)
        # What a killed stream had in hand is in the ledger now, or is taken in anew.
        files.delete(staging_path(settings))
    log.info("restored", files=files_read, customers=customers, accounts=told)
    return Restored(files_read, customers, told, aside if old else None)


def _require_any(files: FileSystem, settings: Settings) -> None:
    if not find_accounts(files, settings):
        raise NotFoundError(
            f"There is neither a ledger under {settings.tables} nor an account in "
            f"{settings.archive}; put a copy of one of them back, or run `flo init` and move the "
            "archived files into landing."
        )


def _require_all(reading: ArchiveReading, accounts: DataFrame) -> None:
    """Make sure that the archive gives the rows that the accounts tell of.

    Raises:
        RestoreError: it does not.
    """
    if reading.differences:
        what = "; ".join(difference.what for difference in reading.differences[:3])
        raise RestoreError(
            f"{len(reading.differences)} archived files are not what the accounts say: {what}. "
            "Nothing was changed; put the files back, and try again."
        )
    found = reading.snapshots.groupBy("drop_id").agg(F.count(F.lit(1)).alias("found"))
    told = accounts.where("state = 'ingested'").select("drop_id", "rows_accepted")
    other = told.join(found, "drop_id", "full_outer").where(
        "NOT coalesce(found, 0) <=> coalesce(rows_accepted, 0)"
    )
    first = [row["drop_id"][:12] for row in other.limit(3).collect()]
    if first:
        raise RestoreError(
            f"{other.count()} drops have other rows now than when they came, such as "
            f"{', '.join(first)}. Nothing was changed; where no contract is kept with them, name "
            "the one by which they came in the setting `contract`, and change it afterwards."
        )


def _write(
    spark: SparkSession,
    fresh: Settings,
    contract: Contract,
    reading: ArchiveReading,
    accounts: DataFrame,
) -> None:
    """Write snapshots, quarantine, features, and the accounts with the versions that these got.

    That the versions of all are the same ones is told by a property of the ledger.
    """
    last = accounts.groupBy("drop_id").agg(F.max("finished_at").alias("at"))
    finished = F.broadcast(last.where("drop_id IS NOT NULL"))
    _append(fresh, SNAPSHOTS, reading.snapshots)
    bad = reading.quarantine.join(finished, "drop_id", "left")
    _append(fresh, QUARANTINE, bad.withColumn("quarantined_at", F.col("at")))
    snapshots = read_table(spark, fresh, SNAPSHOTS)
    features = recompute_features(snapshots, accounts, contract).join(finished, "drop_id", "left")
    _append(fresh, FEATURES, features.withColumn("updated_at", F.col("at")))
    versions = {
        column: F.when(F.col(column).isNotNull(), F.lit(table_version(spark, fresh, name)))
        for name, column in VERSION_COLUMNS.items()
    }
    _append(fresh, LEDGER, accounts.withColumns(versions))
    ledger, now = f"delta.`{table_path(fresh, LEDGER)}`", datetime.now(UTC).isoformat()
    spark.sql(f"ALTER TABLE {ledger} SET TBLPROPERTIES ('{RESTORED}' = '{now}')")


def _append(fresh: Settings, name: str, rows: DataFrame) -> None:
    columns = [
        F.col(column.name).cast(column.dataType).alias(column.name)
        for column in TABLES[name].schema.fields
    ]
    rows.select(*columns).write.format("delta").mode("append").save(table_path(fresh, name))


def _copy_history(spark: SparkSession, settings: Settings, fresh: Settings) -> None:
    """Take over what earlier runs of the KPIs have said: no archive knows that."""
    if has_table(spark, settings, KPI_HISTORY):
        history = read_table(spark, settings, KPI_HISTORY)
        _append(fresh, KPI_HISTORY, history)


def _note_swap(files: FileSystem, fresh: Settings, aside: str) -> None:
    """Say, whole or not at all, that the new tables are whole, and where the old ones go."""
    files.write_text(fresh.path("_aside"), aside)
    files.rename(fresh.path("_aside"), fresh.path("_set_aside"))


def finish_swap(files: FileSystem, settings: Settings, fresh: Settings) -> None:
    """Put new tables that are whole in the place of the old ones, from wherever a kill left it."""
    aside = files.read_text(fresh.path("_set_aside"))
    if aside is None:
        return
    # By its path: a copy of settings keeps the directories that the first has named already.
    made = fresh.path("tables")
    if files.exists(made):
        if files.exists(settings.tables):
            files.mkdirs(aside.rpartition("/")[0])
            files.rename(settings.tables, aside)
        files.rename(made, settings.tables)
    files.delete(fresh.path())
