"""A lake's tables made anew from its archive: those of the version before, and of this one."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from delta.tables import DeltaTable
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from typer.testing import CliRunner

from batch.questions.ask import lake_names
from batch.restore import Restored, RestoreError, restore
from batch.standing.audit import audit_files
from batch.standing.places import read_accounts, take_look
from batch.verification.differences import Difference
from batch.verification.verify import Verification, verify
from checkpoints.in_hand import staging_path
from checkpoints.kept_accounts import find_accounts, require_all_tables
from checkpoints.ledger import VERSION_COLUMNS
from flo import cli
from lake.errors import AccessError, ConfigError, NotFoundError
from lake.fence import FENCED, epoch_of
from lake.fs import FileSystem
from lake.initialise import initialise
from lake.java import java_class
from lake.native_files import NativeFiles
from lake.native_tables import NativeTables
from lake.reading import Lake, Question
from lake.settings import Settings
from lake.spark_tables import SparkTables
from lake.tables import FEATURES, KPI_HISTORY, LEDGER, QUARANTINE, SNAPSHOTS, table_path
from tests.expected import differences
from tests.lakes import DropLake, csv, row
from tests.oracle import File, Oracle

# What a clone at the tag v0.1.0 wrote: late drops, drops that lack columns, bad and refused ones,
# a duplicate, two files of one name and time, and KPIs.
FIXTURE = Path(__file__).parent.parent / "fixtures" / "lake-v0.1.0.tar.gz"
ROOT = "/flo-v0.1.0"
DAY = 86_400_000
T0 = 1_640_000_000_000  # 2021-12-20
# When a row was written, and what the version is of the table that it is in.
OF_THE_WRITING = {"updated_at", "quarantined_at", *VERSION_COLUMNS.values()}
TOLD = ("path", "state", "reason", "archived_path", "rows_read", "rows_inserted", "rows_stale")


@pytest.fixture
def old_lake(spark: SparkSession, tmp_path: Path) -> Iterator[DropLake]:
    """Put the lake of the version before into HDFS, at the place where it was made."""
    with tarfile.open(FIXTURE) as archive:
        archive.extractall(tmp_path, filter="data")
    lake = DropLake(spark, Settings(root=ROOT, retry_seconds=5))
    jvm: Any = spark._jvm
    conf = spark._jsc.hadoopConfiguration()  # type: ignore[attr-defined]
    local = jvm.org.apache.hadoop.fs.Path((tmp_path / ROOT.strip("/")).as_uri())
    target = jvm.org.apache.hadoop.fs.Path(lake.settings.path())
    jvm.org.apache.hadoop.fs.FileUtil.copy(
        local.getFileSystem(conf), local, target.getFileSystem(conf), target, False, conf
    )
    yield lake
    lake.files.delete(lake.settings.path())
    lake.files.delete(f"/{ROOT.strip('/')}")


def drops_of(lake: DropLake, tmp_path: Path) -> list[File]:
    """Read the drops from the archive, with the names and times that the ledger tells."""
    drops = []
    columns = ("path", "archived_path", F.unix_millis("modified_at"))
    told = lake.table(LEDGER).where("rows_read > 0").select(*columns).collect()
    for path, archived, modified in told:
        lake.files.download(archived, tmp_path / "drop")
        content = (tmp_path / "drop").read_bytes()
        drops.append(File(path.rsplit("/", 1)[-1], content, modified))
    return drops


def test_a_lake_of_the_version_before_is_taken_over(old_lake: DropLake, tmp_path: Path) -> None:
    """Every table is what the oracle says of its drops; what the accounts told stays as it was.

    Before that a start, a job and a question say what to do, and after it all is as ever.
    """
    spark, settings = old_lake.spark, old_lake.settings
    native = NativeTables(settings, NativeFiles.open(settings).uri)
    for refused in (
        lambda: initialise(spark, settings),
        lambda: verify(spark, settings),
        lambda: native.ask(Question(LEDGER)),
    ):
        with pytest.raises(ConfigError, match=r"format 1, and this program's is 2.*flo restore"):
            refused()
    told = sorted(old_lake.rows(LEDGER, *TOLD))
    runs = old_lake.count(KPI_HISTORY)

    old_lake.files.chmod(settings.tables, 0o700)

    done = restore(spark, settings)

    drops, oracle = drops_of(old_lake, tmp_path), Oracle()
    for drop in drops:
        oracle.take([drop])
    found = differences(old_lake, oracle)
    assert {name: rows for name, rows in found.items() if name != LEDGER} == {}
    assert sorted(old_lake.rows(LEDGER, *TOLD)) == told
    assert old_lake.count(KPI_HISTORY) == runs
    assert (done.customers, done.accounts) == (old_lake.count(FEATURES), len(told))
    assert old_lake.files.exists(f"{done.set_aside}/{FEATURES}/_delta_log")
    modes = {each.name: each.mode for each in old_lake.files.list(settings.path())}
    assert modes["tables"] & 0o007 == 0, "nobody else may read customers"
    assert initialise(spark, settings) == []
    assert verify(spark, settings, from_archive=True).differences == ()
    assert set(find_accounts(old_lake.files, settings)) == {
        each["account_id"] for each in old_lake.ledger()
    }
    first = Oracle()
    first.take(each for each in drops if each.name == "1.csv")
    [drop_id] = {each["drop_id"] for each in old_lake.ledger() if each["path"].endswith("/1.csv")}
    lake_names(spark, settings, drop_id)
    found = spark.table(f"global_temp.{FEATURES}").select("master_id").collect()
    assert sorted(name for (name,) in found) == [each["master_id"] for each in first.features()]


def test_what_a_kill_left_out_of_the_ledger_is_taken_from_the_features_commit(
    old_lake: DropLake,
) -> None:
    """A version before that was killed just before its ledger's commit has lost nothing.

    Nor does what it had in hand, in the form of then, keep a start from going on.
    """
    spark, settings = old_lake.spark, old_lake.settings
    path = table_path(settings, LEDGER)
    told = sorted(old_lake.rows(LEDGER, *TOLD))
    in_last_commit = F.col("path").rlike("/(some bad|refused).csv$")
    DeltaTable.forPath(spark, path).delete(in_last_commit)
    staged = f"{staging_path(settings)}/1/7"
    old_lake.files.mkdirs(staged)
    old_lake.files.write_text(f"{staged}/_files.json", '["some bad.csv"]')

    restore(spark, settings)

    assert sorted(old_lake.rows(LEDGER, *TOLD)) == told
    assert old_lake.take() == []
    assert verify(spark, settings, from_archive=True).differences == ()


def test_a_drop_after_it_is_taken_in_as_ever(old_lake: DropLake) -> None:
    """The stream goes on where the version before was: what it had is a duplicate."""
    restore(old_lake.spark, old_lake.settings)
    again = next(path for path, state in old_lake.rows(LEDGER, "archived_path", "state")
                 if state == "ingested")  # fmt: skip
    old_lake.files.rename(again, f"{old_lake.settings.landing}/again.csv")

    [account] = old_lake.take()

    assert account["state"] == "duplicate"


def test_a_restore_that_was_undone_may_be_done_again(old_lake: DropLake) -> None:
    """The old tables are put back, and have no ids: each account is the one that is kept."""
    spark, settings, files = old_lake.spark, old_lake.settings, old_lake.files
    told = sorted(old_lake.rows(LEDGER, *TOLD))
    done = restore(spark, settings)
    ids = {each["account_id"] for each in old_lake.ledger()}
    assert done.set_aside
    files.delete(settings.tables)
    files.rename(done.set_aside, settings.tables)
    forget_tables(spark)

    restore(spark, settings)

    assert sorted(old_lake.rows(LEDGER, *TOLD)) == told
    assert {each["account_id"] for each in old_lake.ledger()} == ids


def test_where_the_archive_lacks_a_file_nothing_is_changed(old_lake: DropLake) -> None:
    """The sentence names the file, and the old tables stay where they are."""
    archived = next(path for path, state in old_lake.rows(LEDGER, "archived_path", "state")
                    if state == "ingested")  # fmt: skip
    old_lake.files.delete(archived)

    with pytest.raises(RestoreError, match=archived.rpartition("/")[2]):
        restore(old_lake.spark, old_lake.settings)

    with pytest.raises(ConfigError, match="format 1"):
        initialise(old_lake.spark, old_lake.settings)


@pytest.mark.parametrize("killed_at", ["the first rename", "the second rename"])
def test_a_restore_killed_in_the_swap_is_finished_by_the_next(
    old_lake: DropLake, killed_at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No start makes empty tables in the place of those that were moved away."""
    rename, wanted = FileSystem.rename, 1 if killed_at == "the first rename" else 2
    renames: list[str] = []

    def killed(self: FileSystem, source: str, target: str) -> None:
        renames.append(source)
        if len(renames) == wanted:
            raise KeyboardInterrupt
        rename(self, source, target)

    with monkeypatch.context() as patched:
        patched.setattr(FileSystem, "rename", killed)
        with pytest.raises(KeyboardInterrupt):
            restore(old_lake.spark, old_lake.settings)
    with pytest.raises(ConfigError, match="flo restore"):
        initialise(old_lake.spark, old_lake.settings)

    restore(old_lake.spark, old_lake.settings)

    assert verify(old_lake.spark, old_lake.settings).differences == ()


def forget_tables(spark: SparkSession) -> None:
    """Have Java know as little of the tables as in a program that has just begun."""
    java_class(spark._jvm, "org.apache.spark.sql.delta.DeltaLog").clearCache()


def lose(lake: DropLake, path: str) -> None:
    """Delete a directory of a lake behind everybody's back."""
    lake.files.delete(path)
    forget_tables(lake.spark)


def fill(lake: DropLake) -> None:
    """Take in drops of all kinds: late, of fewer columns, partly bad, refused, duplicate, gone."""
    new = csv(row("c1", value_offline="3.00"), row("c2"), row("c3"), row("c4", value_online="x"))
    lake.put("new.csv", new, modified_ms=T0 + DAY)
    lake.take()
    lake.put("late.csv", csv(row("c1"), row("c5")), modified_ms=T0)
    fewer = [line.rpartition(",")[0] for line in csv(row("c2"), row("c6")).splitlines()]
    lake.put("fewer columns.csv", "\n".join(fewer), modified_ms=T0 + 2 * DAY)
    lake.put("again.csv", new)
    lake.put("half bad.csv", csv(row("c7"), row(""), row(" ")))
    lake.put("refused.csv", "no,header\n1,2\n")
    lake.take()
    processor = lake.processor()
    gone = lake.put("gone.csv", csv(row("c8")))
    lake.files.delete(gone.path)
    [vanished] = processor.process(lake.spark, [gone])
    assert (vanished.state, vanished.archived_path) == ("rejected", None)
    folder = lake.put("folder/part.csv", csv(row("c9"))).path.rpartition("/")[0]
    info = lake.files.status(folder)
    assert info is not None
    processor.refuse(lake.spark, [(info, "is_directory: move its files into landing")])


def contents(lake: DropLake) -> dict[str, list[dict[str, object]]]:
    """All rows of the tables, without when, and in which version, they were written."""
    return {
        name: sorted(
            ({key: each[key] for key in each if key not in OF_THE_WRITING} for each in rows),
            key=str,
        )
        for name in (FEATURES, SNAPSHOTS, QUARANTINE, LEDGER)
        for rows in [lake.read(name)]
    }


@pytest.mark.parametrize("lost", ["", LEDGER, FEATURES])
def test_tables_that_are_lost_come_back_from_the_archive(lake: DropLake, lost: str) -> None:
    """All of them, or the ledger or the features alone: with the same rows and every account."""
    fill(lake)
    before = contents(lake)
    states = [(each["state"], each["archived_path"] is None) for each in before[LEDGER]]
    assert len(states) == 8
    assert {("duplicate", False), ("rejected", True), ("rejected", False)} < set(states)
    epoch = epoch_of(lake.spark, lake.settings, QUARANTINE)
    require_all_tables(lake.spark, lake.settings)
    lose(lake, f"{lake.settings.tables}/{lost}".rstrip("/"))
    with pytest.raises(ConfigError, match="`flo restore`"):
        require_all_tables(lake.spark, lake.settings)

    done = restore(lake.spark, lake.settings)

    require_all_tables(lake.spark, lake.settings)
    # Who was held up in a batch before has no right to write the new ones.
    assert all(epoch_of(lake.spark, lake.settings, name) > epoch + 1 for name in FENCED)

    assert contents(lake) == before
    assert (done.set_aside is None) == (lost == "")
    assert verify(lake.spark, lake.settings, from_archive=True).differences == ()
    opened = Lake(lake.files, SparkTables(lake.spark, lake.settings))
    look = lambda: take_look(lake.files, lake.settings, lambda: read_accounts(opened))  # noqa: E731
    assert audit_files(look).findings == []
    assert initialise(lake.spark, lake.settings) == []
    assert lake.take(processor=lake.processor()) == []


def test_what_a_site_has_forbidden_stays_forbidden(lake: DropLake) -> None:
    """Its constraints are on the new tables, too, so that the archive says the same as before."""
    table = table_path(lake.settings, SNAPSHOTS)
    no_phone = "ADD CONSTRAINT no_phone CHECK (order_channel <> 'Phone')"
    lake.spark.sql(f"ALTER TABLE delta.`{table}` {no_phone}")
    phone = csv(row("c1"), row("c2", channel="Phone"))
    lake.put("before.csv", phone)
    lake.take()

    restore(lake.spark, lake.settings)

    lake.put("after.csv", phone.replace("c2", "c3"))
    [account] = lake.take("after.csv")
    assert account["rows_quarantined"] == 1
    told = ["table_constraint: no_phone"]
    assert lake.rows(QUARANTINE, "row_no", "reasons") == [(2, told), (2, told)]
    assert verify(lake.spark, lake.settings, from_archive=True).differences == ()


def test_of_two_accounts_the_ledger_s_counts(lake: DropLake) -> None:
    """And one that only the archive has, as where the ledger is an older copy, is taken from it."""
    for name in ("a", "b"):
        lake.put(f"{name}.csv", csv(row(name)))
        lake.take()
    first, second = lake.ledger()
    kept = find_accounts(lake.files, lake.settings)
    text = lake.files.read_text(kept[first["account_id"]])
    lake.files.write_text(kept[first["account_id"]], text.replace("ingested", "rejected"))
    DeltaTable.forPath(lake.spark, table_path(lake.settings, LEDGER)).delete("path LIKE '%b.csv'")
    lake.spark.sql(f"DELETE FROM delta.`{table_path(lake.settings, FEATURES)}`")

    restore(lake.spark, lake.settings)

    found = lake.ledger()
    assert [each["state"] for each in found] == ["ingested", "ingested"]
    assert [each["finished_at"] for each in found] == [first["finished_at"], second["finished_at"]]
    assert lake.features("master_id") == [("a",), ("b",)]


def test_without_a_ledger_a_file_without_an_account_is_named(
    lake: DropLake, capsys: pytest.CaptureFixture[str]
) -> None:
    """An account that is not whole counts as none; its file is for the stream to take in again."""
    for name in ("a", "b"):
        lake.put(f"{name}.csv", csv(row(name)))
    first, _ = sorted(lake.take(), key=lambda each: str(each["path"]))
    path = find_accounts(lake.files, lake.settings)[first["account_id"]]
    lake.files.write_text(path, "{")
    lose(lake, lake.settings.tables)

    with pytest.raises(RestoreError, match=r"1 archived files .* /\S+/a\.csv.* into landing"):
        restore(lake.spark, lake.settings)

    assert not lake.files.exists(lake.settings.tables)
    lake.files.rename(first["archived_path"], first["path"])
    assert restore(lake.spark, lake.settings).accounts == 1
    said = capsys.readouterr()
    assert path in said.out + said.err
    [account] = lake.take(processor=lake.processor())
    assert account["drop_id"] == first["drop_id"]
    assert lake.features("master_id") == [("a",), ("b",)]
    assert verify(lake.spark, lake.settings, from_archive=True).differences == ()


def test_with_neither_ledger_nor_accounts_nothing_is_made(lake: DropLake) -> None:
    """The sentence names both places, and what to do."""
    lose(lake, lake.settings.tables)
    with pytest.raises(NotFoundError, match=r"/tables .*/archive; .*`flo init`"):
        restore(lake.spark, lake.settings)
    assert not lake.files.exists(lake.settings.tables)


def test_the_account_of_a_file_that_may_not_be_moved_is_kept(
    lake: DropLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits in landing, and is settled all the same, when the ledger is lost, too."""

    def refuse(*_: object) -> None:
        raise AccessError("no permission")

    lake.put("a.csv", csv(row("c1")))
    processor = lake.processor()
    with monkeypatch.context() as patched:
        patched.setattr(FileSystem, "rename", refuse)
        lake.take(processor=processor)
    before = contents(lake)
    lose(lake, lake.settings.tables)

    restore(lake.spark, lake.settings)

    assert contents(lake) == before
    assert lake.take(processor=lake.processor()) == []
    assert [each.name for each in lake.files.list(lake.settings.landing)] == []


@pytest.mark.parametrize("differing", [0, 1])
def test_it_ends_with_what_a_verification_says(
    differing: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the new tables, from the archive; exit code 1 where they differ."""
    found = [Difference("archive", FEATURES, "row missing", 1, ("abc",))] * differing
    asked = []

    def compare(*_: object, **how: object) -> Verification:
        asked.append(how)
        return Verification(tuple(found), {FEATURES: 7}, (), 3)

    monkeypatch.setattr("lake.session.build_session", lambda *_: None)
    monkeypatch.setattr("batch.restore.restore", lambda *_: Restored(3, 7, 4, None))
    monkeypatch.setattr("batch.verification.verify.verify", compare)

    done = CliRunner().invoke(cli.app, ["restore", "--format", "json"])

    assert (done.exit_code, asked) == (differing, [{"from_archive": True}])
    assert json.loads(done.stdout) == [
        {"files": 3, "customers": 7, "accounts": 4, "set_aside": None}
    ]
    assert ("row missing" in done.stderr) == bool(differing)
    assert "archived files read: 3" in done.stderr
