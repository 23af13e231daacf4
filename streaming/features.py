"""The order rule: from snapshots to one row per customer (see ``steps`` for one batch of them).

A customer's row is the snapshot with the greatest ``(sequence_by, drop_time, drop_id, row_no)``;
a column that a snapshot's drop lacked comes from the greatest one whose drop had it.
"""

from __future__ import annotations

from functools import lru_cache, reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lake.contract import Contract
from lake.tables import FEATURES, TABLES

# Columns that name the winning snapshot; they differ where the values may still be the same.
IDENTITY = ["drop_id", "drop_time", "row_no"]
_SEQUENCE_TAIL = ["drop_time", "drop_id", "row_no"]
_COUNTS = ["order_num_total_ever_online", "order_num_total_ever_offline"]
_VALUES = ["customer_value_total_ever_online", "customer_value_total_ever_offline"]
FILLED = (*_COUNTS, *_VALUES)
"""The four "ever" numbers, which are 0 in the features where they are missing."""
BUSINESS = [
    "order_channel",
    "platform_type",
    "last_order_channel",
    "store_type",
    "first_order_date",
    "last_order_date",
    "last_order_date_online",
    "last_order_date_offline",
    "last_order_at",
    *_COUNTS,
    *_VALUES,
    "interested_in_categories_12",
    "online_product_group",
    "offline_product_group",
]


def sequence(contract: Contract) -> Column:
    """The place of a snapshot in the order, as a comparable struct."""
    return F.struct(F.col(contract.sequence_by).alias("leading"), *_SEQUENCE_TAIL)


def fold_snapshots(snapshots: DataFrame, contract: Contract) -> DataFrame:
    """Apply the order rule to all snapshots of each customer, from nothing.

    Args:
        snapshots: rows of ``customer_snapshots``.
        contract: ``sequence_by`` and which columns may be absent.

    Returns:
        The business and identity columns, one row per ``master_id``, missing numbers as 0;
        see :func:`complete` for the rest of ``customer_features``.
    """
    always, optional = split_columns(contract)
    place = sequence(contract)
    folded = snapshots.groupBy("master_id").agg(
        F.max(F.struct(place.alias("place"), *always, *IDENTITY)).alias("winner"),
        *[F.max(if_present(name, place)).alias(f"_{name}") for name in optional],
    )
    return folded.select("master_id", *unpack(always, optional)).transform(fill_numbers)


def complete(rows: DataFrame, *further: str) -> DataFrame:
    """Add the derived columns and select the columns of ``customer_features`` and ``further``.

    Args:
        rows: ``master_id``, business and identity columns (numbers filled) and ``updated_at``;
            ``platform_type`` as given by a drop, NULL where none did.
    """
    return rows.withColumns(derived()).select(*TABLES[FEATURES].column_names, *further)


@lru_cache(maxsize=1)
def derived() -> dict[str, Column]:
    """The columns of the features that follow from a row's others, by name; see `complete`."""
    online, offline = (F.col(name) for name in _COUNTS)
    value_online, value_offline = (F.col(name) for name in _VALUES)
    orders, value = online + offline, (value_online + value_offline).cast("decimal(18,2)")
    by_rule = (
        F.when((online > 0) & (offline > 0), "OmniChannel")
        .when(online > 0, "Online")
        .when(offline > 0, "Offline")
    )
    # NULL where there is nothing to divide by. The quotient has 22 decimals, so rounding it half
    # up to cents is right; up to 90 trillion, cents are exact as doubles and their quotient too.
    average = F.when(orders > 0, value / orders)
    share = F.when(value > 0, _in_cents(value_online) / _in_cents(value))
    return {
        "platform_type_derived": F.col("platform_type").isNull(),
        "platform_type": F.coalesce("platform_type", by_rule),
        "order_num_total": orders,
        "customer_value_total": value,
        "avg_order_value": F.round(average, 2).cast("decimal(18,2)"),
        "online_value_share": share,
        "is_omnichannel": (online > 0) & (offline > 0),
    }


def fill_numbers(rows: DataFrame) -> DataFrame:
    """Fill the four "ever" numbers with 0 where they are missing."""
    return rows.withColumns(filled())


def filled() -> dict[str, Column]:
    """The four "ever" numbers, 0 where they are missing, by name."""
    zero = {name: F.coalesce(name, F.lit(0).cast("bigint")) for name in _COUNTS}
    none = {name: F.coalesce(name, F.lit(0).cast("decimal(18,2)")) for name in _VALUES}
    return zero | none


def _in_cents(money: Column) -> Column:
    return (money * 100).cast("bigint").cast("double")


def differs(left: str, right: str, columns: list[str]) -> Column:
    """Tell whether two aliased rows differ in any of these columns (NULL equals NULL)."""
    unequal = [~F.col(f"{left}.{name}").eqNullSafe(F.col(f"{right}.{name}")) for name in columns]
    return reduce(Column.__or__, unequal)


def split_columns(contract: Contract) -> tuple[list[str], list[str]]:
    """Separate the business columns that every drop has from those that one may lack."""
    optional = [name for name in BUSINESS if name in contract.optional]
    return [name for name in BUSINESS if name not in optional], optional


def if_present(name: str, place: Column) -> Column:
    """A column's ``place`` and ``value`` as a struct; NULL where the row's drop lacked it."""
    here = ~F.array_contains("absent", F.lit(name))
    return F.when(here, F.struct(place.alias("place"), F.col(name).alias("value")))


def unpack(always: list[str], optional: list[str]) -> list[Column]:
    """A customer's columns, out of the ``winner`` and each optional column's own one."""
    return [
        *[F.col(f"winner.{name}").alias(name) for name in always],
        *[F.col(f"_{name}.value").alias(name) for name in optional],
        *[F.col(f"winner.{name}").alias(name) for name in IDENTITY],
    ]
