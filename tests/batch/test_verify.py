"""Whether the tables equal a recomputation: a sound lake does, and every damage is found."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256

import pytest
from delta.tables import DeltaTable
from pyspark.sql import functions as F
from typer.testing import CliRunner, Result

from batch.kpis_job import compute_kpis
from batch.verification.differences import SURPLUS
from batch.verification.ledger_checks import UNKNOWN
from batch.verification.verify import Verification, verify
from flo import cli
from lake.errors import NotFoundError
from lake.settings import Settings
from lake.tables import (
    CHANNEL_KPIS,
    FEATURES,
    LEDGER,
    PLATFORM_KPIS,
    QUARANTINE,
    SNAPSHOTS,
    table_path,
)
from streaming.decode import DECODER_VERSION
from tests.faults.drops import make_drops
from tests.faults.running import killed_at
from tests.lakes import HEADER, DropLake, csv, row

DROPS = make_drops(seed=5, count=8)
MINUTE = 60_000
BAD = csv(row(""), row(" "))
# Without a column that may be absent, and with one that the others lack.
NARROW = csv(row("customer-001").removesuffix(",[]"), header=HEADER.rpartition(",")[0])
WIDE = csv(f"{row('customer-002', last='2021-04-01')},A", header=f"{HEADER},store_type")


def is_drop(number: int) -> str:
    """Choose the rows of one of the made drops, by its time."""
    return f"unix_millis(drop_time) = {DROPS[number].modified_ms}"


@pytest.fixture(scope="module")
def filled(new_lake: Callable[[], DropLake]) -> DropLake:
    """Fill a lake with new, later, stale, late, repeated, bad and rejected rows."""
    lake = new_lake()
    for drop in DROPS[1:]:
        lake.put(drop.name, drop.content, modified_ms=drop.modified_ms)
    lake.put("bad.csv", BAD, modified_ms=DROPS[0].modified_ms - MINUTE)
    lake.take()
    # The first is older than those above; bytes that were rejected are tried again.
    lake.put(DROPS[0].name, DROPS[0].content, modified_ms=DROPS[0].modified_ms)
    for number, content in enumerate((BAD, NARROW, WIDE), start=20):
        modified = DROPS[0].modified_ms + number * MINUTE
        lake.put(f"further_{number}.csv", content, modified_ms=modified)
    lake.take()
    states = {account["state"] for account in lake.ledger()}
    assert states == {"ingested", "duplicate", "rejected"}
    assert sum(account["rows_stale"] for account in lake.ledger()) > 0
    return lake


@pytest.fixture
def copy(filled: DropLake) -> DropLake:
    """Make a lake with the same tables, to be damaged; its ledger names the other's archive."""
    return filled.copy()


@pytest.fixture(scope="module")
def sound(filled: DropLake) -> DropLake:
    """Make one with KPIs, too."""
    made = filled.copy()
    compute_kpis(made.spark, made.settings)
    return made


def open_delta(lake: DropLake, table: str) -> DeltaTable:
    """Open a table to do harm."""
    return DeltaTable.forPath(lake.spark, table_path(lake.settings, table))


def kinds(found: Verification) -> set[tuple[str, str, str, int]]:
    """Reduce the differences to what and how many."""
    return {(each.check, each.table, each.what, each.rows) for each in found.differences}


def look(lake: DropLake, monkeypatch: pytest.MonkeyPatch) -> Result:
    """Ask ``flo verify`` for JSON."""
    monkeypatch.setenv("FLO_ROOT", lake.settings.root)
    return CliRunner().invoke(cli.app, ["verify", "--format", "json"])


def test_a_sound_lake_equals_both_recomputations(sound: DropLake) -> None:
    """Late, absent, stale, repeated and rejected rows are in the tables as the rule says."""
    found = verify(sound.spark, sound.settings, from_archive=True)

    assert found.differences == ()
    assert found.notes == ()
    assert found.compared[FEATURES] == sound.count(FEATURES) > 0
    # Two of the twelve files repeat others, one of them the rejected one.
    assert found.files == 10
    assert [
        i.name for i in sound.files.list(sound.settings.checkpoints) if "verify" in i.name
    ] == []


def test_tables_that_are_empty_or_absent(lake: DropLake) -> None:
    """KPIs never computed are no difference; without tables there is a sentence."""
    assert verify(lake.spark, lake.settings, from_archive=True).differences == ()
    nowhere = Settings(root=f"{lake.settings.root}/nowhere")
    with pytest.raises(NotFoundError, match="flo init"):
        verify(lake.spark, nowhere)


def test_damaged_snapshots_are_found(copy: DropLake) -> None:
    """A changed or a strange snapshot shows in features and sums, any change in the archive."""
    winner = copy.table(FEATURES).where(is_drop(5)).select("drop_id", "row_no").first()
    assert winner is not None
    own = (F.col("drop_id") == winner["drop_id"]) & (F.col("row_no") == winner["row_no"])
    stranger = copy.table(SNAPSHOTS).where(own).withColumn("drop_id", F.lit("ab" * 32))
    stranger.write.format("delta").mode("append").save(table_path(copy.settings, SNAPSHOTS))
    value = {"customer_value_total_ever_online": F.lit(7).cast("decimal(18,2)")}
    # Warnings are in no other table, so that only the files can tell.
    changed = value | {"warnings": F.array(F.lit("made_up"))}
    open_delta(copy, SNAPSHOTS).update(own, changed)

    found = verify(copy.spark, copy.settings, from_archive=True)

    columns = {
        "avg_order_value",
        "customer_value_total",
        "customer_value_total_ever_online",
        "online_value_share",
    }
    assert kinds(found) == {
        *(("features", FEATURES, column, 1) for column in columns),
        ("ledger", SNAPSHOTS, UNKNOWN, 1),
        ("archive", SNAPSHOTS, "customer_value_total_ever_online", 1),
        ("archive", SNAPSHOTS, "warnings", 1),
        ("archive", SNAPSHOTS, SURPLUS, 1),
    }
    assert winner["drop_id"][:12] in found.differences[0].drops


def test_what_a_newer_decoder_reads_otherwise_is_called_so(copy: DropLake) -> None:
    """A difference in a drop that earlier rules have decoded is no damage; the name says so."""
    old, new = (sha256(DROPS[number].content.encode()).hexdigest() for number in (2, 3))
    for number in (2, 3):
        open_delta(copy, SNAPSHOTS).update(is_drop(number), {"store_type": F.lit("elsewhere")})
    open_delta(copy, LEDGER).update(f"drop_id = '{old}'", {"decoder_version": F.lit(1)})

    found = verify(copy.spark, copy.settings, from_archive=True)

    told = {each.what: each.drops for each in found.differences if each.table == SNAPSHOTS}
    assert told == {
        "store_type": (new[:12],),
        f"newer decoder ({DECODER_VERSION}): store_type": (old[:12],),
    }


def test_damaged_quarantine_ledger_and_kpis_are_found(
    sound: DropLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each sum that is wrong is named with the drops concerned; the exit code is 1."""
    copy = sound.copy()
    open_delta(copy, QUARANTINE).delete("array_contains(reasons, 'drop_refused') AND row_no = 1")
    accounts = copy.ledger()
    first, second = [each["drop_id"] for each in accounts if each["state"] == "ingested"][:2]
    ledger = open_delta(copy, LEDGER)
    more = {"rows_read": F.expr("rows_read + 3"), "rows_accepted": F.expr("rows_accepted + 2")}
    is_ingested = F.col("state") == "ingested"
    ledger.update(is_ingested & (F.col("drop_id") == first), more)
    ledger.delete(is_ingested & (F.col("drop_id") == second))
    lost = copy.table(SNAPSHOTS).where(F.col("drop_id") == second).count()
    open_delta(copy, CHANNEL_KPIS).update(
        "order_channel = 'Mobile'", {"total_orders": F.expr("total_orders + 1")}
    )
    open_delta(copy, PLATFORM_KPIS).update(set={"features_version": F.lit(999)})

    result = look(copy, monkeypatch)

    assert result.exit_code == 1
    assert "customer-" not in result.output
    rows = json.loads(result.stdout)
    told = {(row["table"], row["what"]): (row["rows"], row["drops"]) for row in rows}
    assert told[QUARANTINE, "rows_quarantined"][0] == 1
    assert told[LEDGER, "rows_read"] == (1, [first[:12]])
    assert told[LEDGER, "rows_accepted"] == (2, [first[:12]])
    assert told[SNAPSHOTS, "rows_accepted"] == (2, [first[:12]])
    assert told[SNAPSHOTS, UNKNOWN] == (lost, [second[:12]])
    assert told[CHANNEL_KPIS, "total_orders"] == (1, [])
    assert told[PLATFORM_KPIS, "features_version"][0] > 0
    # The customers of the drop that is not accounted for are what remains.
    assert {row["table"] for row in rows} - {FEATURES} == {table for table, _ in told} - {FEATURES}


def test_damaged_archive_files_are_found(filled: DropLake) -> None:
    """A file that is gone or has other bytes is a difference with its path, and hides no other."""
    made = {account["path"].rsplit("/", 1)[-1]: account for account in filled.ledger()}
    gone, other = (made[DROPS[number].name] for number in (2, 3))
    files = filled.files
    aside = f"{filled.settings.checkpoints}/aside"
    files.rename(gone["archived_path"], f"{aside}-gone")
    files.rename(other["archived_path"], f"{aside}-other")
    files.write_text(other["archived_path"], DROPS[3].content + "\n")
    try:
        found = verify(filled.spark, filled.settings, from_archive=True)
    finally:
        files.delete(other["archived_path"])
        files.rename(f"{aside}-gone", gone["archived_path"])
        files.rename(f"{aside}-other", other["archived_path"])

    assert [(each.what, each.drops) for each in found.differences] == [
        (f"file missing: {gone['archived_path']}", (gone["drop_id"][:12],)),
        (f"file changed: {other['archived_path']}", (other["drop_id"][:12],)),
    ]


@pytest.mark.parametrize(("point", "accounts"), [("after_quarantine", 0), ("after_merge", 1)])
def test_a_batch_that_is_not_done_is_no_difference(
    point: str, accounts: int, copy: DropLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the hand of a stream or left by a killed one: it counts once the features have it."""
    before = copy.count(LEDGER)
    newer = row("customer-001", last="2021-05-01", value_offline="77.00")
    copy.put("newer.csv", csv(newer, row("customer-new"), row("")))
    with killed_at(point, monkeypatch):
        copy.take()

    found = verify(copy.spark, copy.settings)

    assert found.differences == ()
    assert found.compared[LEDGER] == before + accounts
    assert "flo stream" in found.notes[0]
