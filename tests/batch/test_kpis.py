"""The KPIs against a plain recomputation in fractions."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession

from batch.kpis import channel_kpis, channel_platform_kpis, platform_kpis

pytestmark = pytest.mark.spark

SCHEMA = (
    "order_channel STRING, platform_type STRING, "
    "order_num_total BIGINT, customer_value_total DECIMAL(18,2)"
)
CHANNEL, PLATFORM = 0, 1
Row = tuple[Any, ...]
Numbers = dict[str, Any]

amounts = st.integers(0, 10**18 - 1) | st.integers(0, 400)
customers = st.tuples(
    st.sampled_from(["Offline", "Mobile", "Ios App", "web", "", None]),
    st.sampled_from(["Offline", "Online", None]),
    st.integers(0, 10**12) | st.integers(0, 5),
    amounts.map(lambda cents: Decimal(cents).scaleb(-2)),
)


def frame(spark: SparkSession, rows: list[Row]) -> DataFrame:
    """Make features of the columns that the KPIs read."""
    return spark.createDataFrame(rows, SCHEMA)


def answers(kpis: DataFrame, *keys: str) -> dict[Row, Numbers]:
    """Map each group to its numbers; a group that appears twice is an error."""
    found: dict[Row, Numbers] = {}
    for row in kpis.collect():
        numbers = row.asDict()
        group = tuple(numbers.pop(key) for key in keys)
        assert group not in found
        found[group] = numbers
    return found


def oracle(rows: list[Row], *positions: int) -> dict[Row, Numbers]:
    """Recompute the KPIs of each group, without Spark and without rounding."""
    groups: dict[Row, list[Row]] = defaultdict(list)
    for row in rows:
        groups[tuple(row[position] for position in positions)].append(row)
    return {group: _numbers(members) for group, members in groups.items()}


def _numbers(members: list[Row]) -> Numbers:
    size = len(members)
    orders = sum(row[2] for row in members)
    values = sorted(Fraction(row[3]) for row in members)
    return {
        "total_customers": size,
        "total_orders": orders,
        "avg_orders": float(Fraction(orders, size)),
        "total_revenue": _decimal(sum(values), 2),
        "avg_revenue": float(sum(values) / size),
        "revenue_min": _decimal(values[0], 4),
        "revenue_p25": _decimal(_quantile(values, Fraction(1, 4)), 4),
        "revenue_p50": _decimal(_quantile(values, Fraction(1, 2)), 4),
        "revenue_p75": _decimal(_quantile(values, Fraction(3, 4)), 4),
        "revenue_max": _decimal(values[-1], 4),
    }


def _quantile(values: list[Fraction], share: Fraction) -> Fraction:
    position = share * (len(values) - 1)
    below = int(position)
    above = min(below + 1, len(values) - 1)
    return values[below] + (values[above] - values[below]) * (position - below)


def _decimal(value: Fraction | int, scale: int) -> Decimal:
    scaled = Fraction(value) * 10**scale
    assert scaled.denominator == 1, "the value has to fit its column exactly"
    return Decimal(f"{scaled.numerator}e-{scale}")


def same(found: dict[Row, Numbers], expected: dict[Row, Numbers]) -> None:
    """Compare exactly; averages of more than 2^53 cents may differ in the last place."""
    assert found.keys() == expected.keys()
    for group, numbers in expected.items():
        small = numbers["total_revenue"] * 100 <= 2**53
        for name, value in numbers.items():
            if name == "avg_revenue" and not small:
                assert found[group][name] == pytest.approx(value, rel=4e-16, abs=0)
            else:
                assert found[group][name] == value, (group, name)


@settings(
    max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=st.lists(customers, max_size=60))
def test_every_number_equals_a_recomputation_in_fractions(
    spark: SparkSession, rows: list[Row]
) -> None:
    """Every KPI of every group, missing values included, is exact."""
    features = frame(spark, rows)

    found = answers(channel_platform_kpis(features), "order_channel", "platform_type")

    same(found, oracle(rows, CHANNEL, PLATFORM))


def test_channels_and_platforms_are_grouped_each_for_itself(spark: SparkSession) -> None:
    """The table of one dimension knows nothing of the other."""
    rows: list[Row] = [
        ("Offline", "Offline", 1, Decimal("10.01")),
        ("Offline", "OmniChannel", 2, Decimal("20.02")),
        ("Mobile", "OmniChannel", 3, Decimal("0.07")),
        (None, "OmniChannel", 0, Decimal("0.00")),
    ]
    features = frame(spark, rows)

    by_channel = answers(channel_kpis(features), "order_channel")
    by_platform = answers(platform_kpis(features), "platform_type")

    same(by_channel, oracle(rows, CHANNEL))
    same(by_platform, oracle(rows, PLATFORM))


def test_quartiles_are_interpolated_exactly(spark: SparkSession) -> None:
    """A quartile between two amounts keeps its four decimals, however large they are."""
    rows: list[Row] = [
        ("Mobile", "Online", 1, Decimal("9999999999999999.98")),
        ("Mobile", "Online", 1, Decimal("9999999999999999.99")),
    ]

    found = answers(channel_kpis(frame(spark, rows)), "order_channel")[("Mobile",)]

    assert found["revenue_p25"] == Decimal("9999999999999999.9825")
    assert found["revenue_p50"] == Decimal("9999999999999999.9850")
    assert found["revenue_p75"] == Decimal("9999999999999999.9875")


def test_sums_do_not_depend_on_the_partitions(spark: SparkSession) -> None:
    """The same customers on one partition or on seven have the same KPIs to the last bit."""
    rows: list[Row] = [
        ("Mobile", "Online", n % 3, Decimal(n * 7919 % 100_000).scaleb(-2)) for n in range(500)
    ]
    features = frame(spark, rows)

    one = answers(channel_kpis(features.coalesce(1)), "order_channel")
    seven = answers(channel_kpis(features.repartition(7)), "order_channel")

    assert one == seven == oracle(rows, CHANNEL)


def test_columns_have_the_types_that_the_tables_promise(spark: SparkSession) -> None:
    """Sums are BIGINT and DECIMAL, averages DOUBLE, quartiles DECIMAL(20,4)."""
    kpis = channel_platform_kpis(frame(spark, []))

    assert dict(kpis.dtypes) == {
        "order_channel": "string",
        "platform_type": "string",
        "total_customers": "bigint",
        "total_orders": "bigint",
        "avg_orders": "double",
        "total_revenue": "decimal(38,2)",
        "avg_revenue": "double",
        **{f"revenue_{name}": "decimal(20,4)" for name in ("min", "p25", "p50", "p75", "max")},
    }
