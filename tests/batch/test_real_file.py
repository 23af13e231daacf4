"""The published figures of the real 20,000-row file, through a whole lake."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import functions as F

from batch.kpis_job import compute_kpis
from lake.tables import CHANNEL_KPIS, FEATURES, QUARANTINE
from tests.lakes import DropLake

DAY = 86_400_000
T0 = 1_640_000_000_000  # 2021-12-20
COUNTS = ("inserted", "updated", "unchanged", "stale", "superseded", "quarantined")
# By channel: customers, orders, revenue, and of that online and offline.
PUBLISHED = {
    "Android App": (9_495, 52_269, "7819062.76", "5448900.55", "2370162.21"),
    "Mobile": (4_882, 21_679, "3028183.16", "1828428.97", "1199754.19"),
    "Ios App": (2_833, 15_351, "2525999.93", "1772300.55", "753699.38"),
    "Desktop": (2_735, 10_920, "1610321.46", "869451.04", "740870.42"),
}


@pytest.fixture(scope="module")
def lake(real_data: Path, new_lake: Callable[[], DropLake]) -> DropLake:
    """Ingest the wider layout, with its store types, and compute the KPIs."""
    made = new_lake()
    made.put("v2.csv", (real_data / "flo_data_20k_v2.csv").read_bytes(), modified_ms=T0)
    [account] = made.take()
    assert counts(account) == {"inserted": 19_945}
    compute_kpis(made.spark, made.settings)
    return made


def counts(account: dict[str, Any]) -> dict[str, int]:
    """Pick the counts of an account that are not 0."""
    return {name: account[f"rows_{name}"] for name in COUNTS if account[f"rows_{name}"]}


def test_the_four_channels_have_their_published_sums(lake: DropLake) -> None:
    """Customers, orders and revenue by channel, online and offline, are exact."""
    revenue = [F.sum(f"customer_value_total{part}") for part in ("", "_ever_online")]
    revenue.append(F.sum("customer_value_total_ever_offline"))
    sums = [F.count("master_id"), F.sum("order_num_total"), *revenue]
    groups = lake.table(FEATURES).groupBy("order_channel").agg(*sums).collect()

    found = {name: (*numbers[:2], *map(str, numbers[2:])) for name, *numbers in groups}

    assert found == PUBLISHED


def test_the_kpis_are_the_published_ones(lake: DropLake) -> None:
    """The KPI table says the same: 19,945 customers, 100,219 orders, revenue 14,983,567.31."""
    columns = ("order_channel", "total_customers", "total_orders", "total_revenue")
    rows = lake.rows(CHANNEL_KPIS, *columns)

    assert {name: (*numbers, str(revenue)) for name, *numbers, revenue in rows} == {
        name: figures[:3] for name, figures in PUBLISHED.items()
    }
    totals = [sum(column) for column in list(zip(*rows, strict=True))[1:]]
    assert totals == [19_945, 100_219, Decimal("14983567.31")]


def test_the_narrower_layout_changes_nothing(lake: DropLake, real_data: Path) -> None:
    """All rows of the layout without store types are `unchanged`, and store types are kept."""
    identity = ("drop_id", "drop_time", "row_no", "value_places", "updated_at")
    values = lake.table(FEATURES).drop(*identity).orderBy("master_id").toArrow()
    assert values["store_type"].null_count == 0

    lake.put("v1.csv", (real_data / "flo_data_20k_v1.csv").read_bytes(), modified_ms=T0 + DAY)
    [account] = lake.take()

    assert counts(account) == {"unchanged": 19_945}
    after = lake.table(FEATURES).drop(*identity).orderBy("master_id").toArrow()
    # Compared outside of the assertion, which would show customers where it fails.
    is_same = after.equals(values)
    assert is_same
    assert lake.table(QUARANTINE).isEmpty()
