"""Putting the features right, in one commit, with nothing else touched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from delta.tables import DeltaTable
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from batch.kpis_job import compute_kpis
from batch.verification.differences import MISSING, SURPLUS
from batch.verification.kpi_checks import check_kpis
from batch.verification.rebuild import Rebuilt, rebuild
from batch.verification.verify import verify
from checkpoints.lock import StreamLock
from lake.delta import table_version
from lake.errors import ConfigError, LockedError
from lake.tables import FEATURES, table_path
from tests.faults.drops import make_drops
from tests.faults.running import killed_at
from tests.lakes import DropLake, csv, row

DROPS = make_drops(seed=9, count=3)


@pytest.fixture(scope="module")
def original(new_lake: Callable[[], DropLake]) -> DropLake:
    """Fill a lake; only to be copied."""
    lake = new_lake()
    for drop in DROPS:
        lake.put(drop.name, drop.content, modified_ms=drop.modified_ms)
    lake.take()
    return lake


@pytest.fixture(scope="module")
def lake(original: DropLake) -> DropLake:
    """A copy of it, which one test leaves to the next."""
    return original.copy()


def features_by_customer(lake: DropLake) -> DataFrame:
    """Read the features, in an order that damage does not change."""
    return lake.table(FEATURES).orderBy("master_id")


@pytest.mark.parametrize("writer", ["deletion_vectors", "merge"])
def test_a_rebuild_puts_right_what_differs_and_nothing_else(
    original: DropLake, writer: str
) -> None:
    """Gone, changed, strange and repeated rows are put right in one commit, at no other's cost."""
    lake = original.copy(features_writer=writer)
    path = table_path(lake.settings, FEATURES)
    lake.spark.sql(f"ALTER TABLE delta.`{path}` ADD COLUMNS (deleted BOOLEAN)")  # somebody's own
    table = DeltaTable.forPath(lake.spark, path)
    table.update(set={"deleted": F.lit(True)})
    before = {each["master_id"]: each for each in features_by_customer(lake).collect()}
    gone, changed, renumbered, repeated, kept, *_ = before
    copies = features_by_customer(lake).where(F.col("master_id") == repeated)
    strange = copies.withColumn("master_id", F.lit("stranger"))
    copies.unionByName(strange).write.format("delta").mode("append").save(path)
    table.delete(F.col("master_id") == gone)
    table.update(F.col("master_id") == changed, {"store_type": F.lit("Z")})
    table.update(F.col("master_id") == renumbered, {"row_no": F.lit(99)})
    damaged = verify(lake.spark, lake.settings)
    version = table_version(lake.spark, lake.settings, FEATURES)

    done = rebuild(lake.spark, lake.settings)

    assert {(each.what, each.rows) for each in damaged.differences} == {
        (MISSING, 1),
        (SURPLUS, 1),
        ("store_type", 1),
        ("row_no", 1),
        ("master_id repeated", 2),
        ("rows_inserted", 1),
    }
    assert damaged.differences[0].drops != ()
    # Of a repeated customer both rows are deleted and one inserted, in the same commit as all the
    # rest, which comes after that of the epoch.
    assert done == Rebuilt(inserted=2, changed=2, deleted=3, features_version=version + 2)
    after = {each["master_id"]: each for each in features_by_customer(lake).collect()}
    assert {k: v for k, v in after.items() if k not in (gone, changed, repeated)} == {
        k: v for k, v in before.items() if k not in (gone, changed, repeated)
    }
    assert after[kept]["updated_at"] == before[kept]["updated_at"]
    assert all(after[k]["updated_at"] > before[k]["updated_at"] for k in (gone, changed))
    assert (after[gone]["deleted"], after[changed]["deleted"]) == (None, True)
    assert lake.count(FEATURES) == len(before)
    assert verify(lake.spark, lake.settings, from_archive=True).differences == ()


def test_a_sound_table_gets_no_commit(lake: DropLake) -> None:
    """Nothing to put right is nothing written; KPIs of a version that is gone are a note."""
    version = table_version(lake.spark, lake.settings, FEATURES)
    # The one version more is that of the epoch, without a row.
    assert rebuild(lake.spark, lake.settings) == Rebuilt(0, 0, 0, version + 1)

    compute_kpis(lake.spark, lake.settings)
    old = lake.table(FEATURES).inputFiles()
    path = table_path(lake.settings, FEATURES)
    lake.table(FEATURES).write.format("delta").mode("overwrite").save(path)
    for file in old:
        lake.files.delete(file)
    found = check_kpis(lake.spark, lake.settings)
    assert found.differences == ()
    [note] = found.notes
    assert "no longer kept" in note


def test_a_rebuild_refuses_while_a_stream_runs(lake: DropLake) -> None:
    """Two writers are one too many: the error says who holds the tables; nothing changes."""
    lock = StreamLock(lake.files, lake.settings)
    lock.acquire("local-test")
    version = table_version(lake.spark, lake.settings, FEATURES)
    with pytest.raises(LockedError, match="local-test"):
        rebuild(lake.spark, lake.settings)
    assert table_version(lake.spark, lake.settings, FEATURES) == version
    lock.release()


def test_a_stream_goes_on_after_a_rebuild(lake: DropLake, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rebuild finishes what a killed stream left, and recovery passes over its commit."""
    lake.put("newer.csv", csv(row("customer-001", last="2021-05-01"), row("customer-new")))
    with killed_at("after_merge", monkeypatch):
        lake.take()
    DeltaTable.forPath(lake.spark, table_path(lake.settings, FEATURES)).delete(
        "master_id = 'customer-new'"
    )

    done = rebuild(lake.spark, lake.settings)

    assert (done.inserted, done.changed, done.deleted) == (1, 0, 0)
    assert StreamLock(lake.files, lake.settings).holder() is None
    accounts = len(lake.ledger())
    assert accounts == len(DROPS) + 1
    lake.put("newest.csv", csv(row("customer-001", last="2021-06-01")))
    lake.take("newest.csv")
    assert len(lake.ledger()) == accounts + 1
    assert verify(lake.spark, lake.settings).differences == ()


def test_another_order_rule_is_refused_until_all_features_are_made_by_it(
    lake: DropLake, tmp_path: Path
) -> None:
    """A stored row tells its places by the rule that it was made by; no other is compared with it.

    The sentence says what to do, and that does it.
    """
    text = lake.settings.contract.read_text("utf-8")
    changed = tmp_path / "changed.toml"
    changed.write_text(text.replace('"last_order_at"', '"first_order_date"', 1))
    settings = lake.settings.model_copy(update={"contract": changed})
    other = DropLake(lake.spark, settings)

    with pytest.raises(ConfigError, match=r"'last_order_at; .*'first_order_date; .*flo rebuild"):
        other.processor()
    rebuild(lake.spark, settings)

    other.processor()
    assert verify(lake.spark, settings).differences == ()
    with pytest.raises(ConfigError, match="flo rebuild"):
        lake.processor()
    rebuild(lake.spark, lake.settings)
    lake.processor()
