"""Whether the ledger's sums are what the tables have, drop by drop."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from batch.verification.differences import find
from batch.verification.repeats import ACCOUNT_KEY, ROW_KEY, find_repeats
from checkpoints.consistent_view import ConsistentView, leave_out
from lake.tables import FEATURES, LEDGER, QUARANTINE, SNAPSHOTS
from streaming.upsert import OUTCOMES

CHECK = "ledger"
UNKNOWN = "row of a drop that the ledger lacks"

_OUTCOMES = [f"rows_{name}" for name in OUTCOMES]
_INGESTED = "state = 'ingested'"


def check_ledger(view: ConsistentView) -> list[DataFrame]:
    """Compare the ledger with itself and with the tables.

    Returns:
        Findings; each counts the rows by which two sums differ.
    """
    return [
        check_accounts(view.ledger),
        check_repeats(view.ledger, LEDGER, "account repeated", *ACCOUNT_KEY),
        check_repeats(view.snapshots, SNAPSHOTS, "row repeated", *ROW_KEY),
        check_repeats(view.quarantine, QUARANTINE, "row repeated", *ROW_KEY),
        check_snapshots(view.ledger, view.snapshots),
        check_quarantine(
            leave_out(view.ledger, view.unrecorded.begun[QUARANTINE]), view.quarantine
        ),
        check_customers(view.ledger, view.features),
    ]


def check_accounts(ledger: DataFrame) -> DataFrame:
    """Each account adds up.

    ``rows_read`` is accepted and quarantined rows together, 0 for a duplicate; ``rows_accepted``
    is the sum of what became of them, 0 for a drop that is not ingested.
    """
    read = F.col("rows_accepted") + F.col("rows_quarantined")
    accepted = sum((F.col(name) for name in _OUTCOMES[1:]), start=F.col(_OUTCOMES[0]))
    expected = {
        "rows_read": F.when(F.col("state") == "duplicate", 0).otherwise(read),
        "rows_accepted": F.when(F.expr(_INGESTED), accepted).otherwise(0),
    }
    return _find_off(ledger, LEDGER, {n: (F.col(n), value) for n, value in expected.items()})


def check_repeats(rows: DataFrame, table: str, what: str, *key: str) -> DataFrame:
    """One file has one account, and one row of a drop is in a table once."""
    return find(find_repeats(rows, *key), CHECK, table, F.lit(what), F.col("n"))


def check_snapshots(ledger: DataFrame, snapshots: DataFrame) -> DataFrame:
    """An ingested drop has as many snapshots as rows were accepted, any other has none.

    A customer's further rows in one drop are the superseded ones. No drop is ingested twice.
    """
    told = ledger.groupBy("drop_id").agg(
        F.sum(F.when(F.expr(_INGESTED), F.col("rows_accepted")).otherwise(0)).alias(
            "rows_accepted"
        ),
        F.sum(F.when(F.expr(_INGESTED), F.col("rows_superseded")).otherwise(0)).alias(
            "rows_superseded"
        ),
        F.greatest(F.count_if(F.expr(_INGESTED)), F.lit(1)).alias("drop ingested again"),
    )
    found = snapshots.groupBy("drop_id").agg(
        F.count(F.lit(1)).alias("n"),
        (F.count(F.lit(1)) - F.count_distinct("master_id")).alias("repeated"),
    )
    expected = {
        "rows_accepted": F.coalesce("n", F.lit(0)),
        "rows_superseded": F.coalesce("repeated", F.lit(0)),
        "drop ingested again": F.lit(1),
    }
    return _check_table(told, found, SNAPSHOTS, expected)


def check_quarantine(ledger: DataFrame, quarantine: DataFrame) -> DataFrame:
    """A drop has as many rows in quarantine as its newest account says.

    Bytes that were rejected and are tried again replace their rows; a try that ends before a
    row is read, as a duplicate's does, leaves them as they are.
    """
    read_at = F.when(F.col("rows_read") > 0, F.col("finished_at"))
    newest = F.coalesce(F.max_by("rows_quarantined", read_at), F.lit(0))
    told = ledger.groupBy("drop_id").agg(newest.alias("rows_quarantined"))
    found = quarantine.groupBy("drop_id").agg(F.count(F.lit(1)).alias("n"))
    return _check_table(told, found, QUARANTINE, {"rows_quarantined": F.coalesce("n", F.lit(0))})


def check_customers(ledger: DataFrame, features: DataFrame) -> DataFrame:
    """Every customer was inserted once."""
    told = ledger.where(_INGESTED).agg(
        F.coalesce(F.sum("rows_inserted"), F.lit(0)).alias("rows_inserted"),
        F.lit(None).cast("string").alias("drop_id"),
    )
    both = told.crossJoin(features.agg(F.count(F.lit(1)).alias("n")))
    return _find_off(both, FEATURES, {"rows_inserted": (F.col("rows_inserted"), F.col("n"))})


def _check_table(
    told: DataFrame, found: DataFrame, table: str, expected: dict[str, Column]
) -> DataFrame:
    """Compare what the ledger tells of each drop with what is found; both have a ``drop_id``."""
    both = told.withColumn("known", F.lit(True)).join(found, "drop_id", "full_outer")
    off = _find_off(
        both.where("known"), table, {n: (F.col(n), value) for n, value in expected.items()}
    )
    return off.unionByName(
        find(both.where("known IS NULL"), CHECK, table, F.lit(UNKNOWN), F.col("n"))
    )


def _find_off(frame: DataFrame, table: str, pairs: dict[str, tuple[Column, Column]]) -> DataFrame:
    """Find the sums (told, expected) that differ, each with by how many rows."""
    sums = [
        F.struct(
            F.lit(name).alias("what"),
            F.coalesce(F.abs(told - expected), F.lit(1)).cast("bigint").alias("off"),
        )
        for name, (told, expected) in pairs.items()
    ]
    each = frame.select("drop_id", F.explode(F.array(*sums)).alias("sum")).where("sum.off <> 0")
    return find(each, CHECK, table, F.col("sum.what"), F.col("sum.off"))
