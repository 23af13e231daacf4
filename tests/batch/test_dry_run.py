"""A dry run foretells what the stream then does, and leaves no trace."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from typer.testing import CliRunner

from batch import dry_run as module
from batch.dry_run import DryRun, dry_run, quiet_settings
from batch.kpis.changes import KpiChange, compare_kpis
from batch.kpis.formulas import NUMBERS
from batch.kpis.numbers import KEYS_OF
from checkpoints.ledger import Ledger
from flo import cli
from lake.contract import load_contract
from lake.errors import NotFoundError
from lake.fs import FileInfo, FileSystem
from lake.settings import Settings
from lake.tables import FEATURES, TABLES
from tests.kpi_oracle import oracle
from tests.lakes import HEADER, DropLake, csv, row

DAY = 86_400_000
NOW = datetime.now(UTC).replace(microsecond=0)
NOW_MS = int(NOW.timestamp()) * 1000
PLATFORM = f"{HEADER},platform_type"
# What only a batch can say of a drop.
OF_A_BATCH = {
    "account_id": "",
    "archived_path": None,
    "archived_sha256": None,
    "file_id": None,
    "first_seen_at": NOW,
    "batch_id": None,
    "snapshots_version": None,
    "quarantine_version": None,
    "features_version": None,
    "started_at": NOW,
    "finished_at": None,
}
Group = tuple[str | None, ...]

STORED = csv(row("canary-1"), row("canary-2", channel="Mobile"), row("canary-3"))
MIXED = csv(
    row("canary-1", last="2021-03-01", orders_offline="3", value_offline="70.10"),
    row("canary-2", channel="Mobile"),
    row("canary-3", last="2020-06-01", value_offline="5.00"),
    row("canary-4", channel="", first="2021-02-01").replace(",,", ",,Mobile", 1),
    row("canary-4", channel="", last="2020-12-31").replace(",,", ",,Mobile", 1),
    row("canary-5", orders_online="-1"),
)


class Rehearsal:
    """A lake, and a local file that is first dropped dry and then in earnest."""

    def __init__(self, lake: DropLake, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.lake = lake
        self.after: list[list[tuple[Any, ...]]] = []
        self._folder = folder
        patch.setattr(module, "compare_kpis", self._compare)

    def foretell(self, name: str, content: str) -> DryRun:
        """Run dry."""
        file = self._folder / name
        file.write_text(content)
        lake = self.lake
        return dry_run(lake.spark, lake.settings, lake.contract, file, NOW)

    def take(self, name: str, content: str) -> dict[str, Any]:
        """Let the stream take the same file, and return its account but for the batch's part."""
        self.lake.put(name, content, modified_ms=NOW_MS)
        [account] = self.lake.take(name)
        return account | OF_A_BATCH

    def _compare(self, before: DataFrame, after: DataFrame) -> list[KpiChange]:
        """Keep the features that the KPIs are computed from."""
        columns = [name for name in TABLES[FEATURES].column_names if name != "updated_at"]
        rows = after.orderBy("master_id").select(*columns).collect()
        self.after.append([tuple(each.asDict(recursive=True).values()) for each in rows])
        return compare_kpis(before, after)


@pytest.fixture
def rehearsal(lake: DropLake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rehearsal:
    """Provide an empty lake to rehearse in."""
    return Rehearsal(lake, tmp_path, monkeypatch)


def account_of(run: DryRun) -> dict[str, Any]:
    """Give a dry run's account as the lake gives those of the stream."""
    return {**asdict(run.account), "account_id": ""}


def kpis(lake: DropLake) -> dict[Group, dict[str, Any]]:
    """Recompute the KPIs of the stored features: the numbers by table and group."""
    rows = lake.features(
        "order_channel", "platform_type", "order_num_total", "customer_value_total"
    )
    return {
        (name, *group): numbers
        for name, positions in KEYS_OF.items()
        for group, numbers in oracle(rows, *positions).items()
    }


def changed(run: DryRun, kpis: dict[Group, dict[str, Any]]) -> dict[Group, dict[str, Any]]:
    """Apply the foretold changes to KPIs, of which each must say what was before."""
    result = dict(kpis)
    for change in run.kpis:
        group = (change.kpi_table, *change.group.values())
        before = result.pop(group, None)
        assert change.before == before or (before is None and change.before["total_customers"] == 0)
        if change.after["total_customers"]:
            result[group] = dict(change.after)
    return result


def everything(files: FileSystem, path: str = "/") -> Iterator[FileInfo]:
    """List files and directories below a path; a table's versions are files in its log."""
    for info in files.list(path):
        yield info
        if info.is_dir:
            yield from everything(files, info.path)


def test_a_dry_run_foretells_the_account_the_features_and_the_kpis(rehearsal: Rehearsal) -> None:
    """What a dry run says of new, changed, same, late, repeated and bad rows comes true."""
    lake = rehearsal.lake
    lake.put("stored.csv", STORED, modified_ms=NOW_MS - DAY)
    lake.take()
    before = kpis(lake)

    run = rehearsal.foretell("mixed.csv", MIXED)
    account = rehearsal.take("mixed.csv", MIXED)

    assert account_of(run) == account
    counts = [account[f"rows_{name}"] for name in ("inserted", "updated", "unchanged", "stale")]
    assert [*counts, account["rows_superseded"], account["rows_quarantined"]] == [1] * 6
    assert run.reasons == {"negative: order_num_total_ever_online": 1}
    assert run.warnings == {"first_after_last": 1}
    assert rehearsal.after == [lake.features()]
    assert changed(run, before) == kpis(lake)
    assert [list(each.group.values()) for each in run.kpis if each.kpi_table == "channel_kpis"] == [
        [None],
        ["Offline"],
    ]


def test_late_rows_are_recomputed_past_a_killed_batch(
    rehearsal: Rehearsal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stale row fills what the winner's drop lacked; rows of a killed batch do not count."""
    lake = rehearsal.lake
    lake.put("winner.csv", csv(row(last="2021-06-01")), modified_ms=NOW_MS - DAY)
    lake.take()
    lost = csv(f"{row(last='2021-05-02')},OmniChannel", header=PLATFORM)
    lake.put("lost.csv", lost, modified_ms=NOW_MS - DAY)
    with monkeypatch.context() as broken:
        broken.setattr("streaming.write.plan_upsert", _killed)
        with pytest.raises(InterruptedError):
            lake.take("lost.csv")
    late = csv(f"{row(last='2021-05-01')},Online", header=PLATFORM)
    before = kpis(lake)

    run = rehearsal.foretell("late.csv", late)
    account = rehearsal.take("late.csv", late)

    assert account_of(run) == account
    assert run.account.rows_stale == 1
    assert rehearsal.after == [lake.features()]
    assert lake.features("platform_type") == [("Online",)]
    assert changed(run, before) == kpis(lake)


def test_what_is_no_new_drop_is_foretold_too(
    rehearsal: Rehearsal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Repeated and refused bytes are told with the stream's own reason, and change no KPI."""
    lake = rehearsal.lake
    lake.put("stored.csv", csv(row()), modified_ms=NOW_MS - DAY)
    processor = lake.processor()
    with monkeypatch.context() as broken:
        # Killed between the features and the ledger, which the next start of a stream puts right.
        broken.setattr(Ledger, "append", _killed)
        with pytest.raises(InterruptedError):
            lake.take(processor=processor)
    contents = {
        "again.csv": csv(row()),
        "empty.csv": "",
        "strange.csv": "a,b\n1,2\n",
        "bad.csv": csv(row(""), row(last="")),
    }

    runs = [rehearsal.foretell(name, content) for name, content in contents.items()]
    accounts = [rehearsal.take(name, content) for name, content in contents.items()]

    assert [account_of(run) for run in runs] == accounts
    assert [run.account.state for run in runs] == ["duplicate", *["rejected"] * 3]
    assert [len(run.kpis) for run in runs] == [0] * 4
    assert runs[3].reasons == {"drop_refused": 2, "blank_master_id": 1, "no_last_order_date": 1}


def test_the_command_answers_and_leaves_nothing_behind(
    lake: DropLake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`flo drop --dry-run` gives one JSON object without personal data.

    Every file, directory, size and time in HDFS stays, and no local file is left behind (the
    directory that all programs of a user share stays, see :mod:`lake.scratch`).
    """
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    monkeypatch.setenv("FLO_ROOT", lake.settings.root)
    file = tmp_path / "mixed.csv"
    file.write_text(MIXED)
    before = list(everything(lake.files))

    result = CliRunner().invoke(cli.app, ["drop", "--dry-run", str(file), "--format", "json"])

    assert result.exit_code == 0, result.output
    [told] = json.loads(result.stdout)
    assert (told["state"], told["rows_inserted"], told["delimiter"]) == ("ingested", 4, ",")
    assert told["kpis"][1] == {
        "kpi_table": "channel_kpis",
        "order_channel": "Mobile",
        "before": dict.fromkeys(NUMBERS) | _totals(0, 0, "0.00"),
        "after": _everywhere("10.0000") | _totals(1, 1, "10.00") | _averages(1.0, 10.0),
        "difference": dict.fromkeys(NUMBERS) | _totals(1, 1, "10.00"),
    }
    assert "canary" not in result.output
    assert list(everything(lake.files)) == before
    [common] = scratch.iterdir()
    assert list(common.iterdir()) == []


def test_without_tables_the_remedy_is_named(spark: SparkSession, tmp_path: Path) -> None:
    """Before `flo init` a dry run says what to do first."""
    nowhere = Settings(fs="file://", root=str(tmp_path / "nowhere"))
    file = tmp_path / "a.csv"
    file.write_text(STORED)
    with pytest.raises(NotFoundError, match="flo init"):
        dry_run(spark, nowhere, load_contract(nowhere.contract), file, NOW)


@pytest.mark.parametrize(("master", "used"), [("yarn", "local[*]"), ("local[2]", "local[2]")])
def test_the_session_is_local_and_keeps_no_log(master: str, used: str) -> None:
    """A cluster's session would write into HDFS, so a dry run never opens one."""
    logged = {"spark.eventLog.enabled": "true"}
    quiet = quiet_settings(Settings(master=master, spark=logged))
    assert (quiet.master, quiet.spark) == (used, {"spark.eventLog.enabled": "false"})


def _killed(*_: object, **__: object) -> None:
    raise InterruptedError


def _totals(customers: int, orders: int, revenue: str) -> dict[str, Any]:
    return {"total_customers": customers, "total_orders": orders, "total_revenue": revenue}


def _averages(orders: float, revenue: float) -> dict[str, Any]:
    return {"avg_orders": orders, "avg_revenue": revenue}


def _everywhere(amount: str) -> dict[str, Any]:
    return dict.fromkeys([name for name in NUMBERS if name.startswith("revenue_")], amount)
