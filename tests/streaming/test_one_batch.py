"""One batch, from files in landing to tables, ledger and archive."""

from __future__ import annotations

from decimal import Decimal

from pyspark.sql import functions as F

from lake.tables import QUARANTINE, SNAPSHOTS
from tests.lakes import DropLake, csv, row

DAY = 86_400_000
T0 = 1_640_000_000_000  # 2021-12-20


def test_a_drop_becomes_rows_an_account_and_an_archived_file(lake: DropLake) -> None:
    """Accepted rows are in snapshots and features, the ledger says so, landing is empty."""
    lake.put("a.csv", csv(row("c1"), row("c2", orders_offline="2", value_offline="30.00")))
    [account] = lake.take()
    assert account["state"] == "ingested"
    assert (account["rows_read"], account["rows_accepted"], account["rows_inserted"]) == (2, 2, 2)
    assert lake.features("master_id", "order_num_total", "avg_order_value") == [
        ("c1", 1, Decimal("10.00")),
        ("c2", 2, Decimal("15.00")),
    ]
    assert lake.count(SNAPSHOTS) == 2
    assert lake.files.list(lake.settings.landing) == []
    assert lake.files.exists(account["archived_path"])
    [written] = lake.ledger()
    assert written["features_version"] is not None
    assert written["delimiter"] == ","


def test_a_bad_row_is_in_quarantine_with_its_text_and_its_reasons(lake: DropLake) -> None:
    """A refused row keeps its raw text, and every reason that applies names its column."""
    bad = row("c2", orders_online="-1", value_online="abc")
    lake.put("a.csv", csv(row("c1"), bad, row("c3"), row("c4")))
    [account] = lake.take()
    assert (account["rows_accepted"], account["rows_quarantined"]) == (3, 1)
    [(raw, reasons, row_no)] = lake.rows(QUARANTINE, "raw", "reasons", "row_no")
    assert raw == bad
    assert sorted(reasons) == [
        "negative: order_num_total_ever_online",
        "not_a_number: customer_value_total_ever_online",
    ]
    assert row_no == 2
    assert [each for (each,) in lake.features("master_id")] == ["c1", "c3", "c4"]


def test_a_drop_with_too_many_bad_rows_reaches_nothing(lake: DropLake) -> None:
    """Above the contract's share of bad rows all rows are in quarantine, none in the features."""
    refused = [row("c1"), row(""), row(" ")]
    lake.put("a.csv", csv(*refused))
    lake.put("b.csv", csv(row("c2"), row(""), row("c3")))
    accounts = {account["path"][-5:]: account for account in lake.take()}
    account = accounts["a.csv"]
    assert (account["state"], account["rows_quarantined"]) == ("rejected", 3)
    assert "too_many_bad_rows" in account["reason"]
    in_quarantine = lake.table(QUARANTINE).where(F.col("drop_id") == account["drop_id"])
    assert [raw for (raw,) in in_quarantine.orderBy("row_no").select("raw").collect()] == refused
    assert lake.count(QUARANTINE) == 4
    assert [each for (each,) in lake.features("master_id")] == ["c2", "c3"]
    assert lake.count(SNAPSHOTS) == 2


def test_the_newest_row_wins_whatever_comes_first(lake: DropLake) -> None:
    """A late row never replaces a newer one, and counts as stale."""
    lake.put("new.csv", csv(row(last="2021-06-01", value_offline="60.00")), modified_ms=T0 + DAY)
    lake.take()
    lake.put("old.csv", csv(row(last="2021-05-01", value_offline="50.00")), modified_ms=T0)
    [account] = lake.take()
    assert account["rows_stale"] == 1
    assert lake.features("customer_value_total") == [(Decimal("60.00"),)]


def test_equal_values_are_unchanged_and_keep_their_time(lake: DropLake) -> None:
    """A winning row with the stored values counts as unchanged; `updated_at` stays."""
    lake.put("a.csv", csv(row("c1"), row("c2")), modified_ms=T0)
    lake.take()
    before = dict(lake.features("master_id", "updated_at"))
    changed = row("c2", last="2021-02-01", value_offline="20.00")
    lake.put("b.csv", csv(row("c1"), changed, row("c3")), modified_ms=T0 + DAY)
    [account] = lake.take()
    counts = {name: account[f"rows_{name}"] for name in ("inserted", "updated", "unchanged")}
    assert counts == {"inserted": 1, "updated": 1, "unchanged": 1}
    after = dict(lake.features("master_id", "updated_at"))
    assert after["c1"] == before["c1"]
    assert after["c2"] > before["c2"]
    assert {each for (each,) in lake.features("drop_id")} == {account["drop_id"]}


def test_the_same_customer_twice_in_one_drop_counts_once(lake: DropLake) -> None:
    """Within a drop the greatest row is taken and the others are superseded."""
    rows = [
        row(last="2021-02-01", value_offline="2.00"),
        row(last="2021-03-01"),
        row(last="2021-01-01"),
    ]
    lake.put("a.csv", csv(*rows))
    [account] = lake.take()
    assert (account["rows_inserted"], account["rows_superseded"]) == (1, 2)
    assert lake.features("last_order_date", "row_no")[0][1] == 2


def test_the_same_bytes_are_a_duplicate(lake: DropLake) -> None:
    """The same bytes under another name change nothing and are archived too."""
    lake.put("a.csv", csv(row()))
    lake.put("b.csv", csv(row()))
    states = sorted(account["state"] for account in lake.take())
    assert states == ["duplicate", "ingested"]
    lake.put("c.csv", csv(row()))
    [account] = lake.take()
    assert (account["state"], account["rows_read"]) == ("duplicate", 0)
    assert lake.count(SNAPSHOTS) == 1
    assert lake.files.list(lake.settings.landing) == []
