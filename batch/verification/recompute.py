"""What the features must be: the order rule alone, applied to every snapshot that counts."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lake.contract import Contract
from lake.tables import FEATURES, TABLES
from streaming.features import SOURCE, complete
from streaming.order import fold_snapshots, unpack


def compared_columns() -> list[str]:
    """List what the drops decide: all but ``updated_at``, which tells when it was written."""
    return [name for name in TABLES[FEATURES].column_names if name != "updated_at"]


def value_columns() -> list[str]:
    """List those of them that tell of the customer, and not of the drops that said it."""
    return [name for name in compared_columns() if name not in SOURCE]


def recompute_features(snapshots: DataFrame, ledger: DataFrame, contract: Contract) -> DataFrame:
    """Recompute the features from nothing; no shortcut of the stream's is used.

    A snapshot counts if its drop is ingested: the ledger row means "done".

    Args:
        snapshots: rows of ``customer_snapshots``.
        ledger: rows of ``drops``; ``drop_id`` and ``state`` are looked at.
        contract: the order rule's leading column and the optional columns.

    Returns:
        The columns of ``customer_features`` without ``updated_at``, one row per customer.
    """
    done = ledger.where(F.col("state") == "ingested").select("drop_id").distinct()
    counted = snapshots.join(F.broadcast(done), "drop_id", "left_semi")
    columns = [f"{value} AS {name}" for name, value in unpack(contract).items()]
    undated = "CAST(NULL AS TIMESTAMP) AS updated_at"
    folded = fold_snapshots(counted, contract).selectExpr("master_id", *columns, undated)
    return complete(folded).select(*compared_columns())
