"""The KPI job: from one version of the features to the KPI tables and their history.

Runs inside ``flo kpis`` and ``flo stream --kpis``, or by itself::

    spark-submit batch/kpis_job.py [--conf FILE] [--full]
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    # Spark puts this script's folder first on the path, where its modules would stand for
    # others of their name; the packages are one level up, or in the zip that came along.
    _here = Path(__file__).resolve().parent
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != _here]
    if (_here.parent / "lake").is_dir():
        sys.path.insert(0, str(_here.parent))

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce

from delta.tables import DeltaTable
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from batch.kpis import channel_kpis, channel_platform_kpis, platform_kpis
from lake.conflicts import retry_conflicts
from lake.errors import FloError, NotFoundError
from lake.session import build_session
from lake.settings import Settings
from lake.tables import (
    CHANNEL_KPIS,
    CHANNEL_PLATFORM_KPIS,
    FEATURES,
    KPI_HISTORY,
    PLATFORM_KPIS,
    TABLES,
    table_path,
    table_version,
)

KPI_TABLES: dict[str, Callable[[DataFrame], DataFrame]] = {
    CHANNEL_KPIS: channel_kpis,
    PLATFORM_KPIS: platform_kpis,
    CHANNEL_PLATFORM_KPIS: channel_platform_kpis,
}

_KEYS = ("order_channel", "platform_type")


@dataclass(frozen=True)
class KpiRun:
    """What a run did.

    Attributes:
        features_version: the version of the features that all KPI tables now show.
        computed: the tables that were written; those that showed the version already are not.
    """

    features_version: int
    computed: tuple[str, ...]


@dataclass(frozen=True)
class _Shown:
    """What a KPI table shows: which features, computed when (microseconds since 1970)."""

    features_version: int
    computed_at: int


def compute_kpis(spark: SparkSession, settings: Settings, *, full: bool = False) -> KpiRun:
    """Bring the KPI tables to the newest version of the features.

    - All tables are computed from one and the same version.
    - Each table shows a run whole or not at all; a run that ended between two tables is
      completed by the next one.
    - A table that shows the version already is left alone, unless `full`.
    - The history receives each run's rows exactly once.

    Raises:
        NotFoundError: the tables do not exist yet.
        TransientError: other runs kept getting in between.

    Example:
        >>> compute_kpis(spark, settings)
        KpiRun(features_version=7, computed=('channel_kpis', …))
    """
    if not DeltaTable.isDeltaTable(spark, table_path(settings, FEATURES)):
        raise NotFoundError(
            f"There is no table {FEATURES} under {settings.tables}; run `flo init` first."
        )
    return retry_conflicts(lambda: _run(spark, settings, full), "the KPI tables")


def read_kpis(spark: SparkSession, settings: Settings) -> DataFrame:
    """Read all KPI tables as one, in the columns of the history."""
    frames = [_as_history(_read(spark, settings, name), name) for name in KPI_TABLES]
    union = reduce(DataFrame.unionByName, frames)
    order = {name: position for position, name in enumerate(KPI_TABLES)}
    places = F.create_map(*(F.lit(each) for pair in order.items() for each in pair))
    return union.orderBy(places[F.col("kpi_table")], *_KEYS).select(
        *TABLES[KPI_HISTORY].column_names
    )


def _run(spark: SparkSession, settings: Settings, full: bool) -> KpiRun:
    version = table_version(spark, settings, FEATURES)
    path = table_path(settings, FEATURES)
    features = spark.read.format("delta").option("versionAsOf", version).load(path)
    shown = _shown(spark, settings)
    # A run that ended too early may have left its rows out of the history.
    _keep_history(spark, settings, _left_out(spark, settings, shown))
    due = [
        name
        for name in KPI_TABLES
        if full or name not in shown or shown[name].features_version != version
    ]
    # A run is known by its time: later than those before, even after the clock was put back.
    now = max([time.time_ns() // 1000, *(each.computed_at + 1 for each in shown.values())])
    for name in due:
        _write(settings, name, features.transform(KPI_TABLES[name]), _Shown(version, now))
    _keep_history(spark, settings, dict.fromkeys(due, now))
    return KpiRun(version, tuple(due))


def _read(spark: SparkSession, settings: Settings, name: str) -> DataFrame:
    return spark.read.format("delta").load(table_path(settings, name))


def _shown(spark: SparkSession, settings: Settings) -> dict[str, _Shown]:
    """Ask the KPI tables what they show; one without rows shows nothing."""
    frames = [
        _read(spark, settings, name).select(
            F.lit(name).alias("name"), "features_version", F.unix_micros("computed_at").alias("at")
        )
        for name in KPI_TABLES
    ]
    rows = reduce(DataFrame.unionByName, frames).collect()
    return {row["name"]: _Shown(row["features_version"], row["at"]) for row in rows}


def _write(settings: Settings, name: str, kpis: DataFrame, run: _Shown) -> None:
    keys = [key for key in _KEYS if key in kpis.columns]
    (
        kpis.withColumn("features_version", F.lit(run.features_version).cast("bigint"))
        .withColumn("computed_at", _time(run.computed_at))
        .select(*TABLES[name].column_names)
        .repartition(1)
        .sortWithinPartitions(*keys)
        .write.format("delta")
        .mode("overwrite")
        .save(table_path(settings, name))
    )


def _left_out(spark: SparkSession, settings: Settings, shown: dict[str, _Shown]) -> dict[str, int]:
    """Find the runs that a KPI table shows and the history lacks."""
    runs = {name: each.computed_at for name, each in shown.items()}
    kept = _kept(spark, settings, runs)
    rows = kept.select("kpi_table", F.unix_micros("computed_at").alias("at")).collect()
    known = {(row["kpi_table"], row["at"]) for row in rows}
    return {name: at for name, at in runs.items() if (name, at) not in known}


def _keep_history(spark: SparkSession, settings: Settings, runs: dict[str, int]) -> None:
    """Add the rows of these runs (a time for each table) that the history lacks.

    The append reads what is there, so that of two at once Delta lets one pass and the other
    is tried again.
    """
    if not runs:
        return
    frames = [
        _as_history(_read(spark, settings, name), name).where(F.col("computed_at") == _time(at))
        for name, at in runs.items()
    ]
    (
        reduce(DataFrame.unionByName, frames)
        .join(_kept(spark, settings, runs), ["kpi_table", "computed_at"], "left_anti")
        .select(*TABLES[KPI_HISTORY].column_names)
        .repartition(1)
        .write.format("delta")
        .mode("append")
        .save(table_path(settings, KPI_HISTORY))
    )


def _kept(spark: SparkSession, settings: Settings, runs: dict[str, int]) -> DataFrame:
    """Read which rows of runs at these times the history has."""
    times = [_time(at) for at in sorted(set(runs.values()))]
    history = _read(spark, settings, KPI_HISTORY)
    return history.where(F.col("computed_at").isin(times)).select("kpi_table", "computed_at")


def _time(micros: int) -> Column:
    return F.timestamp_micros(F.lit(micros))


def _as_history(kpis: DataFrame, name: str) -> DataFrame:
    known = {**{key: F.lit(None).cast("string") for key in _KEYS}, "kpi_table": F.lit(name)}
    return kpis.select(
        *(
            F.col(column) if column in kpis.columns else known[column].alias(column)
            for column in TABLES[KPI_HISTORY].column_names
        )
    )


def describe(run: KpiRun) -> str:
    """Say what a run did, as one sentence."""
    if not run.computed:
        return (
            f"The KPIs are at version {run.features_version} of {FEATURES} already; "
            "--full computes them again."
        )
    return f"Computed {', '.join(run.computed)} from version {run.features_version} of {FEATURES}."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job by itself; see the exit codes of ``flo``."""
    parser = argparse.ArgumentParser(prog="kpis_job.py", description="Compute the KPI tables.")
    parser.add_argument("--conf", type=Path, metavar="FILE", help="settings file")
    parser.add_argument("--full", action="store_true", help="compute even if nothing is new")
    options = parser.parse_args(arguments)
    try:
        settings = Settings.load(options.conf)
        spark = build_session(settings, "flo-kpis")
        try:
            run = compute_kpis(spark, settings, full=options.full)
        finally:
            spark.stop()
    except FloError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(describe(run), file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
