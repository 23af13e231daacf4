"""The KPIs against a plain recomputation in fractions."""

from __future__ import annotations

from decimal import Decimal

from chispa import assert_df_equality
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession

from batch.kpis.formulas import channel_kpis, channel_platform_kpis, platform_kpis
from tests.kpi_oracle import CHANNEL, PLATFORM, Numbers, Row, oracle, same

SCHEMA = (
    "order_channel STRING, platform_type STRING, "
    "order_num_total BIGINT, customer_value_total DECIMAL(18,2)"
)

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

    one, seven = (channel_kpis(each) for each in (features.coalesce(1), features.repartition(7)))

    assert_df_equality(one, seven, ignore_row_order=True)
    assert answers(one, "order_channel") == oracle(rows, CHANNEL)


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
