"""A round settles all that lies in landing, and takes in what has no account."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import structlog.testing
from pyspark.sql import SparkSession

import streaming.decode.drop
from checkpoints.ledger import LedgerRow
from lake.fs import FileInfo, from_millis
from streaming.processor import Processor
from streaming.rounds import take_round
from streaming.supervisor import Supervisor
from tests.faults.running import Killed, running
from tests.lakes import DropLake, csv, row
from tests.processes import wait_for

T0 = 1_640_000_000_000  # 2021-12-20


def held(lake: DropLake, processor: Processor, most: int = 200) -> list[list[str]]:
    """Hold a round; return the names of the files of each of its batches."""
    batches: list[list[str]] = []

    def take(batch: Sequence[FileInfo]) -> list[LedgerRow]:
        batches.append([info.name for info in batch])
        return processor.process(lake.spark, batch)

    processor.settings = lake.settings.model_copy(update={"max_files_per_batch": most})
    take_round(lake.spark, processor, take, lambda: False)
    return batches


def half_written(lake: DropLake, name: str, text: str) -> Any:
    """Begin to write a file into landing; who has it closes it."""
    files, path = lake.files, f"{lake.settings.landing}/{name}"
    writer = files._fs(path).create(files._path(path), True)
    writer.write(bytearray(text.encode()))
    writer.hflush()
    return writer


def states(lake: DropLake) -> dict[str, tuple[str, str]]:
    """State and reason's code of each account, by file name."""
    return {
        each["path"].rsplit("/", 1)[-1]: (each["state"], str(each["reason"]).split(":")[0])
        for each in lake.ledger()
    }


def names(lake: DropLake) -> list[str]:
    """Names of the files in landing."""
    return [info.name for info in lake.files.list(lake.settings.landing)]


def test_the_oldest_come_first_in_batches_of_the_size_that_is_set(lake: DropLake) -> None:
    """A round goes on until nothing is left, what came meanwhile included."""
    for name, age in (("new", 1), ("old", 3), ("older", 4), ("middle", 2)):
        lake.put(f"{name}.csv", csv(row(name)), modified_ms=T0 - age)
    processor = lake.processor()
    assert held(lake, processor, most=3) == [["older.csv", "old.csv", "middle.csv"], ["new.csv"]]
    assert names(lake) == []
    assert [each["batch_id"] for each in lake.ledger()] == [0, 0, 0, 1]
    lake.put("last.csv", csv(row("c9")))
    assert held(lake, lake.processor()) == [["last.csv"]]
    assert max(each["batch_id"] for each in lake.ledger()) == 2
    assert held(lake, processor) == []


@pytest.mark.parametrize("modified_ms", [T0, T0 + 1])
def test_other_bytes_under_an_old_name_are_a_new_drop(lake: DropLake, modified_ms: int) -> None:
    """It is taken in, whatever its time, and both are in the archive."""
    processor = lake.processor()
    lake.put("a.csv", csv(row("c1")), modified_ms=T0)
    held(lake, processor)
    lake.put("a.csv", csv(row("c2")), modified_ms=modified_ms)
    held(lake, processor)
    first, second = lake.ledger()
    assert [first["state"], second["state"]] == ["ingested", "ingested"]
    assert second["path"] == first["path"]
    assert [each for (each,) in lake.features("master_id")] == ["c1", "c2"]
    assert lake.files.read_text(first["archived_path"]) == csv(row("c1"))
    assert lake.files.read_text(second["archived_path"]) == csv(row("c2"))
    assert names(lake) == []


def test_a_move_that_a_crash_left_out_is_made(lake: DropLake) -> None:
    """An accounted-for file still in landing goes to the archive, without a second account."""
    processor = lake.processor()
    lake.put("a.csv", csv(row("c1")), modified_ms=T0)
    [account] = lake.take(processor=processor)
    lake.files.rename(account["archived_path"], account["path"])
    assert held(lake, processor) == []
    assert names(lake) == []
    assert lake.files.exists(account["archived_path"])
    assert len(lake.ledger()) == 1


def test_other_bytes_over_a_file_that_was_not_moved_yet_are_a_new_drop(lake: DropLake) -> None:
    """With its very name and time: told by the size, it is not archived in the other's place."""
    processor = lake.processor()
    lake.put("a.csv", csv(row("c1")), modified_ms=T0)
    [account] = lake.take(processor=processor)
    lake.files.delete(account["archived_path"])
    lake.put("a.csv", csv(row("c2"), row("c3")), modified_ms=T0)
    held(lake, processor)
    assert [each for (each,) in lake.features("master_id")] == ["c1", "c2", "c3"]
    assert not lake.files.exists(account["archived_path"])


def test_what_is_no_drop_is_refused_with_a_reason(lake: DropLake) -> None:
    """A directory and a file of another kind are refused and archived; hidden files wait.

    So does a name of which nothing is known, as long as its writer may come back to it.
    """
    lake.put("folder/inner.csv", csv(row("c1")))
    lake.put("notes.txt", "hello", modified_ms=T0)
    lake.put("ahead.txt", "hello", modified_ms=2_051_222_400_000)
    lake.put("half.csv.tmp", "master_id", modified_ms=T0)
    writing = lake.put("drop.csv.writing", "master_id")
    processor = lake.processor()
    assert held(lake, processor) == []
    assert states(lake) == {
        "folder": ("rejected", "is_directory"),
        "notes.txt": ("rejected", "not_csv"),
        "ahead.txt": ("rejected", "not_csv"),
    }
    assert names(lake) == ["drop.csv.writing", "half.csv.tmp"]
    lake.files.rename(writing.path, writing.path.removesuffix(".writing"))
    assert held(lake, processor) == [["drop.csv"]]


def test_the_directory_of_a_spark_job_is_refused_with_what_to_do(lake: DropLake) -> None:
    """What Spark leaves beside its files is no sign of work; what it writes before the end is."""
    part = "part-00000-c0ffee.csv"
    for name in (part, "_SUCCESS", f".{part}.crc", "._SUCCESS.crc"):
        lake.put(f"export.csv/{name}", csv(row("c1")))
    lake.put(f"running.csv/_temporary/0/task_1/{part}", csv(row("c2")))
    lake.put("old.csv/_half", "", modified_ms=T0)
    lake.files.mkdirs(f"{lake.settings.landing}/empty.csv")
    lake.put("good.csv", csv(row("c3")))
    processor = lake.processor()
    assert held(lake, processor) == [["good.csv"]]
    accounts = {each["path"].rsplit("/", 1)[-1]: each for each in lake.ledger()}
    assert {name: each["state"] for name, each in accounts.items()} == {
        **dict.fromkeys(("export.csv", "old.csv", "empty.csv"), "rejected"),
        "good.csv": "ingested",
    }
    assert "a Spark job wrote it" in accounts["export.csv"]["reason"]
    assert names(lake) == ["running.csv"]
    there = f"{accounts['export.csv']['archived_path']}/{part}"
    lake.files.rename(there, f"{lake.settings.landing}/{part}")
    assert held(lake, processor) == [[part]]
    assert states(lake)[part] == ("ingested", "None")


def test_a_file_that_is_still_written_waits_and_stops_no_other(lake: DropLake) -> None:
    """It is looked at once a round, has no account, and is taken in when it is whole."""
    processor = lake.processor()
    lake.put("other.csv", csv(row("c2")))
    writer = half_written(lake, "a.csv", csv(row("c1")))
    assert sorted(each for batch in held(lake, processor, most=1) for each in batch) == [
        "a.csv",
        "other.csv",
    ]
    assert states(lake) == {"other.csv": ("ingested", "None")}
    writer.close()
    assert held(lake, processor) == [["a.csv"]]
    assert states(lake)["a.csv"] == ("ingested", "None")


def test_a_file_that_is_closed_meanwhile_is_of_the_same_round(lake: DropLake) -> None:
    """A round may last for hours, and no other is held beside it."""
    processor, order = lake.processor(), list[str]()
    writer = half_written(lake, "large.csv", csv(row("c1")))
    lake.put("other.csv", csv(row("c2")))

    def take(batch: Sequence[FileInfo]) -> list[LedgerRow]:
        order.extend(info.name for info in batch)
        rows = processor.process(lake.spark, batch)
        if rows:
            writer.close()
        return rows

    processor.settings = lake.settings.model_copy(update={"max_files_per_batch": 1})
    take_round(lake.spark, processor, take, lambda: False)
    assert order[-1] == "large.csv"
    assert set(states(lake).values()) == {("ingested", "None")}


def test_a_run_once_keeps_to_what_was_there_and_says_what_it_leaves(
    lake: DropLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes while it runs is for the next time; a file that is still written is named."""
    lake.put("there.csv", csv(row("c1")))
    writer = half_written(lake, "large.csv", csv(row("c2")))

    def put_more(step: str) -> None:
        if step == "before_batch" and not lake.files.exists(f"{lake.settings.landing}/more.csv"):
            lake.put("more.csv", csv(row("c3")))

    monkeypatch.setattr("lake.failpoint.kill_at", put_more)
    with structlog.testing.capture_logs() as logs:
        assert Supervisor(lake.spark, lake.settings, lake.contract, once=True).run() == 0
    assert states(lake) == {"there.csv": ("ingested", "None")}
    assert [each["files"] for each in logs if each["event"] == "left in landing"] == [["large.csv"]]
    writer.close()
    with structlog.testing.capture_logs() as logs:
        assert Supervisor(lake.spark, lake.settings, lake.contract, once=True).run() == 0
    assert names(lake) == []
    assert not [each for each in logs if each["event"] == "left in landing"]


def test_a_file_that_is_replaced_before_its_turn_is_taken_in_as_it_is(lake: DropLake) -> None:
    """By other bytes with the name and the time of a drop that has an account."""
    processor = lake.processor()
    lake.put("a.csv", csv(row("c1")), modified_ms=T0)
    held(lake, processor)
    listed = lake.put("a.csv", csv(row("c2")), modified_ms=T0 + 1)
    lake.put("a.csv", csv(row("c3")), modified_ms=T0)
    [account] = processor.process(lake.spark, [listed])
    assert (account.modified_at, account.state) == (from_millis(T0), "ingested")
    assert len({each["account_id"] for each in lake.ledger()}) == 2
    assert [each for (each,) in lake.features("master_id")] == ["c1", "c3"]
    assert held(lake, processor) == []


def started(lake: DropLake) -> Processor:
    """Open a processor as a start does that finds a batch undone."""
    processor = Processor(lake.spark, lake.fence(), lake.contract, Path("unused"))
    assert processor.left_undone
    return processor


def test_what_a_batch_ends_with_is_done_by_the_next_start(lake: DropLake) -> None:
    """KPIs and upkeep that a killed stream did not come to; however often a start is killed."""
    done: list[str] = []

    def killed(_: SparkSession) -> None:
        raise Killed

    lake.put("a.csv", csv(row("c1")))
    landed = lake.files.list(lake.settings.landing)
    with pytest.raises(Killed):
        lake.processor().process(lake.spark, landed, killed)
    assert names(lake) == []
    with pytest.raises(Killed):
        started(lake).end_last_batch(lake.spark, killed)
    started(lake).end_last_batch(lake.spark, lambda _: done.append("done"))
    assert done == ["done"]
    assert not lake.processor().left_undone


def test_a_file_that_is_gone_when_it_is_read_has_an_account(lake: DropLake) -> None:
    """Between the list and the copy: the ledger says so, and the same file again is taken in."""
    processor = lake.processor()
    gone = lake.put("gone.csv", csv(row("c1")), modified_ms=T0)
    lake.files.delete(gone.path)
    processor.process(lake.spark, [gone])
    assert states(lake) == {"gone.csv": ("rejected", "vanished")}
    lake.put("gone.csv", csv(row("c1")), modified_ms=T0 + 1)
    assert held(lake, processor) == [["gone.csv"]]
    assert [each["state"] for each in lake.ledger()] == ["rejected", "ingested"]


def test_long_names_and_odd_times_stop_nothing(lake: DropLake) -> None:
    """A name of 255 bytes, twice on one day; a file of the year 58000 and one of 1969."""
    long, processor = f"{'m' * 251}.csv", lake.processor()
    for customer in ("c1", "c2"):
        lake.put(long, csv(row(customer)), modified_ms=T0)
        held(lake, processor)
    lake.put("a%2Fb c.csv", csv(row("c3")), modified_ms=1_767_000_000_000_000)
    lake.put("old.csv", csv(row("c4", first="1960-01-01", last="1960-01-02")), modified_ms=-1000)
    held(lake, processor)
    assert held(lake, lake.processor()) == []
    assert [each["state"] for each in lake.ledger()] == ["ingested"] * 4
    assert [each for (each,) in lake.features("master_id")] == ["c1", "c2", "c3", "c4"]
    notes = [note for each in lake.ledger() for note in each["notes"]]
    assert [note for note in notes if "kept as 9999-12-31" in note] == [notes[0]]
    assert names(lake) == []


def test_directories_that_look_like_partitions_are_refused(lake: DropLake) -> None:
    """There before the first start or made later, alone or together: they stop no stream."""
    lake.put("a=1/inner.csv", csv(row("c1")))
    lake.put("b=2/inner.csv", csv(row("c2")))
    with running(lake, sweep_seconds=0.5) as stream:
        lake.put("first.csv", csv(row("c3")))
        wait_for(lambda: names(lake) == [], "an empty landing", 60)
        lake.put("c=3/d=4/inner.csv", csv(row("c4")))
        lake.put("second.csv", csv(row("c5")))
        wait_for(lambda: names(lake) == [], "an empty landing", 60)
        stream.stop()
        assert stream.end() == 0
    assert states(lake) == {
        **dict.fromkeys(("a=1", "b=2", "c=3"), ("rejected", "is_directory")),
        **dict.fromkeys(("first.csv", "second.csv"), ("ingested", "None")),
    }


def test_a_file_dated_far_ahead_silences_nobody(lake: DropLake) -> None:
    """The query leaves out what is a hundred years older than the newest; a round does not."""
    with running(lake, sweep_seconds=0.5) as stream:
        lake.put("ahead.csv", csv(row("c1")), modified_ms=7_258_118_400_000)  # 2200
        wait_for(lambda: names(lake) == [], "an empty landing", 60)
        lake.put("now.csv", csv(row("c2")))
        wait_for(lambda: names(lake) == [], "an empty landing", 60)
        stream.stop()
        assert stream.end() == 0
    assert set(states(lake).values()) == {("ingested", "None")}


def test_a_drop_that_trips_the_decoder_does_not_stop_the_next(
    lake: DropLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A defect of the decoder costs one drop its account, never the stream its life."""
    real = streaming.decode.drop.inspect_text

    def trip(spool: Any, name: str, *arguments: Any) -> Any:
        if name == "bad.csv":
            raise ValueError(csv(row("secret-id")))
        return real(spool, name, *arguments)

    monkeypatch.setattr(streaming.decode.drop, "inspect_text", trip)
    lake.put("bad.csv", csv(row("c1")))
    lake.put("good.csv", csv(row("c2")))
    accounts = {each["path"].rsplit("/", 1)[-1]: each for each in lake.take()}
    assert accounts["bad.csv"]["reason"].startswith("decoder_failed:")
    assert "secret-id" not in str(accounts["bad.csv"])
    assert accounts["good.csv"]["state"] == "ingested"


def test_refused_bytes_twice_in_a_batch_are_refused_twice(lake: DropLake) -> None:
    """Only ingested bytes have duplicates; the rows of refused ones are in quarantine once."""
    lake.put("a.csv", csv(row("c1"), row(""), row(" ")))
    lake.put("b.csv", csv(row("c1"), row(""), row(" ")))
    accounts = lake.take()
    assert [each["state"] for each in accounts] == ["rejected", "rejected"]
    assert [each["rows_quarantined"] for each in accounts] == [3, 3]
    assert lake.count("quarantine") == 3
    assert names(lake) == []
