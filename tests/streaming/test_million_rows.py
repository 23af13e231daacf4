"""A large drop with some bad rows: every row is in the table or in quarantine."""

from __future__ import annotations

from decimal import Decimal

from pyspark.sql import functions as F

from lake.tables import FEATURES, QUARANTINE, SNAPSHOTS
from tests.lakes import HEADER, DropLake

ROWS = 1_000_000
BAD = ROWS // 100


def million() -> str:
    """Write a million customers; every hundredth has an order less than none."""
    rows = (
        f"customer-{n:07d},Mobile,Mobile,2020-01-01,2021-01-{n % 28 + 1:02},2021-01-01,,"
        f"{'-1' if n % 100 == 0 else n % 7 + 1},0,0.00,{n % 1000}.{n % 100:02},[]\n"
        for n in range(1, ROWS + 1)
    )
    return HEADER + "\n" + "".join(rows)


def test_a_million_rows_with_every_hundredth_bad_add_up(lake: DropLake) -> None:
    """The sums hold, every bad row is in quarantine, and the good ones are worth every cent."""
    lake.put("million.csv", million())
    [account] = lake.take()
    counts = {name: account[f"rows_{name}"] for name in ("read", "quarantined", "inserted")}
    assert counts == {"read": ROWS, "quarantined": BAD, "inserted": ROWS - BAD}
    assert lake.table(SNAPSHOTS).count() == ROWS - BAD
    bad = lake.table(QUARANTINE)
    assert bad.where(F.col("row_no") % 100 == 0).select("row_no").distinct().count() == BAD
    assert bad.select("reasons").distinct().collect() == [
        (["negative: order_num_total_ever_online"],)
    ]
    worth = F.sum("customer_value_total")
    [(customers, orders, revenue)] = (
        lake.table(FEATURES)
        .agg(F.count_distinct("master_id"), F.sum("order_num_total"), worth)
        .collect()
    )
    good = [n for n in range(1, ROWS + 1) if n % 100]
    assert customers == len(good)
    assert orders == sum(n % 7 + 1 for n in good)
    assert revenue == Decimal(sum(n % 1000 * 100 + n % 100 for n in good)) / 100
