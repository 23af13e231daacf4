"""The KPI job on real Delta tables, in a directory of its own."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from batch.kpis import tables as kpi_tables
from batch.kpis.tables import KPI_TABLES, read_kpis
from batch.kpis_job import KpiRun, compute_kpis
from lake.errors import NotFoundError
from lake.settings import Settings
from lake.tables import FEATURES, KPI_HISTORY, TABLES, table_path
from tests.reading import read_rows

ALL = tuple(KPI_TABLES)


@pytest.fixture
def lake(spark: SparkSession, tmp_path: Path) -> Settings:
    """Provide the tables that the job reads and writes, without a customer."""
    settings = Settings(fs="file://", root=str(tmp_path))
    for name in (FEATURES, *KPI_TABLES, KPI_HISTORY):
        empty = spark.createDataFrame([], TABLES[name].schema)
        empty.write.format("delta").save(table_path(settings, name))
    return settings


def add_customer(
    spark: SparkSession, settings: Settings, channel: str | None, orders: int, value: str
) -> None:
    """Append one customer to the features, with what the KPIs read."""
    row = spark.range(1).select(
        F.lit(channel).cast("string").alias("order_channel"),
        F.lit("Online").alias("platform_type"),
        F.lit(orders).cast("bigint").alias("order_num_total"),
        F.lit(Decimal(value)).cast("decimal(18,2)").alias("customer_value_total"),
    )
    row.write.format("delta").mode("append").save(table_path(settings, FEATURES))


def history(spark: SparkSession, settings: Settings) -> list[tuple[str, int, int]]:
    """Return each run in the history: its table, its version, and how many rows it left."""
    runs = Counter(
        (row["features_version"], row["computed_at"], row["kpi_table"])
        for row in read_rows(spark, settings, KPI_HISTORY)
    )
    return [(name, version, runs[version, at, name]) for version, at, name in sorted(runs)]


def test_a_run_leaves_tables_and_history_at_one_version(
    spark: SparkSession, lake: Settings
) -> None:
    """All tables show the newest features; a second run finds nothing to do."""
    add_customer(spark, lake, "Mobile", 2, "10.25")
    add_customer(spark, lake, None, 1, "0.10")

    first = compute_kpis(spark, lake)
    second = compute_kpis(spark, lake)

    assert (first.features_version, first.computed) == (2, ALL)
    assert second == KpiRun(2, ())
    assert history(spark, lake) == [(name, 2, groups) for name, groups in _sorted((2, 1, 2))]
    rows = read_kpis(spark, lake).collect()
    assert [(row["kpi_table"], row["order_channel"], row["total_revenue"]) for row in rows] == [
        ("channel_kpis", None, Decimal("0.10")),
        ("channel_kpis", "Mobile", Decimal("10.25")),
        ("platform_kpis", None, Decimal("10.35")),
        ("channel_platform_kpis", None, Decimal("0.10")),
        ("channel_platform_kpis", "Mobile", Decimal("10.25")),
    ]


def test_full_computes_again_and_the_history_keeps_both_runs(
    spark: SparkSession, lake: Settings
) -> None:
    """With `full` the same version is computed again, as a run of its own."""
    add_customer(spark, lake, "Mobile", 2, "10.25")

    compute_kpis(spark, lake)
    again = compute_kpis(spark, lake, full=True)

    assert again == KpiRun(1, ALL, "asked for")
    assert history(spark, lake) == 2 * [(name, 1, 1) for name, _ in _sorted((1, 1, 1))]


def test_a_run_that_broke_off_is_completed_by_the_next(
    spark: SparkSession, lake: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a crash between two tables nothing is missing, and no run is in the history twice."""
    add_customer(spark, lake, "Mobile", 2, "10.25")
    with monkeypatch.context() as broken:
        write = kpi_tables._show

        def write_one_table(spark: SparkSession, settings: Settings, name: str, *rest: Any) -> None:
            if name != "channel_kpis":
                raise RuntimeError(name)
            write(spark, settings, name, *rest)

        broken.setattr(kpi_tables, "_show", write_one_table)
        with pytest.raises(RuntimeError):
            compute_kpis(spark, lake)

    healed = compute_kpis(spark, lake)

    assert healed == KpiRun(1, ALL[1:])
    add_customer(spark, lake, "Desktop", 1, "5.00")
    assert compute_kpis(spark, lake).computed == ALL
    assert history(spark, lake) == [
        *((name, 1, 1) for name in sorted(ALL)),
        *((name, 1, 1) for name in sorted(ALL[1:])),
        *((name, 2, groups) for name, groups in _sorted((2, 1, 2))),
    ]


def test_without_tables_the_remedy_is_named(spark: SparkSession, tmp_path: Path) -> None:
    """Before `flo init` the job says what to do first."""
    with pytest.raises(NotFoundError, match="flo init"):
        compute_kpis(spark, Settings(fs="file://", root=str(tmp_path)))


def _sorted(groups: tuple[int, int, int]) -> list[tuple[str, int]]:
    return sorted(zip(ALL, groups, strict=True))
