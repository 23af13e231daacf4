"""The order rule: from snapshots to one row per customer (see ``steps`` for one batch of them).

A customer's row is the snapshot with the greatest ``(sequence_by, drop_time, drop_id, row_no)``;
a column that a snapshot's drop lacked comes from the greatest one whose drop had it.
"""

from __future__ import annotations

from functools import lru_cache, reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lake.contract import Contract
from lake.tables import FEATURES, TABLES, VALUE_PLACES

# Columns that name the winning snapshot.
IDENTITY = ["drop_id", "drop_time", "row_no"]
SOURCE = [*IDENTITY, "value_places"]
"""Which snapshots a row's values are from; they may be others where the values are the same."""
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


def place_of(contract: Contract) -> Column:
    """The place of a snapshot in the order, as a comparable struct."""
    leading = F.col(contract.sequence_by).cast("timestamp")
    return F.struct(leading.alias("leading"), "drop_time", "drop_id", "row_no")


def fold_snapshots(snapshots: DataFrame, contract: Contract, *keys: str) -> DataFrame:
    """Apply the order rule to snapshots, from nothing.

    Args:
        snapshots: rows of ``customer_snapshots``.
        contract: ``sequence_by`` and which columns a drop may lack.
        keys: beside ``master_id``, what the snapshots of a row have in common.

    Returns:
        A row for each customer (and key): the keys, ``winner``, ``_<column>`` for each optional
        column (see :func:`placed_columns`), and how many ``rows`` it is made of. See
        :func:`unpack` for the customer's columns.
    """
    placed = snapshots.select("master_id", *keys, *placed_columns(contract))
    return placed.groupBy("master_id", *keys).agg(
        *[F.max(name).alias(name) for name in placed_names(contract)],
        F.count(F.lit(1)).alias("rows"),
    )


def placed_names(contract: Contract) -> list[str]:
    """Names of the :func:`placed_columns`; of each a customer's greatest one counts."""
    return ["winner", *[f"_{name}" for name in split_columns(contract)[1]]]


@lru_cache(maxsize=4)
def placed_columns(contract: Contract) -> list[Column]:
    """The columns of a snapshot, each with the snapshot's place, so that the greatest one wins.

    ``winner`` is a struct of the ``place`` and the columns that every drop has, missing numbers as
    0; ``_<column>`` one of ``place`` and ``value``, NULL where the drop lacked the column.
    """
    always, optional = split_columns(contract)
    place = place_of(contract).alias("place")
    value = {name: fill(name, F.col(name)) for name in BUSINESS}
    given = {name: F.array_contains("present", F.lit(name)) for name in optional}
    each = {name: F.struct(place, value[name].alias("value")) for name in optional}
    return [
        F.struct(place, *[value[name].alias(name) for name in always]).alias("winner"),
        *[F.when(given[name], each[name]).alias(f"_{name}") for name in optional],
    ]


@lru_cache(maxsize=4)
def stored_columns(contract: Contract) -> list[Column]:
    """The same of a row of ``customer_features``: what it was made of, by its ``value_places``."""
    always, optional = split_columns(contract)
    place = place_of(contract)
    told = {name: F.col(name) for name in BUSINESS}
    told["platform_type"] = F.expr("CASE WHEN NOT platform_type_derived THEN platform_type END")
    winner = [told[name].alias(name) for name in always]
    columns = [F.struct(place.alias("place"), *winner).alias("winner")]
    for name in optional:
        other = F.array_contains("value_places.column", F.lit(name))
        nth = F.array_position("value_places.column", name).cast("int") - 1
        own = F.when(other, F.get("value_places.place", nth)).otherwise(place)
        value = F.struct(own.alias("place"), told[name].alias("value"))
        columns.append(F.when(own.isNotNull(), value).alias(f"_{name}"))
    return columns


def unpack(contract: Contract, prefix: str = "") -> list[Column]:
    """A customer's columns, out of the ``winner`` and each optional column's own one.

    The names of these may have a prefix.
    """
    always, optional = split_columns(contract)
    return [
        *[F.col(f"{prefix}winner.{name}").alias(name) for name in always],
        *[fill(name, F.col(f"{prefix}_{name}.value")).alias(name) for name in optional],
        *[F.col(f"{prefix}winner.place.{name}").alias(name) for name in IDENTITY],
        _value_places(optional, prefix).alias("value_places"),
    ]


def _value_places(optional: list[str], prefix: str) -> Column:
    """Name the optional columns that the winner did not give, each with the place that did."""
    winner = F.col(f"{prefix}winner.place")
    places = {name: F.col(f"{prefix}_{name}.place") for name in sorted(optional)}
    winners = {name: place.eqNullSafe(winner) for name, place in places.items()}
    entries = [
        F.when(~won, F.struct(F.lit(name).alias("column"), places[name].alias("place")))
        for name, won in winners.items()
    ]
    all_won = reduce(Column.__and__, winners.values(), F.lit(True))
    # A filter would say the same, but Spark compiles no code for it, nor for what is in it.
    others = F.array_except(F.array(*entries), F.array(F.lit(None)))
    return F.when(~all_won, others.cast(VALUE_PLACES))


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


def filled() -> dict[str, Column]:
    """The four "ever" numbers, 0 where they are missing, by name."""
    return {name: fill(name, F.col(name)) for name in FILLED}


def fill(name: str, value: Column) -> Column:
    """A value of a column; 0 where it is one of the "ever" numbers and missing."""
    if name in _COUNTS:
        return F.coalesce(value, F.lit(0).cast("bigint"))
    if name in _VALUES:
        return F.coalesce(value, F.lit(0).cast("decimal(18,2)"))
    return value


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
