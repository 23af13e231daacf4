"""Values at the limits of what the rules accept: exact in every table, sum, report and check."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from pyspark.sql import functions as F

from batch.dry_run import dry_run
from batch.kpis.tables import KPI_TABLES
from batch.kpis_job import compute_kpis
from batch.report import write_report
from batch.segments import compute_segments, summarise_segments
from batch.verification.kpi_checks import check_kpis
from batch.verification.verify import verify
from lake.tables import CHANNEL_KPIS, CUSTOMER_SEGMENTS, KPI_VALUES, QUARANTINE, table_path
from streaming.decode.values import FIRST_DAY, MAX_COUNT, MAX_MONEY
from tests.lakes import DropLake, csv, row

pytestmark = pytest.mark.integration

CUSTOMERS = 9_300
AMOUNT = "999999999999999.99"
EACH = 2 * Decimal(AMOUNT)
LARGEST = {
    "orders_online": str(MAX_COUNT), "orders_offline": str(MAX_COUNT),
    "value_online": f"{MAX_MONEY}.00", "value_offline": str(MAX_MONEY),
}  # fmt: skip


@pytest.fixture(scope="module")
def full(new_lake: Callable[[], DropLake]) -> DropLake:
    """Take in customers with the largest amounts, and some at every limit."""
    lake = new_lake()
    rows = [row(f"c{n}", value_online=AMOUNT, value_offline=AMOUNT) for n in range(CUSTOMERS)]
    lake.put("amounts.csv", csv(*rows), modified_ms=1_640_000_000_000)
    [account] = lake.take()
    assert (account["state"], account["rows_inserted"]) == ("ingested", CUSTOMERS)
    compute_kpis(lake.spark, lake.settings)
    return lake


def limits(n: int) -> str:
    """Write a customer at every limit."""
    return row("x" * 127 + str(n), channel="z" * 5_000, first=f"{FIRST_DAY}", last="2021-12-20",
               online=f"{FIRST_DAY}", **LARGEST)  # fmt: skip


def revenue(lake: DropLake) -> dict[str, Decimal]:
    """Add up the revenue of all customers, from each KPI table."""
    return {name: sum(each["total_revenue"] for each in lake.read(name)) for name in KPI_TABLES}


def test_sums_of_the_largest_values_are_exact(full: DropLake, tmp_path: Path) -> None:
    """Counted from all customers and from what changed, in KPIs, segments, report and checks."""
    everything = EACH * CUSTOMERS
    assert revenue(full) == dict.fromkeys(KPI_TABLES, everything)
    more = tmp_path / "more.csv"
    more.write_text(csv(*(limits(n) for n in range(3))))
    now = datetime(2021, 12, 21, tzinfo=UTC)
    told = dry_run(full.spark, full.settings, full.contract, more, now)
    assert (told.account.rows_inserted, told.reasons) == (3, {})
    [change] = [each for each in told.kpis if each.kpi_table == CHANNEL_KPIS]
    assert change.after["total_revenue"] == 6 * MAX_MONEY
    full.put("limits.csv", more.read_bytes(), modified_ms=1_640_100_000_000)
    [account] = full.take("limits.csv")
    assert (account["rows_inserted"], account["rows_quarantined"]) == (3, 0)
    run = compute_kpis(full.spark, full.settings)
    assert run.counted == "", "what changed is enough"
    everything += 6 * MAX_MONEY
    assert revenue(full) == dict.fromkeys(KPI_TABLES, everything)
    rows = full.rows("channel_kpis", "total_orders", "revenue_max", order=["total_customers"])
    assert rows == [(6 * MAX_COUNT, Decimal(2 * MAX_MONEY)), (CUSTOMERS, EACH)]
    assert compute_kpis(full.spark, full.settings, full=True).counted
    assert revenue(full) == dict.fromkeys(KPI_TABLES, everything)
    compute_segments(full.spark, full.settings)
    summary = summarise_segments(full.table(CUSTOMER_SEGMENTS))
    assert summary.agg(F.sum("total_monetary")).collect()[0][0] == everything
    figures = write_report(full.spark, full.settings, tmp_path / "report.html")
    assert sum((side.revenue for side in figures.sides), Decimal()) == everything
    assert verify(full.spark, full.settings, from_archive=True).differences == ()


def test_counts_of_an_earlier_form_are_replaced(full: DropLake) -> None:
    """Where `kpi_values` was made by a version that kept sums as BIGINT, all is counted anew."""
    path = table_path(full.settings, KPI_VALUES)
    older = full.table(KPI_VALUES).withColumn("beyond", F.lit(0).cast("bigint"))
    writer = older.write.format("delta").mode("overwrite").option("overwriteSchema", "true")
    writer.save(path)
    full.put("one.csv", csv(row("one")), modified_ms=1_640_200_000_000)
    full.take("one.csv")
    run = compute_kpis(full.spark, full.settings)
    assert run.counted == "The counts are in the form of another version of this program."
    assert dict(full.table(KPI_VALUES).dtypes)["beyond"] == "decimal(38,0)"
    assert check_kpis(full.spark, full.settings).differences == ()


def test_what_is_beyond_a_limit_is_in_quarantine(lake: DropLake) -> None:
    """The rules refuse whatever no table could hold the sum of."""
    beyond: list[dict[str, str]] = [
        {"orders_online": str(MAX_COUNT + 1)},
        {"value_online": f"{MAX_MONEY}.01"},
        {"first": "1899-12-31"},
    ]
    good = [row(name) for name in "abcd"]
    lake.put("beyond.csv", csv(*good, *(row("x", **each) for each in beyond)))
    [account] = lake.take()
    assert (account["rows_accepted"], account["rows_quarantined"]) == (4, 3)
    assert lake.rows(QUARANTINE, "row_no") == [(5,), (6,), (7,)]
