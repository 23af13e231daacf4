"""Who may write the stream's tables: nobody who goes by an epoch that has passed."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from delta.tables import DeltaMergeBuilder, DeltaTable
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from checkpoints.ledger import Ledger, LedgerRow, State
from lake.delta import table_version
from lake.errors import LockedError, TransientError
from lake.fence import APPLICATION, FENCED, Fence, epoch_of
from lake.replacing import Replacement
from lake.tables import FEATURES, LEDGER, QUARANTINE, SNAPSHOTS, table_path
from streaming.processor import Processor
from tests.faults.running import killed_at
from tests.lakes import DropLake, csv, row
from tests.processes import wait_for

NOW = datetime(2026, 3, 1, tzinfo=UTC)

SAID = "Another stream has taken over these tables: {} is not in the epoch .* It ends"
# Before which of a batch's commits somebody takes over; the batch accepts a row and refuses one.
STEPS = dict(zip(FENCED, ("", "after_snapshots", "after_quarantine", "after_merge"), strict=True))


@pytest.fixture(scope="module")
def original(new_lake: Callable[[], DropLake]) -> DropLake:
    """A lake in some epoch: one drop has been taken in, another one waits. Only to be copied."""
    lake = new_lake()
    lake.put("first.csv", csv(row("c0"), row("")))
    lake.take()
    lake.put("next.csv", csv(row("c1"), row("")))
    return lake


@pytest.fixture
def pending(original: DropLake) -> DropLake:
    """A copy of it."""
    return original.copy()


def take_over(lake: DropLake) -> Fence:
    """Raise the epoch, as whoever has taken the lock does."""
    return Fence.raised(lake.spark, lake.settings, lambda: None)


def versions(lake: DropLake) -> dict[str, int]:
    """Newest version of each table."""
    return {name: table_version(lake.spark, lake.settings, name) for name in FENCED}


@pytest.mark.parametrize("table", FENCED)
def test_who_is_passed_over_writes_to_no_table(
    table: str, pending: DropLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch that another stream took over before its commit on a table ends there: nothing more.

    What it has written until then the other one takes back, or finishes; then it takes the drop in.
    """
    processor = pending.processor()
    told: list[dict[str, int]] = []

    def reach(step: str) -> None:
        if step == STEPS[table]:
            other.append(take_over(pending))
            told.append(versions(pending))

    other: list[Fence] = []
    if not STEPS[table]:
        reach("")
    with monkeypatch.context() as patched:
        patched.setattr("lake.failpoint.kill_at", reach)
        # The features are begun beside the appends: whichever finds it first says so.
        with pytest.raises(LockedError, match=SAID.format(".*")):
            pending.take(processor=processor)
    assert versions(pending) == told[0]

    new = Processor(pending.spark, other[0], pending.contract, processor._spool)
    pending.take(processor=new)
    assert pending.rows(SNAPSHOTS, "master_id") == [("c0",), ("c1",)]
    assert pending.count(QUARANTINE) == 2
    assert pending.features("master_id") == [("c0",), ("c1",)]
    assert [each["state"] for each in pending.ledger()] == ["ingested"] * 2


@pytest.mark.parametrize("table", FENCED)
def test_a_commit_that_delta_leaves_out_without_a_word_is_told(
    table: str, pending: DropLake
) -> None:
    """A takeover just before a command of Delta's begins: for Delta its number has been done."""
    fence, frame = pending.fence(), pending.table(table).limit(1)
    said, before = SAID.format(table), versions(pending)

    def append() -> None:
        with fence.committing(pending.spark, table):
            take_over(pending)
            frame.write.format("delta").mode("append").save(table_path(pending.settings, table))

    with pytest.raises(LockedError, match=said):
        append()
    assert versions(pending) == {name: version + 1 for name, version in before.items()}


def test_an_epoch_is_read_without_deltas_checksums_too(pending: DropLake) -> None:
    """They spare reading the log; other programs that write a table may leave none."""
    copy = pending.copy()
    for table in FENCED:
        for info in copy.files.list(f"{table_path(copy.settings, table)}/_delta_log"):
            if info.name.endswith(".crc"):
                copy.files.delete(info.path)
        expected = epoch_of(pending.spark, pending.settings, table)
        assert epoch_of(copy.spark, copy.settings, table) == expected > 0


@pytest.mark.parametrize("table", [SNAPSHOTS, QUARANTINE, LEDGER])
def test_delta_refuses_an_append_whose_epoch_is_raised_while_it_writes(
    table: str, pending: DropLake, tmp_path: Path
) -> None:
    """An append conflicts with nothing by itself: it does with who takes over meanwhile."""
    fence, schema = pending.fence(), pending.table(table).schema
    begun, go_on = tmp_path / "begun", tmp_path / "go-on"

    def held_up(_: int) -> tuple[None, ...]:
        begun.touch()
        while not go_on.exists():
            time.sleep(0.02)
        return (None,) * len(schema.fields)

    rows = pending.spark.sparkContext.parallelize([1], 1).map(held_up)
    frame = pending.spark.createDataFrame(rows, schema, verifySchema=False)

    def append() -> None:
        fence.append(pending.spark, table, frame)

    with ThreadPoolExecutor(1) as beside:
        appended = beside.submit(append)
        wait_for(begun.exists, "the append", 30)
        take_over(pending)
        before = versions(pending)
        go_on.touch()
        with pytest.raises(LockedError, match=SAID.format(table)):
            appended.result(60)
    assert versions(pending) == before


@pytest.mark.parametrize(
    ("writer", "kind", "step"),
    [("deletion_vectors", Replacement, "_tell"), ("merge", DeltaMergeBuilder, "execute")],
)
def test_delta_refuses_features_whose_epoch_is_raised_while_they_are_written(
    original: DropLake, writer: str, kind: type, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the last moment, too: between the look at the version and the commit."""
    pending = original.copy(features_writer=writer)
    last = getattr(kind, step)

    def take_over_first(*args: Any) -> None:
        told.append(take_over(pending))
        last(*args)

    told: list[Fence] = []
    processor = pending.processor()
    monkeypatch.setattr(kind, step, take_over_first)
    with pytest.raises(LockedError, match=SAID.format(FEATURES)):
        pending.take(processor=processor)
    assert len(told) == 1
    assert pending.features("master_id") == [("c0",)]


def test_an_earlier_stream_cannot_recover_either(pending: DropLake) -> None:
    """It would take back what the new one has in hand: its deletions are refused as well."""
    fence = pending.fence()
    ledger = Ledger(pending.spark, fence)
    take_over(pending)
    before = versions(pending)
    for table in (SNAPSHOTS, QUARANTINE):
        with pytest.raises(LockedError, match=SAID.format(table)):
            fence.delete(pending.spark, table, F.col("row_no") > 0)
    with pytest.raises(LockedError, match=SAID.format(LEDGER)):
        ledger.append(pending.spark, [LedgerRow("/a", 1, NOW, State.REJECTED, NOW)])
    assert versions(pending) == before


def test_a_deletion_that_finds_nothing_is_not_taken_for_a_refusal(pending: DropLake) -> None:
    """Recovery may be repeated: there may be nothing left to take back."""
    fence = pending.fence()
    fence.delete(pending.spark, SNAPSHOTS, F.col("row_no") < 0)
    assert pending.count(SNAPSHOTS) == 1


def test_every_commit_carries_the_epoch_and_the_next_number(pending: DropLake) -> None:
    """So two writers of one epoch, which there cannot be, would be seen as well."""
    first = versions(pending)
    pending.take()
    for table in FENCED:
        log = f"{table_path(pending.settings, table)}/_delta_log"
        texts = [
            pending.files.read_text(f"{log}/{version:020d}.json") or ""
            for version in range(first[table], first[table] + 2)
        ]
        numbers = [
            int(text.partition(f'"appId":"{APPLICATION}","version":')[2].partition(",")[0])
            for text in texts
        ]
        assert numbers[1] == numbers[0] + 1
        assert numbers[0] >> 32 == pending.fence().epoch


def test_of_two_that_start_the_holder_of_the_lock_comes_out_on_top(
    lake: DropLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who was held up while it raised the epoch tries again, unless it has lost the lock."""
    others = [take_over(lake)]
    first = others[0].epoch
    asked: list[int] = []

    def still_ours() -> None:
        if not asked:
            others.append(take_over(lake))
        asked.append(1)

    mine = Fence.raised(lake.spark, lake.settings, still_ours)
    assert (others[1].epoch, mine.epoch) == (first + 1, first + 2)
    assert len(asked) == 2
    assert {epoch_of(lake.spark, lake.settings, table) for table in FENCED} == {first + 2}

    def lost() -> None:
        if len(asked) > 2:
            raise LockedError("lost")
        asked.append(1)
        take_over(lake)

    with pytest.raises(LockedError, match="lost"):
        Fence.raised(lake.spark, lake.settings, lost)
    assert {epoch_of(lake.spark, lake.settings, table) for table in FENCED} == {first + 3}
    with pytest.raises(TransientError, match="starting"):
        Fence.raised(lake.spark, lake.settings, lambda: take_over(lake) and None)


def test_many_starts_without_a_drop_leave_little_to_look_at(
    pending: DropLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stream that is started every five minutes does not look at a month of its starts each time.

    What a killed one has left is found all the same, after and before the version that is noted.
    """
    asked: list[int] = []

    def history(table: DeltaTable, limit: int) -> DataFrame:
        asked.append(limit)
        return read(table, limit)

    read = DeltaTable.history
    monkeypatch.setattr(DeltaTable, "history", history)
    spared = []
    for _ in range(2):
        with killed_at("after_merge", monkeypatch):
            pending.take()
        for _ in range(22):
            take_over(pending)
        asked.clear()
        pending.processor()
        assert max(asked) > 22
        assert pending.count(LEDGER) == 2 + len(spared)
        asked.clear()
        pending.processor()
        spared.append(max(asked, default=0))
        pending.put(f"more-{len(spared)}.csv", csv(row(f"more-{len(spared)}")))
    assert max(spared) <= 22
