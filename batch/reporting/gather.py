"""Gathering the figures of a report from the tables: every question is answered by Spark."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from batch.kpis.tables import read_kpis
from batch.reporting.courses import gather_courses
from batch.reporting.figures import (
    Column,
    Drop,
    Drops,
    Figures,
    Kpis,
    Segment,
    Segments,
    Side,
)
from batch.reporting.reasons import gather_reasons
from batch.segments import read_day, summarise_segments
from checkpoints.consistent_view import read_consistent_view
from lake.contract import Contract, load_contract
from lake.delta import has_table, read_table
from lake.settings import Settings
from lake.tables import (
    CHANNEL_KPIS,
    CHANNEL_PLATFORM_KPIS,
    CUSTOMER_SEGMENTS,
    KPI_HISTORY,
    PLATFORM_KPIS,
)

# What a page can hold of the newest files.
_FILES = 40
_QUARTILES = ("revenue_min", "revenue_p25", "revenue_p50", "revenue_p75", "revenue_max")
_KEYS = {
    CHANNEL_KPIS: ("order_channel",),
    PLATFORM_KPIS: ("platform_type",),
    CHANNEL_PLATFORM_KPIS: ("order_channel", "platform_type"),
}


def gather_figures(spark: SparkSession, settings: Settings) -> Figures:
    """Ask the tables for all that a report shows.

    Drops, customers and rows are as of one batch (see `checkpoints.consistent_view`); the KPIs
    and the segments are as they were last computed.

    Raises:
        NotFoundError: there are no tables yet.
    """
    contract = load_contract(settings.contract)
    view = read_consistent_view(spark, settings)
    kpis = read_kpis(spark, settings).collect()
    drops_at = _count_drops(view.ledger)
    sides = _gather_sides(view.features)
    history = read_table(spark, settings, KPI_HISTORY)
    return Figures(
        made_at=datetime.now(contract.zone),
        customers=sum(side.customers for side in sides),
        accepted=view.snapshots.count(),
        channels=_read_kpis(kpis, CHANNEL_KPIS),
        platforms=_read_kpis(kpis, PLATFORM_KPIS),
        pairs=_read_kpis(kpis, CHANNEL_PLATFORM_KPIS),
        drops_since_kpis=_count_since(kpis, drops_at),
        channel_courses=gather_courses(history, CHANNEL_KPIS, "order_channel", drops_at),
        platform_courses=gather_courses(history, PLATFORM_KPIS, "platform_type", drops_at),
        drops=_gather_drops(view.ledger, contract),
        sides=sides,
        segments=_gather_segments(spark, settings),
        refused=gather_reasons(view.quarantine, "reasons", contract),
        warned=gather_reasons(view.snapshots, "warnings", contract),
        columns=_gather_columns(view.features),
    )


def _read_kpis(rows: list[Row], table: str) -> tuple[Kpis, ...]:
    """Read a KPI table's rows, those with most revenue first."""
    read = [
        Kpis(
            names=tuple(row[key] for key in _KEYS[table]),
            customers=row["total_customers"],
            orders=row["total_orders"],
            avg_orders=row["avg_orders"],
            revenue=row["total_revenue"],
            avg_revenue=row["avg_revenue"],
            quartiles=tuple(row[name] for name in _QUARTILES),
        )
        for row in rows
        if row["kpi_table"] == table
    ]
    return tuple(sorted(read, key=lambda kpis: (-kpis.revenue, [n or "" for n in kpis.names])))


def _count_drops(ledger: DataFrame) -> dict[int, int]:
    """Count the ingested drops by the version of the features that has them."""
    ingested = ledger.where((F.col("state") == "ingested") & F.col("features_version").isNotNull())
    counts = ingested.groupBy("features_version").count().collect()
    return {row["features_version"]: row["count"] for row in counts}


def _count_since(kpis: list[Row], drops_at: dict[int, int]) -> int:
    """Count the drops that a KPI table does not know."""
    shown = min((row["features_version"] for row in kpis), default=-1)
    return sum(number for version, number in drops_at.items() if version > shown)


def _gather_drops(ledger: DataFrame, contract: Contract) -> Drops:
    newest = ledger.select(
        F.element_at(F.split("path", "/"), -1).alias("file"),
        # As a number: PySpark hands a time out in the zone of the machine.
        F.unix_micros("finished_at").alias("at"),
        *("modified_at", "path", "state"),
        *(F.col(f"rows_{name}").alias(name) for name in _ROWS),
    ).orderBy(F.desc("at"), F.desc("modified_at"), F.desc("path"))
    states = ledger.groupBy("state").agg(
        F.count(F.lit(1)).alias("files"),
        F.sum("rows_read").alias("read"),
        F.sum("rows_quarantined").alias("refused"),
    )
    by_state = states.collect()
    code = F.coalesce(F.split_part(F.col("reason"), F.lit(":"), F.lit(1)), F.lit("unknown"))
    rejected = ledger.where("state = 'rejected'").groupBy(code.alias("code")).count().collect()
    return Drops(
        newest=tuple(
            Drop(
                row["file"],
                datetime.fromtimestamp(row["at"] / 1e6, contract.zone),
                row["state"],
                *(row[name] or 0 for name in _ROWS),
            )
            for row in newest.limit(_FILES).collect()
        ),
        states={row["state"]: row["files"] for row in by_state},
        refusals=tuple(Counter({row["code"]: row["count"] for row in rejected}).most_common()),
        rows_read=sum(row["read"] or 0 for row in by_state),
        rows_refused=sum(row["refused"] or 0 for row in by_state),
    )


# In the order of `Drop`.
_ROWS = ("read", "inserted", "updated", "unchanged", "stale", "superseded", "quarantined")


def _gather_sides(features: DataFrame) -> tuple[Side, ...]:
    rows = (
        features.groupBy("order_channel", F.coalesce("is_omnichannel", F.lit(False)).alias("both"))
        .agg(
            F.count(F.lit(1)).alias("customers"),
            F.sum("order_num_total").alias("orders"),
            F.sum("customer_value_total").cast("decimal(38,2)").alias("revenue"),
        )
        .collect()
    )
    return tuple(Side(*row) for row in rows)


def _gather_segments(spark: SparkSession, settings: Settings) -> Segments | None:
    if not has_table(spark, settings, CUSTOMER_SEGMENTS):
        return None
    rows = summarise_segments(read_table(spark, settings, CUSTOMER_SEGMENTS)).collect()
    return Segments(
        day=read_day(spark, settings),
        rows=tuple(
            Segment(
                name=row["segment"],
                customers=row["customers"],
                avg_recency=row["avg_recency"],
                avg_frequency=row["avg_frequency"],
                avg_monetary=row["avg_monetary"],
                monetary=row["total_monetary"],
            )
            for row in rows
        ),
    )


def _gather_columns(features: DataFrame) -> tuple[Column, ...]:
    """Count for each column of the features how many customers have nothing in it."""
    missing = features.agg(*(F.count_if(F.isnull(name)).alias(name) for name in features.columns))
    found = missing.collect()[0]
    return tuple(Column(name, kind, found[name]) for name, kind in features.dtypes)
