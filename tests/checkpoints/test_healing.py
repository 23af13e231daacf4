"""A stream goes on whatever becomes of the query's checkpoint, without a row lost or doubled."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from checkpoints.query_checkpoint import checkpoint_path, has_grown_long
from lake.errors import ServiceError
from lake.tables import SNAPSHOTS
from tests.faults.running import running
from tests.lakes import DropLake, csv, row
from tests.processes import wait_for


def empty(lake: DropLake, name: str) -> None:
    """Leave a file of the checkpoint with nothing in it."""
    lake.files.write_text(f"{checkpoint_path(lake.settings)}/{name}", "")


def tear(lake: DropLake, name: str) -> None:
    """Cut the end off a file of the checkpoint."""
    path = f"{checkpoint_path(lake.settings)}/{name}"
    text = lake.files.read_text(path)
    assert text
    lake.files.write_text(path, text[:-3])


def forget(lake: DropLake) -> None:
    """Delete the checkpoint, with a file in landing that a crash kept from the archive."""
    lake.files.delete(checkpoint_path(lake.settings))
    done = lake.ledger()[0]
    lake.files.rename(done["archived_path"], done["path"])


# What happens to the checkpoint before each start, and whether Spark cannot start on it then.
HARMS: tuple[tuple[Callable[[DropLake], None], bool], ...] = (
    (lambda _: None, False),
    (lambda lake: empty(lake, "offsets/0"), True),
    (lambda lake: tear(lake, "commits/0"), True),
    (lambda lake: tear(lake, "sources/0/0"), True),
    (lambda lake: empty(lake, "metadata"), True),
    (forget, False),
    (lambda _: None, False),
)


def test_a_stream_goes_on_whatever_becomes_of_its_checkpoint(lake: DropLake) -> None:
    """After each damage the next start takes everything in; no drop and no row comes twice.

    A checkpoint on which Spark cannot start is set aside.
    """
    aside = 0
    for number, (harm, sets_aside) in enumerate(HARMS):
        harm(lake)
        lake.put(
            f"{number}.csv", csv(row(f"c{number}"), row("always", last=f"2021-02-0{number + 1}"))
        )
        with running(lake) as stream:
            wait_for(lambda: lake.files.list(lake.settings.landing) == [], "an empty landing", 60)
            wait_for(
                lambda: lake.files.list(f"{checkpoint_path(lake.settings)}/commits"), "a commit"
            )
            stream.stop()
            assert stream.end() == 0, number
        aside += sets_aside
        assert len(set_aside(lake)) == aside, number
    accounts = [(each["path"].rsplit("/", 1)[-1], each["state"]) for each in lake.ledger()]
    assert accounts == [(f"{number}.csv", "ingested") for number in range(len(HARMS))]
    assert lake.count(SNAPSHOTS) == 2 * len(HARMS)
    assert [each for (each,) in lake.features("master_id")] == sorted(
        ["always", *(f"c{number}" for number in range(len(HARMS)))]
    )


def test_a_round_that_fails_while_the_query_cannot_start_is_made_good(
    lake: DropLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same trouble may be behind both: a new processor recovers, and everything is taken in."""
    failed: list[str] = []

    def fail_once(step: str) -> None:
        if step == "after_snapshots" and not failed:
            failed.append(step)
            raise ServiceError("HDFS does not answer.")

    monkeypatch.setattr("lake.failpoint.kill_at", fail_once)
    lake.files.write_text(f"{checkpoint_path(lake.settings)}/metadata", "")
    lake.put("a.csv", csv(row("c1"), row("c2")))
    with running(lake, sweep_seconds=0.5) as stream:
        wait_for(lambda: lake.files.list(lake.settings.landing) == [], "an empty landing", 60)
        lake.put("b.csv", csv(row("c3")))
        wait_for(lambda: lake.files.list(lake.settings.landing) == [], "an empty landing", 60)
        stream.stop()
        assert stream.end() == 0
    assert failed
    assert len(set_aside(lake)) == 1
    assert lake.count(SNAPSHOTS) == 3
    assert sum(each["rows_inserted"] for each in lake.ledger()) == 3


def set_aside(lake: DropLake) -> list[str]:
    """Names of the checkpoints that were set aside."""
    found = lake.files.list(lake.settings.checkpoints)
    return [info.name for info in found if info.name.startswith("stream.aside-")]


def test_a_checkpoint_that_has_grown_long_is_exchanged(
    lake: DropLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The source remembers each file for ever; the ledger knows them, too, so it may forget."""
    assert not has_grown_long(lake.files, lake.settings)
    lake.files.write_text(f"{checkpoint_path(lake.settings)}/sources/0/9.compact", "x" * 2000)
    assert not has_grown_long(lake.files, lake.settings)
    monkeypatch.setattr("checkpoints.query_checkpoint.LONGEST_LIST", 1999)
    assert has_grown_long(lake.files, lake.settings)
    lake.put("a.csv", csv(row("c1")))
    with running(lake) as stream:
        wait_for(lambda: lake.files.list(lake.settings.landing) == [], "an empty landing", 60)
        stream.stop()
        assert stream.end() == 0
    assert len(set_aside(lake)) == 1
    assert [each["state"] for each in lake.ledger()] == ["ingested"]
