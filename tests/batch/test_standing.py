"""One look at a lake says how its stream, drops, tables and KPIs stand."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from batch.standing.flow import drops_on_their_way
from batch.standing.lake import look_at_lake
from checkpoints.holder import Holder
from checkpoints.in_hand import staging_path, tell_in_hand
from lake.reading import Lake, TableState
from lake.settings import Settings
from lake.tables import (
    CHANNEL_KPIS,
    CHANNEL_PLATFORM_KPIS,
    FEATURES,
    LEDGER,
    PLATFORM_KPIS,
    QUARANTINE,
    SNAPSHOTS,
)
from tests.batch.standings import HOLDER, NOW, MemoryTables, account, state
from tests.checkpoints.local_files import LocalFiles

FILES = LocalFiles()
KPIS = (CHANNEL_KPIS, PLATFORM_KPIS, CHANNEL_PLATFORM_KPIS)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Keep the lake in a local directory."""
    for name in ("landing", "checkpoints", "archive"):
        (tmp_path / name).mkdir()
    return Settings(root=str(tmp_path))


def lake_of(*accounts: dict[str, object], kpis: tuple[int, ...] = ()) -> Lake:
    """Make a lake of these accounts, the newest first; its KPI tables show these versions."""
    shown = dict(zip(KPIS, kpis, strict=False))
    rows = {
        LEDGER: accounts,
        **{n: [{"features_version": v, "computed_at": NOW}] for n, v in shown.items()},
    }
    states: dict[str, TableState] = dict.fromkeys((FEATURES, LEDGER, *shown), state())
    return Lake(FILES, MemoryTables(rows, states))


def hold(settings: Settings, holder: Holder) -> Path:
    """Write a lock."""
    lock = Path(settings.checkpoints) / "lock"
    lock.write_text(json.dumps(asdict(holder)), "utf-8")
    return lock


def test_a_lake_without_tables_can_be_looked_at(settings: Settings) -> None:
    """Looking before `flo init` is no error."""
    at = look_at_lake(Lake(FILES, MemoryTables({}, {})), settings, NOW)
    assert (at.tables, at.running, at.newest, at.audited) == ({}, None, None, False)


def test_a_stream_elsewhere_runs_while_its_lock_is_fresh(settings: Settings) -> None:
    """A holder on another machine is believed for a minute; since when it runs is in the lock."""
    lock = hold(settings, HOLDER)
    at = look_at_lake(lake_of(), settings, NOW)
    assert at.running == HOLDER
    assert at.stream_since == NOW - timedelta(hours=5)
    old = (datetime.now(UTC) - timedelta(minutes=2)).timestamp()
    os.utime(lock, (old, old))
    at = look_at_lake(lake_of(), settings, NOW)
    assert (at.holder, at.running, at.stream_since) == (HOLDER, None, None)


def test_a_process_id_may_have_been_given_again(settings: Settings) -> None:
    """A holder on this machine runs only if that very process does, not its successor."""
    hold(settings, Holder.this_process("local-1"))
    assert look_at_lake(lake_of(), settings, NOW).running is not None
    hold(settings, replace(Holder.this_process("local-1"), created=1.0))
    assert look_at_lake(lake_of(), settings, NOW).running is None


def test_the_last_batch_is_timed_from_its_accounts(settings: Settings) -> None:
    """Rows a second are those of the newest batch alone, whatever older ones had its number."""
    earlier = account("old.csv", rows_read=999, started_at=NOW - timedelta(days=1))
    refused = account("dir", state="rejected", batch_id=None, rows_read=0, rows_accepted=0)
    at = look_at_lake(
        lake_of(refused, account("b.csv"), account("a.csv", rows_read=30), earlier), settings, NOW
    )
    assert at.last_batch is not None
    assert (at.last_batch.number, at.last_batch.drops, at.last_batch.rows) == (4, 2, 40)
    assert at.last_batch.rows_a_second == 8.0
    assert at.newest is not None
    assert at.newest["path"].endswith("/dir")


def test_the_last_day_is_counted_by_itself(settings: Settings) -> None:
    """States and the quarantine's share are told for 24 hours and for ever."""
    old = account(
        "old.csv", finished_at=NOW - timedelta(hours=25), rows_quarantined=10, rows_accepted=0
    )
    late = account("late.csv", rows_quarantined=1)
    at = look_at_lake(lake_of(late, account("twice.csv", state="duplicate"), old), settings, NOW)
    assert at.last_day.states == {"ingested": 1, "duplicate": 1}
    assert at.last_day.quarantined == 0.05
    assert at.ever.states == {"ingested": 2, "duplicate": 1}
    assert at.ever.quarantined == 11 / 30


def test_rows_of_the_tables_are_the_ledgers(settings: Settings) -> None:
    """A drop that was refused and tried again has the rows of its last try in quarantine."""
    again = account("x", rows_read=10, rows_accepted=9, rows_inserted=4, rows_quarantined=1)
    first = account("x", state="rejected", rows_accepted=0, rows_inserted=0, rows_quarantined=10)
    twice = account("x", state="duplicate", rows_accepted=0, rows_inserted=0)
    at = look_at_lake(lake_of(twice, again, first), settings, NOW)
    assert at.rows == {FEATURES: 4, SNAPSHOTS: 9, QUARANTINE: 1, LEDGER: 3}


@pytest.mark.parametrize(
    ("shown", "oldest", "behind"),
    [((), None, True), ((3, 3), None, True), ((3, 2, 3), 2, True), ((3, 3, 3), 3, False)],
)
def test_the_kpis_are_as_fresh_as_the_oldest_table(
    settings: Settings, shown: tuple[int, ...], oldest: int | None, behind: bool
) -> None:
    """KPI tables of several versions, or one without rows, are behind the features."""
    at = look_at_lake(lake_of(account("a.csv"), kpis=shown), settings, NOW)
    assert (at.kpis.features_version, at.kpis_behind) == (oldest, behind)


def test_the_batch_in_hand_is_told(settings: Settings) -> None:
    """Its number and since when, of the newest stream; before the first batch there is none."""
    assert look_at_lake(lake_of(), settings, NOW).in_hand is None
    for batch in ("9/7", "10/3"):
        tell_in_hand(FILES, f"{staging_path(settings)}/{batch}", {"a.csv": "1"})
    at = look_at_lake(lake_of(account("a.csv")), settings, NOW)
    assert at.in_hand is not None
    assert at.in_hand.name == "3"
    FILES.delete(at.in_hand.path)
    assert look_at_lake(lake_of(), settings, NOW).in_hand is None


def test_drops_on_their_way_are_listed(settings: Settings) -> None:
    """Those of the batch in hand come first; a name that waits for its rename is none."""
    tell_in_hand(FILES, f"{staging_path(settings)}/1/0", {"z.csv": "1"})
    for name in ("a.csv", "z.csv", "_half.csv", "b.txt"):
        (Path(settings.landing) / name).write_text("x")
    found = drops_on_their_way(lake_of(), settings)
    assert [(each.name, each.in_hand) for each in found] == [("z.csv", True), ("a.csv", False)]
