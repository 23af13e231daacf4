"""Whatever step a batch breaks off at, the next start ends in the same tables."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pyspark.sql import functions as F

import streaming.processor
from batch.verification.verify import verify
from checkpoints.kept_accounts import find_accounts, read_account
from checkpoints.ledger import Ledger, frame_rows
from checkpoints.recovery import Recovery
from lake.conflicts import OvertakenError
from lake.tables import FEATURES, LEDGER, QUARANTINE, SNAPSHOTS, TABLES, table_path
from lake.writers import open_writer
from streaming.processor import Processor
from streaming.upsert import plan_upsert, write_upsert
from tests.expected import assert_taken_in
from tests.faults.drops import make_drops
from tests.faults.running import killed_at
from tests.faults.world import put
from tests.lakes import DropLake, csv, row, versions

STEPS = (
    "after_snapshots",
    "after_quarantine",
    "after_merge",
    "after_ledger",
    "during_archive",
    "after_archive",
)
DROPS = make_drops(seed=1, count=2 * len(STEPS))


def test_a_batch_broken_off_at_any_step_is_whole_after_the_next_start(
    lake: DropLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broken off once at each step, no row is lost, doubled or different; accounts are kept."""
    for number, step in enumerate(STEPS):
        put(lake, DROPS[2 * number : 2 * number + 2])
        with killed_at(step, monkeypatch):
            lake.take()
        lake.take()
        assert lake.files.list(lake.settings.landing) == [], step
    assert_taken_in(lake, DROPS)
    kept = find_accounts(lake.files, lake.settings).items()
    assert {
        account_id: read_account(lake.files, account_id, path) for account_id, path in kept
    } == {row.account_id: row for row in frame_rows(lake.table(LEDGER))}


def test_a_drop_broken_off_again_and_again_keeps_its_rows(
    lake: DropLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an earlier try has left says nothing of a later one, whatever columns a site adds."""
    path = table_path(lake.settings, LEDGER)
    lake.spark.sql(f"ALTER TABLE delta.`{path}` ADD COLUMNS (remark STRING)")
    for name, row_of_it in (("a", row("c1")), ("refused", row(""))):
        lake.put(f"{name}.csv", csv(row_of_it, row("")))
    for step in ("after_quarantine", "after_merge", "after_ledger"):
        if step == "after_ledger":
            lake.put("b.csv", csv(row("c2")))
        with killed_at(step, monkeypatch):
            lake.take()
        assert verify(lake.spark, lake.settings).differences == (), step
    assert lake.take() == []
    assert lake.rows(SNAPSHOTS, "master_id") == [("c1",), ("c2",)]
    assert (lake.count(QUARANTINE), lake.count(LEDGER)) == (3, 3)
    assert len(find_accounts(lake.files, lake.settings)) == 3


def test_files_of_a_finished_batch_found_again_change_nothing(lake: DropLake) -> None:
    """The counts belong to the first time: found again, files that were done add no account."""
    put(lake, DROPS[:3])
    for each in lake.take():
        lake.files.rename(each["archived_path"], each["path"])
    before = versions(lake)
    assert lake.take(processor=lake.processor()) == []
    assert versions(lake) == before


# Each guard, taken out once: what it is there for then goes wrong.


def test_without_recovery_rows_would_be_doubled(
    lake: DropLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guard: rows of drops without an account are taken back before the next batch."""
    put(lake, DROPS[:2])
    with killed_at("after_snapshots", monkeypatch):
        lake.take()
    before = lake.count(SNAPSHOTS)
    with monkeypatch.context() as patched:
        patched.setattr(streaming.processor, "recover", lambda *_: Recovery((), ()))
        lake.take()
    assert lake.count(SNAPSHOTS) == 2 * before


def test_without_the_commits_metadata_counts_would_change(
    lake: DropLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guard: the accounts travel in the features' commit, so a replay repeats them."""
    put(lake, DROPS[:1])
    with killed_at("after_merge", monkeypatch):
        lake.take()
    with monkeypatch.context() as patched:
        patched.setattr(streaming.processor, "recover", lambda *_: Recovery((), ()))
        [account] = lake.take()
    assert account["rows_inserted"] == 0
    assert account["rows_unchanged"] > 0


def test_without_the_ledger_check_a_drop_would_come_twice(
    lake: DropLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guard: bytes that the ledger knows as ingested are a duplicate."""
    lake.put("a.csv", csv(row("c1")))
    lake.take()
    lake.put("b.csv", csv(row("c1")))
    with monkeypatch.context() as patched:
        patched.setattr(Ledger, "is_ingested", lambda *_: False)
        lake.take()
    assert lake.count(SNAPSHOTS) == 2


def test_a_plan_from_an_old_reading_is_refused(lake: DropLake) -> None:
    """Guard: a commit holds only on the very rows that the plan has seen.

    So not even another stream could have an older row put over a newer one.
    """
    lake.put("old.csv", csv(row("c1", last="2021-01-01")), modified_ms=DROPS[0].modified_ms)
    lake.take()
    # Read whole: Spark would read the table again when it has changed.
    older = lake.spark.createDataFrame(lake.table(SNAPSHOTS).collect(), TABLES[SNAPSHOTS].schema)
    stale = older.withColumn("row_no", F.lit(7).cast("bigint"))
    features = open_writer(lake.spark, lake.fence())
    now = datetime.now(UTC)
    plan = plan_upsert(lake.spark, lake.contract, stale, now, lake.table(FEATURES))
    assert (plan.sizes.inserts, plan.sizes.updates) == (0, 1)
    newer = csv(row("c1", last="2021-05-05", value_offline="5.00"))
    lake.put("new.csv", newer, modified_ms=DROPS[1].modified_ms)
    lake.take()
    before = lake.features()
    with pytest.raises(OvertakenError):
        write_upsert(lake.spark, features, plan, "{}")
    plan.release()
    assert lake.features() == before


def test_rejected_bytes_tried_again_replace_their_quarantine(lake: DropLake) -> None:
    """Bytes that were rejected are tried again; their rows are in quarantine once."""
    bad = csv(row(""), row(" "))
    for name in ("a.csv", "b.csv"):
        lake.put(name, bad)
        [account] = lake.take()
        assert account["state"] == "rejected"
    assert lake.count(QUARANTINE) == 2


def test_a_processor_opened_twice_finds_nothing_to_do(lake: DropLake) -> None:
    """Recovery is repeatable: a second start right after the first changes no table."""
    put(lake, DROPS[:2])
    lake.take()
    before = versions(lake)
    for _ in range(2):
        assert isinstance(lake.processor(), Processor)
    assert versions(lake) == before
