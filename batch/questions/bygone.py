"""The tables as they were, from what is kept for ever: accounts, snapshots, rows of KPI runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from batch.questions.moment import Moment
from batch.verification.recompute import recompute_features
from checkpoints.ledger import State
from lake.contract import Contract
from lake.fs import from_micros
from lake.tables import FEATURES, KPI_HISTORY, LEDGER, TABLES


def past_ledger(ledger: DataFrame, at: datetime) -> DataFrame:
    """Keep the accounts that were finished by then; an account never changes."""
    return ledger.where(F.col("finished_at") <= F.lit(at)).select(*TABLES[LEDGER].column_names)


def past_snapshots(snapshots: DataFrame, accounts: DataFrame) -> DataFrame:
    """Keep the snapshots of the drops that were ingested by then; see `past_ledger`."""
    return _of_drops(snapshots, accounts.where(F.col("state") == State.INGESTED))


def past_quarantine(quarantine: DataFrame, accounts: DataFrame) -> DataFrame:
    """Keep the refused rows of the drops that had an account by then; see `past_ledger`.

    Of a drop that was rejected and tried again later they are those of its last try.
    """
    return _of_drops(quarantine, accounts)


def _of_drops(rows: DataFrame, accounts: DataFrame) -> DataFrame:
    drops = accounts.select("drop_id").distinct()
    return rows.join(F.broadcast(drops), "drop_id", "left_semi").select(*rows.columns)


def past_features(snapshots: DataFrame, accounts: DataFrame, contract: Contract) -> DataFrame:
    """Recompute the features by the order rule; ``updated_at`` is lost and NULL.

    Args:
        snapshots: rows of ``customer_snapshots``; those of later drops do not count.
        accounts: the ledger as it was.
    """
    undated = F.lit(None).cast("timestamp").alias("updated_at")
    features = recompute_features(snapshots, accounts, contract)
    return features.select("*", undated).select(*TABLES[FEATURES].column_names)


@dataclass(frozen=True)
class Run:
    """What a KPI table showed: which features, and when they were counted."""

    features_version: int
    computed_at: datetime


def find_runs(history: DataFrame, moment: Moment) -> dict[str, Run]:
    """Find the run of the KPI job that each KPI table shows at a moment.

    A drop's KPIs are the first ones that were computed of the features as it left them, even if
    that was a while later: so they agree with the features. Where there are none, and for a
    time, they are what was computed last by then.

    Args:
        history: rows of ``kpi_history``.
    """
    run = F.struct(F.unix_micros("computed_at").alias("at"), "features_version")
    own = F.when(_is_of(moment), run)
    by_then = F.when(F.col("computed_at") <= F.lit(moment.at), run)
    found = history.groupBy("kpi_table").agg(F.coalesce(F.min(own), F.max(by_then)).alias("run"))
    return {
        table: Run(run["features_version"], from_micros(run["at"]))
        for table, run in found.where(F.col("run").isNotNull()).collect()
    }


def _is_of(moment: Moment) -> Column:
    """Tell which rows are of the features of the moment; a compaction is a version of the same."""
    version, first = F.col("features_version"), moment.versions.get(FEATURES)
    if first is None:
        return F.lit(False)
    is_of = version >= first
    if moment.restored_at is not None:
        is_of &= F.col("computed_at") >= F.lit(moment.restored_at)
    return is_of if moment.next_features is None else is_of & (version < moment.next_features)


def past_kpis(history: DataFrame, table: str, run: Run | None) -> DataFrame:
    """Take a KPI table's rows of one run from the history; none where there was no run."""
    is_shown = F.col("computed_at") == F.lit(run.computed_at) if run else F.lit(False)
    rows = history.where((F.col("kpi_table") == table) & is_shown)
    return rows.select(*TABLES[table].column_names)


def past_history(history: DataFrame, moment: Moment, runs: Mapping[str, Run]) -> DataFrame:
    """Keep the runs by then, and those that the KPI tables show."""
    newest = max([moment.at, *(run.computed_at for run in runs.values())])
    rows = history.where(F.col("computed_at") <= F.lit(newest))
    return rows.select(*TABLES[KPI_HISTORY].column_names)
