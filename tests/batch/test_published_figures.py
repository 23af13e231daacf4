"""The published figures of the 100,000-row file, through the whole batch path."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import Row
from pyspark.sql import functions as F

from batch.kpis_job import compute_kpis
from lake.tables import CHANNEL_KPIS, CHANNEL_PLATFORM_KPIS, FEATURES, PLATFORM_KPIS
from tests.lakes import DropLake, csv, row

FIGURES: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "samples" / "published.json").read_text("utf-8")
)
SAMPLE_CALL = {"order_num_total": "avg", "customer_value_total": "sum"}


@pytest.fixture
def lake(flo100k: DropLake) -> DropLake:
    """Look at the lake that has the file."""
    return flo100k


@pytest.mark.parametrize(
    ("table", "key", "published"),
    [
        (CHANNEL_KPIS, "order_channel", FIGURES["by_order_channel"]),
        (PLATFORM_KPIS, "platform_type", FIGURES["by_platform_type"]),
    ],
)
def test_kpis_equal_every_published_figure(
    lake: DropLake, table: str, key: str, published: list[dict[str, Any]]
) -> None:
    """Customers, orders, revenue, minimum, quartiles and maximum are exact, averages to 1e-12."""
    found = {each[key]: each for each in lake.table(table).collect()}
    assert set(found) == {each[key] for each in published}
    for want in published:
        got: Row = found[want[key]]
        assert got["total_customers"] == want["total_customers"]
        assert got["total_orders"] == want["total_orders"]
        assert got["total_revenue"] == Decimal(want["total_revenue"])
        for ours, theirs in (("min", "min"), ("p25", "p25"), ("p50", "p50"), ("p75", "p75")):
            assert got[f"revenue_{ours}"] == Decimal(want[theirs])
        assert got["revenue_max"] == Decimal(want["max"])
        for average in ("avg_orders", "avg_revenue"):
            assert got[average] == pytest.approx(want[average], rel=1e-12)


def test_cross_counts_equal_the_published_ones(lake: DropLake) -> None:
    """Each pair of platform and channel has the published number of customers."""
    found: dict[str, dict[str, int]] = {}
    for each in lake.table(CHANNEL_PLATFORM_KPIS).collect():
        found.setdefault(each["platform_type"], {})[each["order_channel"]] = each["total_customers"]
    assert found == FIGURES["platform_by_channel_customers"]


def test_store_types_and_years_equal_the_published_ones(lake: DropLake) -> None:
    """Store types and the years of first orders have the published numbers of customers."""
    features = lake.table(FEATURES)
    stores = {each[0]: each[1] for each in features.groupBy("store_type").count().collect()}
    assert stores == FIGURES["store_type"]
    years = features.groupBy(F.year("first_order_date")).count().collect()
    assert {str(each[0]): each[1] for each in years} == FIGURES["first_order_year"]


def test_the_original_sample_call_works(lake: DropLake) -> None:
    """The first question that was ever asked of this data has its answer on the features."""
    rows = lake.table(FEATURES).groupBy("platform_type").agg(SAMPLE_CALL).collect()
    found = {each["platform_type"]: each["sum(customer_value_total)"] for each in rows}
    published = FIGURES["by_platform_type"]
    assert found == {each["platform_type"]: Decimal(each["total_revenue"]) for each in published}


def test_numbers_are_filled_and_never_negative(lake: DropLake) -> None:
    """The four "ever" numbers and the totals are there for every customer, 0 or more."""
    numbers = [
        "order_num_total_ever_online",
        "order_num_total_ever_offline",
        "customer_value_total_ever_online",
        "customer_value_total_ever_offline",
        "order_num_total",
        "customer_value_total",
    ]
    bad = " OR ".join(f"{name} IS NULL OR {name} < 0" for name in numbers)
    assert lake.table(FEATURES).where(bad).isEmpty()


def test_another_suppliers_groups_are_groups(new_lake: Callable[[], DropLake]) -> None:
    """Platforms `mobile, web, store` and channels `app, website, call center` give those groups."""
    other = new_lake()
    channels = {"mobile": "app", "web": "website", "store": "call center"}
    lines = csv(
        *(row(f"c{at}", channel=channel) for at, channel in enumerate(channels.values()))
    ).splitlines()
    with_platform = [
        f"{line},{value}" for line, value in zip(lines, ["platform_type", *channels], strict=True)
    ]
    other.put("other.csv", "\n".join(with_platform))
    other.take()
    compute_kpis(other.spark, other.settings)
    pairs = other.rows(CHANNEL_PLATFORM_KPIS, "platform_type", "order_channel")
    assert pairs == sorted(channels.items())
    sample = other.table(FEATURES).groupBy("platform_type").agg(SAMPLE_CALL)
    assert {each["platform_type"] for each in sample.collect()} == set(channels)
