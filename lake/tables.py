"""The Delta tables: names, columns, properties, and where they lie."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import cast

from pyspark.sql.types import StructType

from lake.settings import Settings

DATABASE = "flo"

FEATURES = "customer_features"
SNAPSHOTS = "customer_snapshots"
QUARANTINE = "quarantine"
LEDGER = "drops"
CHANNEL_KPIS = "channel_kpis"
PLATFORM_KPIS = "platform_kpis"
CHANNEL_PLATFORM_KPIS = "channel_platform_kpis"
KPI_HISTORY = "kpi_history"
KPI_VALUES = "kpi_values"
CUSTOMER_SEGMENTS = "customer_segments"

_CUSTOMER = """
    first_order_date DATE, last_order_date DATE,
    last_order_date_online DATE, last_order_date_offline DATE, last_order_at TIMESTAMP,
    order_num_total_ever_online BIGINT, order_num_total_ever_offline BIGINT,
    customer_value_total_ever_online DECIMAL(18,2), customer_value_total_ever_offline DECIMAL(18,2)
"""

PLACE = "STRUCT<leading TIMESTAMP, drop_time TIMESTAMP, drop_id STRING, row_no BIGINT>"
"""Where a snapshot stands in the order; ``leading`` is the contract's ``sequence_by``."""

VALUE_PLACES = f"ARRAY<STRUCT<column STRING, place {PLACE}>>"
"""Of an optional column whose value is not the winner's: which snapshot gave it, NULL for none."""

_KPIS = """
    total_customers BIGINT, total_orders BIGINT, avg_orders DOUBLE,
    total_revenue DECIMAL(38,2), avg_revenue DOUBLE,
    revenue_min DECIMAL(20,4), revenue_p25 DECIMAL(20,4), revenue_p50 DECIMAL(20,4),
    revenue_p75 DECIMAL(20,4), revenue_max DECIMAL(20,4),
    features_version BIGINT, computed_at TIMESTAMP
"""

# Deletion vectors turn an update into a mark and an insert instead of a rewritten file.
# Column statistics are kept only where they let a read skip files: master_id is spread evenly
# over all files, and a statistic would leave it in clear in the transaction log.
_NO_STATISTICS = {"delta.dataSkippingNumIndexedCols": "0"}
_BY_DROP = {"delta.dataSkippingStatsColumns": "drop_id"}
_DELETION_VECTORS = {"delta.enableDeletionVectors": "true"}
# What each commit changes, so that the KPIs need not read the whole table.
_CHANGE_FEED = {"delta.enableChangeDataFeed": "true"}
# Delta checkpoints a log every tenth commit by default, which takes five times as long as the
# commit: an append took 0.18 s on average, and 0.12 s with this. Opening a table reads the
# commits since then, a hundred small files at most.
_CHECKPOINTS = {"delta.checkpointInterval": "100"}
# For a table whose earlier versions nobody asks for.
_ONE_DAY = {
    "delta.logRetentionDuration": "interval 1 days",
    "delta.deletedFileRetentionDuration": "interval 1 days",
}

_FILLED = (
    "order_num_total_ever_online",
    "order_num_total_ever_offline",
    "customer_value_total_ever_online",
    "customer_value_total_ever_offline",
    "order_num_total",
    "customer_value_total",
)


@dataclass(frozen=True)
class Table:
    """One table's columns (as SQL), Delta properties and CHECK constraints."""

    name: str
    columns: str
    properties: dict[str, str] = field(default_factory=dict)
    constraints: dict[str, str] = field(default_factory=dict)

    # Kept, as each reading of the text is a call to Java, and every batch asks for the names.
    @cached_property
    def schema(self) -> StructType:
        """The columns as a Spark schema; only to be read."""
        return cast(StructType, StructType.fromDDL(self.columns))

    @property
    def column_names(self) -> list[str]:
        """Names of the columns, in order."""
        return self.schema.fieldNames()


TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        Table(
            FEATURES,
            f"""
            master_id STRING, order_channel STRING, platform_type STRING,
            last_order_channel STRING, store_type STRING, platform_type_derived BOOLEAN,
            {_CUSTOMER},
            order_num_total BIGINT, customer_value_total DECIMAL(18,2),
            avg_order_value DECIMAL(18,2), online_value_share DOUBLE, is_omnichannel BOOLEAN,
            interested_in_categories_12 ARRAY<STRING>,
            online_product_group STRING, offline_product_group STRING,
            drop_id STRING, drop_time TIMESTAMP, row_no BIGINT,
            value_places {VALUE_PLACES}, updated_at TIMESTAMP
            """,
            properties=_NO_STATISTICS | _DELETION_VECTORS | _CHANGE_FEED,
            constraints={
                "filled_and_never_negative": " AND ".join(
                    ["master_id IS NOT NULL"]
                    + [f"{name} IS NOT NULL AND {name} >= 0" for name in _FILLED]
                ),
            },
        ),
        Table(
            SNAPSHOTS,
            f"""
            master_id STRING, order_channel STRING, platform_type STRING,
            last_order_channel STRING, store_type STRING,
            {_CUSTOMER},
            interested_in_categories_12 ARRAY<STRING>,
            online_product_group STRING, offline_product_group STRING,
            drop_id STRING, drop_time TIMESTAMP, row_no BIGINT,
            present ARRAY<STRING>, warnings ARRAY<STRING>, rescued MAP<STRING,STRING>
            """,
            properties=_BY_DROP | _DELETION_VECTORS,
        ),
        Table(
            QUARANTINE,
            """
            drop_id STRING, path STRING, row_no BIGINT, raw STRING,
            reasons ARRAY<STRING>, quarantined_at TIMESTAMP
            """,
            properties=_BY_DROP | _DELETION_VECTORS,
        ),
        Table(
            LEDGER,
            """
            account_id STRING, drop_id STRING, path STRING, archived_path STRING,
            archived_sha256 STRING, bytes BIGINT, file_id BIGINT, modified_at TIMESTAMP,
            first_seen_at TIMESTAMP, drop_time TIMESTAMP,
            contract_digest STRING, decoder_version BIGINT,
            delimiter STRING, encoding STRING, date_format STRING, decimal_mark STRING,
            columns ARRAY<STRING>, notes ARRAY<STRING>,
            rows_read BIGINT, rows_accepted BIGINT, rows_quarantined BIGINT,
            rows_inserted BIGINT, rows_updated BIGINT, rows_unchanged BIGINT,
            rows_stale BIGINT, rows_superseded BIGINT, rows_forgotten BIGINT,
            rows_erased_accepted BIGINT, rows_erased_quarantined BIGINT,
            state STRING, reason STRING, superseded_by STRING, batch_id BIGINT,
            snapshots_version BIGINT, quarantine_version BIGINT, features_version BIGINT,
            started_at TIMESTAMP, finished_at TIMESTAMP
            """,
        ),
        Table(CHANNEL_KPIS, f"order_channel STRING, {_KPIS}"),
        Table(PLATFORM_KPIS, f"platform_type STRING, {_KPIS}"),
        Table(CHANNEL_PLATFORM_KPIS, f"order_channel STRING, platform_type STRING, {_KPIS}"),
        Table(
            KPI_HISTORY,
            f"kpi_table STRING, order_channel STRING, platform_type STRING, {_KPIS}",
        ),
    )
}

# Tables that hold nothing of their own: the job that needs one makes it, from the others. They are
# not among the tables that every lake has, and making them would only slow a first start down.
INTERNAL: dict[str, Table] = {
    KPI_VALUES: Table(
        KPI_VALUES,
        """
        level STRING, order_channel STRING, platform_type STRING, band BIGINT, cents BIGINT,
        customers BIGINT, orders BIGINT, beyond DECIMAL(38,0), features_version BIGINT
        """,
        properties={"delta.dataSkippingStatsColumns": "features_version"} | _ONE_DAY,
    ),
}

# Tables for everybody that a command of their own makes: with all others they would slow a first
# start down by 1.4 s each.
ON_DEMAND: dict[str, Table] = {
    CUSTOMER_SEGMENTS: Table(
        CUSTOMER_SEGMENTS,
        """
        master_id STRING, recency INT, frequency BIGINT, monetary DECIMAL(18,2),
        recency_score INT, frequency_score INT, monetary_score INT,
        rf_score STRING, segment STRING
        """,
        properties=_NO_STATISTICS,
    ),
}


def table_path(settings: Settings, name: str) -> str:
    """Where a table lies, as a path for Delta."""
    return settings.path("tables", name)


def properties_of(table: Table, settings: Settings) -> dict[str, str]:
    """Delta's properties of a table; its own retention, if it has one, wins."""
    return _CHECKPOINTS | retention(settings) | table.properties


def retention(settings: Settings) -> dict[str, str]:
    """How long a table keeps commits, and files that were replaced.

    Time travel and the change feed need both. By default Delta keeps the former for 30 days and
    the latter for 7, and refuses to go back further than the shorter of the two.
    """
    kept = f"interval {settings.keep_days} days"
    return {"delta.logRetentionDuration": kept, "delta.deletedFileRetentionDuration": kept}
