"""What a features row says of a customer: the columns, and those that follow from others."""

from __future__ import annotations

from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lake.contract import Contract
from lake.tables import FEATURES, TABLES

# Columns that name the winning snapshot.
IDENTITY = ["drop_id", "drop_time", "row_no"]
SOURCE = [*IDENTITY, "value_places"]
"""Which snapshots a row's values are from; they may be others where the values are the same."""
FILLED = (
    "order_num_total_ever_online",
    "order_num_total_ever_offline",
    "customer_value_total_ever_online",
    "customer_value_total_ever_offline",
)
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
    *FILLED,
    "interested_in_categories_12",
    "online_product_group",
    "offline_product_group",
]

_ORDERS = "(order_num_total_ever_online + order_num_total_ever_offline)"
_VALUE = """CAST(customer_value_total_ever_online + customer_value_total_ever_offline
    AS DECIMAL(18,2))"""
_BOTH = "(order_num_total_ever_online > 0 AND order_num_total_ever_offline > 0)"

DERIVED = {
    "platform_type_derived": "platform_type IS NULL",
    "platform_type": f"""coalesce(platform_type, CASE
        WHEN {_BOTH} THEN 'OmniChannel'
        WHEN order_num_total_ever_online > 0 THEN 'Online'
        WHEN order_num_total_ever_offline > 0 THEN 'Offline' END)""",
    "order_num_total": _ORDERS,
    "customer_value_total": _VALUE,
    # NULL where there is nothing to divide by. The quotient has 22 decimals, so rounding it half up
    # to cents is right.
    "avg_order_value": f"""CASE WHEN {_ORDERS} > 0
        THEN CAST(round({_VALUE} / {_ORDERS}, 2) AS DECIMAL(18,2)) END""",
    # Up to 90 trillion, cents are exact as doubles, and their quotient too.
    "online_value_share": f"""CASE WHEN {_VALUE} > 0
        THEN CAST(CAST(customer_value_total_ever_online * 100 AS BIGINT) AS DOUBLE)
            / CAST(CAST({_VALUE} * 100 AS BIGINT) AS DOUBLE) END""",
    "is_omnichannel": _BOTH,
}
"""The columns that follow from a row's others, by name, as SQL; `platform_type` from the one that a
drop gave, NULL where none did."""


def complete(rows: DataFrame, *further: str) -> DataFrame:
    """Add the derived columns and select the columns of ``customer_features`` and ``further``.

    Args:
        rows: ``master_id``, business and identity columns (numbers filled) and ``updated_at``;
            ``platform_type`` as given by a drop, NULL where none did.
    """
    names = [*TABLES[FEATURES].column_names, *further]
    return rows.selectExpr(*[f"{DERIVED.get(name, name)} AS {name}" for name in names])


def filled(name: str, value: str | None = None) -> str:
    """SQL: a value of a column; 0 where it is one of the "ever" numbers and missing."""
    return f"coalesce({value or name}, 0)" if name in FILLED else value or name


def split_columns(contract: Contract) -> tuple[list[str], list[str]]:
    """Separate the business columns that every drop has from those that one may lack."""
    optional = [name for name in BUSINESS if name in contract.optional]
    return [name for name in BUSINESS if name not in optional], optional


def differs(left: str, right: str, columns: list[str]) -> Column:
    """Tell whether two aliased rows differ in any of these columns (NULL equals NULL)."""
    unequal = [~F.col(f"{left}.{name}").eqNullSafe(F.col(f"{right}.{name}")) for name in columns]
    return reduce(Column.__or__, unequal)
