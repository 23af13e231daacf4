"""The KPIs: exact sums, averages and quartiles per channel, per platform, and per both."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

NUMBERS = (
    "total_customers",
    "total_orders",
    "avg_orders",
    "total_revenue",
    "avg_revenue",
    "revenue_min",
    "revenue_p25",
    "revenue_p50",
    "revenue_p75",
    "revenue_max",
)

_QUARTERS = {"revenue_p25": 1, "revenue_p50": 2, "revenue_p75": 3}


def channel_kpis(features: DataFrame) -> DataFrame:
    """Compute the KPIs per `order_channel`; see `kpis_by`."""
    return kpis_by(features, "order_channel").select("order_channel", *NUMBERS)


def platform_kpis(features: DataFrame) -> DataFrame:
    """Compute the KPIs per `platform_type`; see `kpis_by`."""
    return kpis_by(features, "platform_type").select("platform_type", *NUMBERS)


def channel_platform_kpis(features: DataFrame) -> DataFrame:
    """Compute the KPIs per pair of `order_channel` and `platform_type`; see `kpis_by`."""
    keys = ("order_channel", "platform_type")
    return kpis_by(features, *keys).select(*keys, *NUMBERS)


def kpis_by(features: DataFrame, *keys: str) -> DataFrame:
    """Compute the KPIs per group of customers.

    - Orders are `order_num_total`, revenue is `customer_value_total`, a group of missing
      values is a group.
    - Sums are exact; an average is the exact sum divided by the count, once. The division is
      correctly rounded up to 2^53 cents (90 trillion), and off by one unit in the last place
      at most above.
    - The quartile q is the value at position q * (n - 1) of the n sorted ones, interpolated
      linearly. The values have two decimals and the weights are quarters, so that four
      decimals hold it exactly.

    Customers with the same revenue are first counted together: what has to be sorted is the
    distinct amounts, however many customers there are.

    Example:
        >>> kpis_by(features, "store_type").orderBy("store_type").show()
    """
    summary = (
        features.transform(_count_amounts, *keys)
        .transform(_rank_amounts, *keys)
        .groupBy(*keys)
        .agg(
            F.sum("same").alias("total_customers"),
            F.sum("orders").alias("total_orders"),
            F.sum("worth").cast("decimal(38,2)").alias("total_revenue"),
            F.min("amount").alias("lowest"),
            F.max("amount").alias("highest"),
            *(
                _amount_at(_position(part, upper=upper)).alias(f"{name}_{side}")
                for name, part in _QUARTERS.items()
                for side, upper in (("below", False), ("above", True))
            ),
        )
    )
    customers = F.col("total_customers")
    cents = (F.col("total_revenue") * 100).cast("decimal(38,0)")
    return summary.select(
        *keys,
        "total_customers",
        "total_orders",
        (F.col("total_orders").cast("double") / customers.cast("double")).alias("avg_orders"),
        "total_revenue",
        (cents.cast("double") / (customers * 100).cast("double")).alias("avg_revenue"),
        F.col("lowest").cast("decimal(20,4)").alias("revenue_min"),
        *(_interpolate(name, part).alias(name) for name, part in _QUARTERS.items()),
        F.col("highest").cast("decimal(20,4)").alias("revenue_max"),
    )


def _count_amounts(features: DataFrame, *keys: str) -> DataFrame:
    amount = F.col("customer_value_total").cast("decimal(18,2)").alias("amount")
    return (
        features.select(*keys, amount, "order_num_total")
        .groupBy(*keys, "amount")
        .agg(
            F.count(F.lit(1)).alias("same"),
            F.sum("order_num_total").alias("orders"),
            F.sum("amount").alias("worth"),
        )
        .select(*keys, "amount", "same", "orders", "worth")
    )


def _rank_amounts(amounts: DataFrame, *keys: str) -> DataFrame:
    """Add the group's size, and the positions (from 0) that each amount takes in it."""
    group = Window.partitionBy(*keys)
    so_far = group.orderBy("amount").rowsBetween(Window.unboundedPreceding, Window.currentRow)
    beyond = F.sum("same").over(so_far)
    return amounts.select(
        *keys,
        "amount",
        "same",
        "orders",
        "worth",
        F.sum("same").over(group).alias("size"),
        (beyond - F.col("same")).alias("first"),
        beyond.alias("beyond"),
    )


def _position(part: int, *, upper: bool) -> Column:
    """Give the position just below a quarter, or the one just above (the same, if exact)."""
    up = 3 if upper else 0
    return F.expr(f"({part} * (size - 1) + {up}) div 4")


def _amount_at(position: Column) -> Column:
    here = (F.col("first") <= position) & (position < F.col("beyond"))
    return F.max(F.when(here, F.col("amount")))


def _interpolate(name: str, part: int) -> Column:
    below, above = F.col(f"{name}_below"), F.col(f"{name}_above")
    weight = (F.lit(part) * (F.col("total_customers") - 1) % 4).cast("decimal(1,0)")
    step = (above - below) * weight * F.lit("0.25").cast("decimal(2,2)")
    return (below + step).cast("decimal(20,4)")
