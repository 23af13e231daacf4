"""Every file is pending, ingested, duplicate or rejected, or the audit says what is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

from batch.standing.audit import audit_files, count_states, find_unaccounted
from batch.standing.places import Look
from checkpoints.ledger import LedgerRow
from checkpoints.troubles import Trouble
from flo import cli
from lake.fs import FileInfo
from tests.lakes import DropLake, csv, row

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
MADE = NOW - timedelta(hours=2)
NOTHING = Look((), (), (), ())


def millis(moment: datetime) -> int:
    """Milliseconds since 1970."""
    return int(moment.timestamp()) * 1000


def file(path: str, *, size: int = 10, made: datetime = MADE, is_dir: bool = False) -> FileInfo:
    """Describe a file."""
    return FileInfo(path, size, millis(made), is_dir, "ada", 0o644)


def account(path: str, archived: str | None, **values: object) -> LedgerRow:
    """Account for the file of that name as it was made."""
    given = {"bytes": 10, "state": "ingested", "started_at": NOW, **values}
    return LedgerRow(path, modified_at=MADE, archived_path=archived, **given)  # type: ignore[arg-type]


def found(look: Look) -> list[tuple[str, str]]:
    """List the findings of one look."""
    return [(each.path, each.finding.value) for each in find_unaccounted(look, NOW)]


OLD = NOW - timedelta(hours=25)
WELL = {
    "a new file": Look([file("/l/a.csv")], (), (), ()),
    "archived": Look((), (), [account("/l/a.csv", "/a/a.csv")], [file("/a/a.csv")]),
    "not moved yet": Look(
        [file("/l/a.csv", size=12)], (), [account("/l/a.csv", "/a/a.csv", bytes=12)], ()
    ),
    "vanished, with its account": Look((), (), [account("/l/a.csv", None)], ()),
    "still being copied": Look([file("/l/._a.csv._COPYING_")], (), (), ()),
    "an archived directory": Look(
        (),
        (),
        [account("/l/d", "/a/d", bytes=0, state="rejected")],
        [file("/a/d", size=4096, is_dir=True), file("/a/d/e", is_dir=True), file("/a/d/e/x.csv")],
    ),
    "moved back into landing, and accounted for again": Look(
        (),
        (),
        [
            account("/l/a.csv", "/a/2/a.csv", started_at=NOW, file_id=7),
            account("/l/a.csv", "/a/1/a.csv", started_at=OLD, file_id=7, state="rejected"),
        ],
        [file("/a/2/a.csv")],
    ),
    "a directory that is old and whole": Look(
        [file("/l/d", made=OLD, is_dir=True)], [file("/l/d/x.csv", made=OLD)], (), ()
    ),
}


@pytest.mark.parametrize("name", WELL)
def test_what_takes_its_course_is_no_finding(name: str) -> None:
    """A file that is pending, or has an account and lies where that says, is accounted for."""
    assert found(WELL[name]) == []


ILL = {
    "abandoned": (
        Look([file("/l/x.csv.tmp", made=OLD)], (), (), ()),
        ("/l/x.csv.tmp", "abandoned"),
    ),
    "abandoned in a directory": (
        Look([file("/l/d", is_dir=True)], [file("/l/d/_x.csv", made=OLD)], (), ()),
        ("/l/d/_x.csv", "abandoned"),
    ),
    "put into the archive by hand": (
        Look((), (), [account("/l/a.csv", "/a/a.csv")], [file("/a/a.csv"), file("/a/b.csv")]),
        ("/a/b.csv", "not_in_ledger"),
    ),
    "taken out of the archive": (
        Look((), (), [account("/l/a.csv", "/a/a.csv")], ()),
        ("/a/a.csv", "archived_file_gone"),
    ),
    "overwritten before its move": (
        Look([file("/l/a.csv", size=11)], (), [account("/l/a.csv", "/a/a.csv")], ()),
        ("/a/a.csv", "archived_file_gone"),
    ),
    "of another's name, size and time, and gone": (
        Look(
            (),
            (),
            [
                account("/l/a.csv", "/a/a.csv", started_at=OLD, file_id=7),
                account("/l/a.csv", "/a/a~1.csv", file_id=8),
            ],
            [file("/a/a~1.csv")],
        ),
        ("/a/a.csv", "archived_file_gone"),
    ),
    "not to be read": (
        Look([file("/l/a.csv")], (), (), (), [Trouble("/l/a.csv", "ask")]),
        ("/l/a.csv", "not_read"),
    ),
    "not to be moved": (
        Look(
            [file("/l/a.csv")],
            (),
            [account("/l/a.csv", "/a/a.csv")],
            (),
            [Trouble("/l/a.csv", "ask", "1")],
        ),
        ("/l/a.csv", "not_moved"),
    ),
    "cut in the archive": (
        Look((), (), [account("/l/a.csv", "/a/a.csv")], [file("/a/a.csv", size=9)]),
        ("/a/a.csv", "archived_file_changed"),
    ),
}


@pytest.mark.parametrize("name", ILL)
def test_what_has_left_its_course_is_a_finding(name: str) -> None:
    """A file that is none of pending, ingested, duplicate and rejected is named, once."""
    look, finding = ILL[name]
    assert found(look) == [finding]


def test_the_states_are_counted() -> None:
    """Accounts count by state; what waits in landing is pending."""
    look = replace(
        NOTHING,
        # Of these, b waits for its move, and a is another file than the one in the archive.
        landing=[file("/l/a.csv"), file("/l/b.csv"), file("/l/new.csv")],
        accounts=[
            account("/l/a.csv", "/a/a.csv"),
            account("/l/b.csv", "/a/b.csv", state="duplicate"),
            account("/l/c.csv", None, state="rejected"),
        ],
        archive=[file("/a/a.csv")],
    )
    assert count_states(look, set()) == {
        "pending": 2,
        "ingested": 1,
        "duplicate": 1,
        "rejected": 1,
    }


def test_a_file_that_moves_between_two_looks_is_not_reported() -> None:
    """Only what is suspect in both of two looks is a finding."""
    stray, late, later = (file(f"/a/{name}.csv") for name in ("stray", "late", "later"))
    looks = iter(
        [
            replace(NOTHING, archive=[late, stray]),
            replace(
                NOTHING,
                accounts=[account("/l/late.csv", late.path)],
                archive=[late, later, stray],
            ),
        ]
    )
    result = audit_files(lambda: next(looks), NOW)
    assert [each.path for each in result.findings] == [stray.path]
    assert str(result) == "0 pending, 1 ingested, 0 duplicate, 0 rejected, 1 unaccounted for."


@pytest.fixture
def audit(
    lake: DropLake, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], tuple[int, dict[str, str], str]]:
    """Run ``flo audit``: its exit code, the findings by file name, and what it says."""
    monkeypatch.setenv("FLO_ROOT", lake.settings.root)

    def run() -> tuple[int, dict[str, str], str]:
        done = CliRunner().invoke(cli.app, ["audit", "--format", "json"])
        rows = json.loads(done.stdout)
        return done.exit_code, {r["path"].rsplit("/")[-1]: r["finding"] for r in rows}, done.stderr

    return run


def test_an_audit_of_a_real_lake(
    lake: DropLake, audit: Callable[[], tuple[int, dict[str, str], str]]
) -> None:
    """It ends with 0 as long as all is well, and with 1 and the files when it is not."""
    lake.put("a.csv", csv(row()))
    lake.put("b.csv", csv(row()))
    lake.put("c.csv", "")
    accounts = lake.take()
    lake.put("d.csv", csv(row("c4")))
    code, findings, told = audit()
    assert (code, findings) == (0, {})
    assert "1 pending, 1 ingested, 1 duplicate, 1 rejected, 0 unaccounted" in " ".join(told.split())

    archived = {each["path"].rsplit("/")[-1]: each["archived_path"] for each in accounts}
    lake.files.rename(archived["a.csv"], f"{archived['a.csv']}.aside")
    lake.put("f.csv.part", "half", modified_ms=millis(datetime.now(UTC) - timedelta(hours=25)))
    code, findings, _ = audit()
    assert code == 1
    assert findings == {
        "a.csv": "archived_file_gone",
        "a.csv.aside": "not_in_ledger",
        "f.csv.part": "abandoned",
    }
