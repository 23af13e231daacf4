"""One number per table that says whether two engines hold the same rows.

A row becomes a line of text (see :data:`COLUMNS`), the line a hash, and the table the exact sum
of all hashes, which does not depend on the order of rows. Counts and sums stand beside it, so
that a difference says something.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

COLUMNS = (
    "master_id",
    "order_channel",
    "platform_type",
    "last_order_channel",
    "store_type",
    "first_day",
    "last_day",
    "online_day",
    "offline_day",
    "last_at",
    "orders_online",
    "orders_offline",
    "cents_offline",
    "cents_online",
    "categories",
    "online_group",
    "offline_group",
)
"""A line's parts: days since 1970 in Istanbul, seconds since 1970, whole cents; missing is \\N."""

NULL = "\\N"
_TEXTS = ("order_channel", "platform_type", "last_order_channel", "store_type")
_DAYS = {
    "first_day": "first_order_date",
    "last_day": "last_order_date",
    "online_day": "last_order_date_online",
    "offline_day": "last_order_date_offline",
}
_COUNTS = {
    "orders_online": "order_num_total_ever_online",
    "orders_offline": "order_num_total_ever_offline",
}
_CENTS = {
    "cents_offline": "customer_value_total_ever_offline",
    "cents_online": "customer_value_total_ever_online",
}


@dataclass(frozen=True)
class Digest:
    """What a table holds: rows, sums of orders and cents, sum of the rows' hashes (60 bits)."""

    rows: int
    orders: int
    cents: int
    hashes: int

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Digest:
        """Read what an engine answered; an empty table has sums of zero."""
        return cls(*(int(values[name] or 0) for name in ("rows", "orders", "cents", "hashes")))


def spark_query(table: str, *, ours: bool = False) -> str:
    """Ask Spark for a table's digest; the session's time zone must be UTC.

    Args:
        table: what stands after FROM.
        ours: the columns are those of ``customer_features``; else those of a V7 file, where
            dates are timestamps and counts are doubles.
    """
    zoned = "to_date(from_utc_timestamp({0}, 'Europe/Istanbul'))"
    day = "datediff({0}, DATE'1970-01-01')" if ours else f"datediff({zoned}, DATE'1970-01-01')"
    group, at = ("{0}_product_group", "last_order_at") if ours else ("", "last_order_date")
    listed = "'[' || array_join(interested_in_categories_12, ', ') || ']'"
    parts = {
        "master_id": "master_id",
        **{name: name for name in _TEXTS},
        **{name: day.format(column) for name, column in _DAYS.items()},
        "last_at": f"unix_seconds({at})",
        **_numbers(),
        "categories": listed if ours else "interested_in_categories_12",
        "online_group": group.format("online") or "online_product_group_amount_top_name_12",
        "offline_group": group.format("offline") or "offline_product_group_name_12",
    }
    # In a Spark string a backslash is written twice.
    texts = _texts(parts, NULL.replace("\\", "\\\\"), "STRING")
    hashed = "cast(conv(substring(md5(line), 1, 15), 16, 10) AS decimal(20,0))"
    return _query(parts, f"concat_ws('|', {texts})", hashed, table)


def duckdb_query(table: str) -> str:
    """Ask DuckDB for the digest of a table with the columns of a V7 file."""
    day = "(({0} AT TIME ZONE 'Europe/Istanbul')::DATE - DATE '1970-01-01')"
    parts = {
        "master_id": "master_id",
        **{name: name for name in _TEXTS},
        **{name: day.format(column) for name, column in _DAYS.items()},
        "last_at": "epoch_us(last_order_date) // 1000000",
        **_numbers(),
        "categories": "interested_in_categories_12",
        "online_group": "online_product_group_amount_top_name_12",
        "offline_group": "offline_product_group_name_12",
    }
    texts = _texts(parts, NULL, "VARCHAR")
    hashed = "('0x' || substr(md5(line), 1, 15))::BIGINT::HUGEINT"
    return _query(parts, f"concat_ws('|', {texts})", hashed, table)


def _numbers() -> dict[str, str]:
    counts = {name: f"coalesce(cast({each} AS bigint), 0)" for name, each in _COUNTS.items()}
    money = "coalesce(cast(round({0} * 100) AS bigint), 0)"
    return counts | {name: money.format(each) for name, each in _CENTS.items()}


def _texts(parts: Mapping[str, str], missing: str, text: str) -> str:
    return ", ".join(f"coalesce(cast({parts[name]} AS {text}), '{missing}')" for name in COLUMNS)


def _query(parts: Mapping[str, str], line: str, hashed: str, table: str) -> str:
    orders = " + ".join(parts[name] for name in _COUNTS)
    cents = " + ".join(parts[name] for name in _CENTS)
    inner = f"SELECT {orders} AS orders, {cents} AS cents, {line} AS line FROM {table}"  # noqa: S608
    return (
        "SELECT count(*) AS rows, sum(orders) AS orders, sum(cents) AS cents, "  # noqa: S608
        f"sum({hashed}) AS hashes FROM ({inner}) AS lines"
    )
