"""The appends of one batch: snapshots and quarantine, each in one commit that names its drops."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from checkpoints.ledger import LedgerRow, carrying, to_metadata
from lake.conflicts import retry_conflicts
from lake.settings import Settings
from lake.tables import QUARANTINE, SNAPSHOTS, open_table, table_path, table_version
from streaming.rows import Judgement


def write_snapshots(
    spark: SparkSession, settings: Settings, judged: Judgement, rows: Sequence[LedgerRow]
) -> int | None:
    """Append the accepted rows; return the table's version, or None where there are none."""
    if not any(row.rows_accepted for row in rows):
        return None
    return _append(spark, settings, SNAPSHOTS, judged.accepted, rows)


def write_quarantine(
    spark: SparkSession,
    settings: Settings,
    judged: Judgement,
    rows: Sequence[LedgerRow],
    retried: Sequence[str],
) -> int | None:
    """Append the refused rows; return the table's version, or None where there are none.

    ``retried`` are drops that an earlier, rejected try left rows of: those are taken out first.
    """
    if retried:
        table = open_table(spark, settings, QUARANTINE)
        again = F.col("drop_id").isin(list(retried))
        # It names them, too: until they are back, they are in the hand of this batch.
        with carrying(spark, to_metadata(rows)):
            retry_conflicts(lambda: table.delete(again), QUARANTINE)
    if not any(row.rows_quarantined for row in rows):
        return None
    return _append(spark, settings, QUARANTINE, judged.quarantined, rows)


def _append(
    spark: SparkSession,
    settings: Settings,
    table: str,
    frame: DataFrame,
    rows: Sequence[LedgerRow],
) -> int:
    writer = frame.coalesce(2).write.format("delta").mode("append")
    writer.option("userMetadata", to_metadata(rows)).save(table_path(settings, table))
    return table_version(spark, settings, table)
