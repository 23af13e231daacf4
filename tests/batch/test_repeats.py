"""What two streams at once have written twice is found, and put right."""

from __future__ import annotations

import pytest
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from batch.verification.rebuild import rebuild
from batch.verification.verify import verify
from lake.tables import FEATURES, LEDGER, QUARANTINE, SNAPSHOTS, table_path
from tests.lakes import DropLake, csv, row, versions


@pytest.fixture
def doubled(lake: DropLake) -> DropLake:
    """A lake in which two streams took in one file, and each of two files of the same bytes."""
    lake.put("both.csv", csv(row("c1"), row("c1", last="2021-02-01"), row("")))
    lake.put("other.csv", csv(row("c2"), row("")))
    lake.take()
    both, other = (
        F.col("path").endswith(name) & (F.col("rows_inserted") == 1)
        for name in ("both.csv", "other.csv")
    )
    ledger = lake.table(LEDGER)
    # Who came second found the customers there.
    second = {
        "rows_inserted": F.lit(0).cast("bigint"),
        "rows_unchanged": F.col("rows_inserted") + F.col("rows_unchanged"),
        "features_version": F.col("features_version") + 1,
        "finished_at": F.current_timestamp(),
    }
    again = ledger.where(both).withColumns(second).select(*ledger.columns)
    file = {"path": F.concat(F.col("path"), F.lit("~2.csv")), "account_id": F.lit("of its own")}
    alike = file | second
    same = ledger.where(other).withColumns(alike).select(*ledger.columns)
    append(lake, LEDGER, again.unionByName(same))
    for name in (SNAPSHOTS, QUARANTINE):
        append(lake, name, lake.table(name))
    return lake


def append(lake: DropLake, name: str, rows: DataFrame) -> None:
    """Add rows, as a stream that nothing holds off."""
    rows.write.format("delta").mode("append").save(table_path(lake.settings, name))


def test_what_is_there_twice_is_found_and_put_right(doubled: DropLake) -> None:
    """Each row is there once again, each file has one account, and each drop is ingested once."""
    found = verify(doubled.spark, doubled.settings)
    kinds = {(each.table, each.what): each.rows for each in found.differences}
    assert kinds[SNAPSHOTS, "row repeated"] == 3
    assert kinds[QUARANTINE, "row repeated"] == 2
    assert kinds[LEDGER, "account repeated"] == 1
    assert kinds[SNAPSHOTS, "drop ingested again"] == 2

    done = rebuild(doubled.spark, doubled.settings)

    assert (done.repeated_rows, done.repeated_accounts) == (5, 2)
    assert (done.inserted, done.changed, done.deleted) == (0, 0, 0)
    assert doubled.rows(SNAPSHOTS, "master_id", "row_no") == [("c1", 1), ("c1", 2), ("c2", 1)]
    assert sorted(doubled.rows(QUARANTINE, "row_no")) == [(2,), (3,)]
    states = {each["path"].rsplit("/", 1)[-1]: each for each in doubled.ledger()}
    assert {name: each["state"] for name, each in states.items()} == {
        "both.csv": "ingested",
        "other.csv": "ingested",
        "other.csv~2.csv": "duplicate",
    }
    assert states["both.csv"]["rows_inserted"] == 1, "the account of who came first is kept"
    second = states["other.csv~2.csv"]
    assert second["reason"] == "the same bytes are ingested already"
    assert (second["rows_read"], second["snapshots_version"], second["columns"]) == (0, None, [])
    assert verify(doubled.spark, doubled.settings).differences == ()


def test_where_nothing_is_there_twice_no_row_is_written(lake: DropLake) -> None:
    """Rows without a drop, which are another program's, are none that a rebuild takes away."""
    lake.put("one.csv", csv(row("c1"), row("")))
    lake.take()
    strange = lake.table(QUARANTINE).withColumn("drop_id", F.lit(None).cast("string"))
    append(lake, QUARANTINE, strange.unionByName(strange))
    before = {name: lake.count(name) for name in (SNAPSHOTS, QUARANTINE, LEDGER, FEATURES)}
    at = versions(lake)
    done = rebuild(lake.spark, lake.settings)
    assert (done.repeated_rows, done.repeated_accounts) == (0, 0)
    assert {name: lake.count(name) for name in before} == before
    # The epoch that it raised is all.
    assert sum(versions(lake).values()) == 4 + sum(at.values())
