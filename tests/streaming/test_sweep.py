"""What the source cannot see, or will never look at again, is settled beside it."""

from __future__ import annotations

from typing import Any

import pytest

import streaming.decode.drop
from checkpoints.spark_checkpoint import SeenFile
from streaming.processor import Processor
from streaming.sweep import find_deferred, names_of, sweep
from tests.lakes import DropLake, csv, row

T0 = 1_640_000_000_000  # 2021-12-20


def swept(lake: DropLake, processor: Processor, *seen: str) -> dict[str, tuple[str, str]]:
    """Sweep landing, and return state and reason code by file name."""
    paths = {f"{lake.settings.landing}/{name}" for name in seen}
    rows = sweep(lake.spark, processor, {_plain(path) for path in paths})
    return {each.path.rsplit("/", 1)[-1]: (each.state, str(each.reason)) for each in rows}


def _plain(path: str) -> str:
    return "/" + path.split("://", 1)[-1].partition("/")[2] if "://" in path else path


def names(lake: DropLake) -> list[str]:
    """Names of the files in landing."""
    return [info.name for info in lake.files.list(lake.settings.landing)]


@pytest.mark.parametrize("modified_ms", [T0, T0 + 1])
def test_other_bytes_under_an_old_name_are_a_new_drop(lake: DropLake, modified_ms: int) -> None:
    """Even with the very time of the file before: it gets a fresh name and is taken in."""
    processor = lake.processor()
    lake.put("a.csv", csv(row("c1")), modified_ms=T0)
    lake.take(processor=processor)
    lake.put("a.csv", csv(row("c2")), modified_ms=modified_ms)
    # Spark may plan it again after a lost checkpoint; only then is it processed under its name.
    assert swept(lake, processor, "a.csv") == {}
    [fresh] = names(lake)
    assert fresh.startswith("a~")
    assert list(names_of(fresh)) == [fresh, "a.csv"]
    [account] = lake.take(processor=processor)
    assert account["state"] == "ingested"
    assert [each for (each,) in lake.features("master_id")] == ["c1", "c2"]
    assert names(lake) == []


def test_a_file_that_only_looks_done_is_not_moved_over_the_archived_one(lake: DropLake) -> None:
    """Planned again under the name and time of an accounted file, it is left to the sweep."""
    lake.put("a.csv", csv(row("c1")), modified_ms=T0)
    [first] = lake.take()
    lake.put("a.csv", csv(row("c2")), modified_ms=T0)
    assert lake.take() == []
    assert names(lake) == ["a.csv"]
    assert lake.files.read_text(first["archived_path"]) == csv(row("c1"))


def test_a_move_that_a_crash_left_out_is_made(lake: DropLake) -> None:
    """An accounted-for file still in landing goes to the archive, without a second account."""
    processor = lake.processor()
    lake.put("a.csv", csv(row("c1")), modified_ms=T0)
    [account] = lake.take(processor=processor)
    lake.files.rename(account["archived_path"], account["path"])
    assert swept(lake, processor, "a.csv") == {}
    assert names(lake) == []
    assert lake.files.exists(account["archived_path"])


def test_what_is_no_drop_is_refused_with_a_reason(lake: DropLake) -> None:
    """A directory and a file of another kind are refused and archived; hidden files wait."""
    processor = lake.processor()
    lake.put("folder/inner.csv", csv(row("c1")))
    lake.put("notes.txt", "hello")
    lake.put("half.csv.tmp", "master_id")
    told = swept(lake, processor)
    assert {name: reason.split(":")[0] for name, (_, reason) in told.items()} == {
        "folder": "is_directory",
        "notes.txt": "not_csv",
    }
    assert {state for state, _ in told.values()} == {"rejected"}
    assert names(lake) == ["half.csv.tmp"]


def test_a_file_taken_away_while_it_was_written_has_an_account(lake: DropLake) -> None:
    """Noticed by the source, never whole, then gone: the ledger says so, also after a restart."""
    processor = lake.processor()
    gone = SeenFile(_plain(f"{lake.settings.landing}/gone.csv"), T0, 0)
    processor.deferred = find_deferred(processor, [gone])
    assert list(processor.deferred) == [gone.path]
    [(name, (state, reason))] = swept(lake, processor, "gone.csv").items()
    assert (name, state) == ("gone.csv", "rejected")
    assert reason.startswith("vanished:")
    assert processor.deferred == {}
    assert find_deferred(lake.processor(), [gone]) == {}


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
    states = {each["path"].rsplit("/", 1)[-1]: each for each in lake.take()}
    assert states["bad.csv"]["reason"].startswith("decoder_failed:")
    assert "secret-id" not in str(states["bad.csv"])
    assert states["good.csv"]["state"] == "ingested"


def test_refused_bytes_twice_in_a_batch_are_refused_twice(lake: DropLake) -> None:
    """Only ingested bytes have duplicates; the rows of refused ones are in quarantine once."""
    lake.put("a.csv", csv(row("c1"), row(""), row(" ")))
    lake.put("b.csv", csv(row("c1"), row(""), row(" ")))
    accounts = lake.take()
    assert [each["state"] for each in accounts] == ["rejected", "rejected"]
    assert [each["rows_quarantined"] for each in accounts] == [3, 3]
    assert lake.count("quarantine") == 3
    assert names(lake) == []
