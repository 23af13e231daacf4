"""A dry run: what would become of a file if it were dropped now, found out without a write."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from batch.kpis.changes import KpiChange, compare_kpis
from checkpoints.consistent_view import ConsistentView, read_consistent_view
from checkpoints.ledger import LedgerRow, State
from lake.contract import Contract
from lake.errors import AccessError, DropRejected
from lake.fs import FileInfo
from lake.order_rule import require_order_rule
from lake.paths import plain_path
from lake.scratch import scratch
from lake.settings import Settings
from lake.sizing import compiling
from streaming.accounts import (
    as_duplicate,
    open_account,
    with_file,
    with_findings,
    with_outcomes,
    with_verdict,
)
from streaming.constraints import Constraints
from streaming.intake import Drop, hash_file
from streaming.rows import Judgement, judging, read_staged
from streaming.trial import require_sound_rules
from streaming.upsert import plan_upsert


@dataclass(frozen=True)
class DryRun:
    """What would become of a file.

    Attributes:
        account: its ledger row, without what only a batch can give it.
        reasons: how many rows would be in quarantine, by reason, the most frequent first; a row
            with two reasons counts under both.
        warnings: how many accepted rows would carry each warning, the most frequent first.
        kpis: the rows of the KPI tables that would change.
    """

    account: LedgerRow
    reasons: Mapping[str, int] = field(default_factory=dict)
    warnings: Mapping[str, int] = field(default_factory=dict)
    kpis: tuple[KpiChange, ...] = ()


def quiet_settings(settings: Settings) -> Settings:
    """Change the settings so that a session leaves nothing behind in HDFS.

    The session is a local one whatever the settings say: a YARN application uploads its files
    into HDFS, and executors elsewhere could not read the decoded file, which is on this
    machine's disk. One file against a few columns of the features is no work for a cluster.
    """
    master = settings.master if settings.master.startswith("local") else "local[*]"
    spark = settings.spark | {"spark.eventLog.enabled": "false"}
    return settings.model_copy(update={"master": master, "spark": spark})


def dry_run(
    spark: SparkSession, settings: Settings, contract: Contract, file: Path, now: datetime
) -> DryRun:
    """Say what would happen if a local file were dropped now; write nothing.

    - The counts, reasons and KPIs are those that the stream and the KPI job would come to with
      the tables as they are. Files that wait in landing are not looked at.
    - The KPIs before are those of the features, not of the KPI tables, which may be behind.
    - Temporary files are local, and gone afterwards.

    Args:
        spark: a local session, see `quiet_settings`.
        settings: where the tables are.
        contract: what a drop must look like.
        file: the local file.
        now: the time that the drop would get.

    Raises:
        NotFoundError: there are no tables yet.
        ContractError: a rule cannot be asked of every row.
        ConfigError: the features were made by another order rule than the contract's.
        AccessError: the file may not be read.

    Example:
        >>> dry_run(spark, settings, contract, Path("new.csv"), now).account.rows_inserted
        17
    """
    view = read_consistent_view(spark, settings)
    require_order_rule(spark, settings, contract)
    require_sound_rules(spark, contract, settings.contract)
    with scratch("dry-run") as folder:
        drop = _take_in(settings, file, folder / "drop", now)
        opened = open_account(drop.info, contract, started_at=now, first_seen_at=now)
        account = replace(with_file(opened, drop), archived_sha256=None)
        if view.is_ingested(drop.drop_id):
            return DryRun(as_duplicate(account))
        staged = drop.spool.with_suffix(".parquet")
        try:
            found = drop.decode(staged, contract, max_line_bytes=settings.max_line_bytes)
        except DropRejected as refusal:
            return DryRun(replace(account, reason=str(refusal)))
        account = with_findings(account, found)
        rows = read_staged(spark, staged.as_uri(), contract)
        constraints = Constraints.of(spark, settings)
        with judging(spark, rows, {drop.drop_id: found}, contract, constraints) as judged:
            return _weigh(spark, contract, account, judged, view)


def apply_rows(features: DataFrame, rows: DataFrame) -> DataFrame:
    """Put feature rows in the place of those of the same customers, or beside the others."""
    kept = features.join(rows.select("master_id"), "master_id", "left_anti")
    return kept.unionByName(rows.select(*features.columns)).select(*features.columns)


def _take_in(settings: Settings, file: Path, spool: Path, now: datetime) -> Drop:
    """Copy the file, as the stream does, so that its identity and its rows cannot part."""
    try:
        shutil.copyfile(file, spool)
    except PermissionError:
        raise AccessError(f"{file} may not be read; ask its owner for the permission.") from None
    info = FileInfo(
        path=plain_path(f"{settings.landing}/{file.name}"),
        size=spool.stat().st_size,
        modified_ms=int(now.timestamp() * 1000),
        is_dir=False,
        owner="",
        mode=0o644,
    )
    return Drop(info, hash_file(spool), spool, first_seen_at=now, drop_time=now)


def _weigh(
    spark: SparkSession,
    contract: Contract,
    account: LedgerRow,
    judged: Judgement,
    view: ConsistentView,
) -> DryRun:
    """Complete the account of a drop that could be read, and compare the KPIs."""
    judged_account = with_verdict(account, judged.verdicts[str(account.drop_id)])
    reasons = _count_each(judged.quarantined, "reasons")
    if judged_account.state != State.INGESTED:
        return DryRun(judged_account, reasons)
    upsert = plan_upsert(
        spark,
        contract,
        judged.accepted,
        account.started_at,
        view.features,
        one_drop=True,
        kept=judged.kept,
    )
    try:
        ingested = with_outcomes(judged_account, upsert.outcomes)
        with compiling(spark):  # of all customers, however few rows the drop has
            kpis = compare_kpis(view.features, apply_rows(view.features, upsert.rows))
    finally:
        upsert.release()
    return DryRun(ingested, reasons, _count_each(judged.accepted, "warnings"), tuple(kpis))


def _count_each(rows: DataFrame, column: str) -> dict[str, int]:
    """Count the rows by each name in an array column."""
    counts = rows.select(F.explode(column).alias("name")).groupBy("name").count()
    return {row["name"]: row["count"] for row in counts.orderBy(F.desc("count"), "name").collect()}
