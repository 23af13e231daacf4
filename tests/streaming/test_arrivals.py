"""Each arrival of a file has an account of its own, and only that one settles it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from batch.standing.audit import audit_files
from batch.standing.places import read_accounts, take_look
from batch.verification.verify import verify
from checkpoints.contracts import contract_path
from lake.fs import FileInfo
from lake.reading import Lake
from lake.spark_tables import SparkTables
from lake.tables import QUARANTINE, SNAPSHOTS
from streaming.decode import DECODER_VERSION
from tests.faults.running import killed_at
from tests.lakes import DropLake, csv, row
from tests.streaming.test_rounds import held, names

T0 = 1_640_000_000_000  # 2021-12-20
HALF_BAD = csv(row("c1"), row(""), row(" "))


def judged_so(lake: DropLake, max_bad_share: float) -> None:
    """Have what is taken in from now on judged by a contract with this share."""
    lake.contract = lake.contract.model_copy(update={"max_bad_share": max_bad_share})


def moved_back(lake: DropLake, account: dict[str, object]) -> FileInfo:
    """Move a file out of the archive into landing again, as an operator does."""
    lake.files.rename(str(account["archived_path"]), str(account["path"]))
    info = lake.files.status(str(account["path"]))
    assert info is not None
    return info


def test_a_rejected_file_that_is_moved_back_is_a_new_arrival(lake: DropLake) -> None:
    """With its name, its time and its place in HDFS: it is tried again, by the contract of now."""
    lake.put("a.csv", HALF_BAD, modified_ms=T0)
    [rejected] = lake.take(processor=lake.processor())
    assert rejected["state"] == "rejected"
    moved_back(lake, rejected)
    judged_so(lake, 0.9)
    [ingested] = lake.take(processor=lake.processor())
    assert (ingested["state"], ingested["rows_accepted"]) == ("ingested", 1)
    assert ingested["account_id"] != rejected["account_id"]
    assert (lake.count(SNAPSHOTS), lake.count(QUARANTINE)) == (1, 2)
    assert [each["state"] for each in lake.ledger()] == ["rejected", "ingested"]
    assert names(lake) == []


def test_rejected_bytes_that_come_again_survive_a_kill(
    lake: DropLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after the features' commit, under the name and time of the rejected file."""
    lake.put("a.csv", HALF_BAD, modified_ms=T0)
    assert [each["state"] for each in lake.take(processor=lake.processor())] == ["rejected"]
    lake.put("a.csv", HALF_BAD, modified_ms=T0)
    judged_so(lake, 0.9)
    with killed_at("after_merge", monkeypatch):
        lake.take(processor=lake.processor())
    assert lake.take(processor=lake.processor()) == []
    first, second = lake.ledger()
    assert [first["state"], second["state"]] == ["rejected", "ingested"]
    assert first["account_id"] != second["account_id"]
    assert [each for (each,) in lake.features("master_id")] == ["c1"]
    assert (lake.count(SNAPSHOTS), lake.count(QUARANTINE)) == (1, 2)
    assert names(lake) == []


@pytest.mark.parametrize("moved", [True, False])
def test_other_bytes_of_one_name_size_and_time_are_another_file(
    lake: DropLake, *, moved: bool
) -> None:
    """Whether or not the file before it was moved: HDFS gives each file a number of its own."""
    processor = lake.processor()
    lake.put("a.csv", csv(row("c1")), modified_ms=T0)
    [first] = lake.take(processor=processor)
    if not moved:
        moved_back(lake, first)
    lake.put("a.csv", csv(row("c2")), modified_ms=T0)
    assert held(lake, processor) == [["a.csv"]]
    second = max(lake.ledger(), key=lambda each: each["finished_at"])
    assert (second["state"], second["path"]) == ("ingested", first["path"])
    assert first["file_id"] != second["file_id"]
    assert [each for (each,) in lake.features("master_id")] == ["c1", "c2"]
    assert names(lake) == []


def at_step(step: str, patch: pytest.MonkeyPatch, action: Callable[[], object]) -> None:
    """Have something done at the first passage of a step."""
    left = [action]

    def act(name: str) -> None:
        if name == step and left:
            left.pop()()

    patch.setattr("lake.failpoint.kill_at", act)


def append(lake: DropLake, path: str, text: str) -> None:
    """Append to a file, and close it."""
    writer = lake.files._fs(path).append(lake.files._path(path))
    writer.write(bytearray(text.encode()))
    writer.close()


@pytest.mark.parametrize("step", ["after_ledger", "during_archive"])
def test_what_is_appended_after_the_reading_is_a_new_arrival(
    lake: DropLake, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Before the move or in it: all rows arrive, and the archive has what was read of each."""
    first, second, processor = csv(row("c1")), f"{row('c2')}\n", lake.processor()
    landed = lake.put("a.csv", first)

    def add() -> None:
        is_moved = step == "during_archive"
        [day] = lake.files.walk(lake.settings.archive) if is_moved else [landed]
        append(lake, day.path, second)

    at_step(step, monkeypatch, add)
    assert held(lake, processor) == [["a.csv"], ["a.csv"]]
    kept = [lake.files.read_text(each["archived_path"]) for each in lake.ledger()]
    assert kept == [first, first + second]
    assert [each["archived_sha256"] for each in lake.ledger()] == [
        hashlib.sha256(each.encode()).hexdigest() for each in (first, first + second)
    ]
    assert [each for (each,) in lake.features("master_id")] == ["c1", "c2"]
    assert names(lake) == []
    assert findings(lake) == []


def test_a_file_that_is_open_again_when_it_is_moved_goes_back(
    lake: DropLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits in landing for its writer, and the archive has what was read."""
    processor = lake.processor()
    path = lake.put("a.csv", csv(row("c1"))).path
    writers: list[Any] = []
    files = lake.files
    at_step(
        "after_ledger",
        monkeypatch,
        lambda: writers.append(files._fs(path).append(files._path(path))),
    )
    held(lake, processor)
    [account] = lake.ledger()
    assert (names(lake), files.read_text(account["archived_path"])) == (["a.csv"], csv(row("c1")))
    writers[0].write(bytearray(f"{row('c2')}\n".encode()))
    writers[0].close()
    held(lake, processor)
    assert [each for (each,) in lake.features("master_id")] == ["c1", "c2"]
    assert (names(lake), findings(lake)) == ([], [])


@pytest.mark.parametrize("what", ["renamed", "taken away", "written anew"])
def test_a_file_that_its_supplier_moves_before_we_do_is_kept_as_it_was_read(
    lake: DropLake, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Renamed, taken away or written anew after its account: no audit complains for ever."""
    processor = lake.processor()
    path = lake.put("a.csv", csv(row("c1"))).path
    actions: dict[str, Callable[[], object]] = {
        "renamed": lambda: lake.files.rename(path, path.replace("a.csv", "b.csv")),
        "taken away": lambda: lake.files.delete(path),
        "written anew": lambda: lake.put("a.csv", csv(row("c2"))),
    }
    at_step("after_ledger", monkeypatch, actions[what])
    held(lake, processor)
    accounts = lake.ledger()
    assert lake.files.read_text(accounts[0]["archived_path"]) == csv(row("c1"))
    assert [each["state"] for each in accounts] == ["ingested"] * (1 + (what == "written anew"))
    assert (names(lake), findings(lake)) == ([], [])


def test_a_file_dated_ahead_wins_no_tie_and_hides_no_date(lake: DropLake) -> None:
    """2035, 2200, 58000: such a drop's time is when it was first seen; a recomputation says so."""
    ahead = {"a": 2_051_222_400_000, "b": 7_258_118_400_000, "c": 1_767_000_000_000_000}
    for name, modified_ms in ahead.items():
        late = row(f"{name}9", first="2034-01-01", last="2034-01-01")
        lake.put(f"{name}.csv", csv(row(name, value_offline="1.00"), late), modified_ms=modified_ms)
    lake.put("old.csv", csv(row("d")), modified_ms=315_532_800_000)  # 1980, as from a ZIP
    processor = lake.processor()
    held(lake, processor)
    assert {each["state"] for each in lake.ledger()} == {"ingested"}
    assert sorted(each["rows_quarantined"] for each in lake.ledger()) == [0, 1, 1, 1]
    reasons = [reason for (found,) in lake.rows(QUARANTINE, "reasons") for reason in found]
    assert {each.partition(":")[0] for each in reasons} == {"future_date"}
    lake.put("later.csv", csv(*(row(name, value_offline="2.00") for name in ahead)))
    held(lake, processor)
    values = dict(lake.features("master_id", "customer_value_total"))
    assert {values[name] for name in ahead} == {Decimal("2.00")}
    for each in lake.ledger():
        assert each["drop_time"] <= each["first_seen_at"]
    assert verify(lake.spark, lake.settings, from_archive=True).differences == ()


def test_the_contract_of_each_drop_is_kept_whole(lake: DropLake) -> None:
    """By its digest, which the account names."""
    lake.put("a.csv", csv(row("c1")))
    [account] = lake.take()
    path = contract_path(lake.settings, account["contract_digest"])
    text = lake.files.read_text(path)
    assert text == lake.contract.text
    assert hashlib.sha256(text.encode()).hexdigest() == account["contract_digest"]
    assert account["decoder_version"] == DECODER_VERSION
    assert [lake.ledger()[0][f"rows_{name}"] for name in ("forgotten", "erased_accepted")] == [0, 0]


def test_an_archived_drop_is_judged_by_its_own_contract(lake: DropLake, tmp_path: Path) -> None:
    """A rule that is changed says nothing of the drops before: the archive gives what it gave."""
    lake.put("a.csv", csv(row("c1"), row("c2", channel="Mobile")))
    lake.take()
    rule = """[[rules]]
name = "mobile"
when = "order_channel = 'Mobile'"
then = "quarantine"
"""
    stricter = tmp_path / "stricter.toml"
    stricter.write_text(lake.contract.text + rule)
    changed = lake.settings.model_copy(update={"contract": stricter})
    later = DropLake(lake.spark, changed)
    later.put("b.csv", csv(row("c3"), row("c4", channel="Mobile")))

    [account] = later.take()

    assert (account["rows_accepted"], account["rows_quarantined"]) == (1, 1)
    assert verify(lake.spark, changed, from_archive=True).differences == ()


def findings(lake: DropLake) -> list[tuple[str, str]]:
    """What an audit finds."""
    opened = Lake(lake.files, SparkTables(lake.spark, lake.settings))
    audit = audit_files(lambda: take_look(lake.files, lake.settings, lambda: read_accounts(opened)))
    return [(each.path, each.finding.value) for each in audit.findings]
