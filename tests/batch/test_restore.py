"""A lake's tables made anew from its archive: those of the version before, and of this one."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from delta.tables import DeltaTable
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from batch.questions.ask import lake_names
from batch.restore import RestoreError, restore
from batch.verification.verify import verify
from checkpoints.in_hand import staging_path
from lake.errors import ConfigError
from lake.fs import FileSystem
from lake.initialise import initialise
from lake.native_files import NativeFiles
from lake.native_tables import NativeTables
from lake.reading import Question
from lake.settings import Settings
from lake.tables import FEATURES, KPI_HISTORY, LEDGER, table_path
from tests.expected import differences
from tests.lakes import DropLake
from tests.oracle import File, Oracle

# What a clone at the tag v0.1.0 wrote: late drops, drops that lack columns, bad and refused ones,
# a duplicate, two files of one name and time, and KPIs.
FIXTURE = Path(__file__).parent.parent / "fixtures" / "lake-v0.1.0.tar.gz"
ROOT = "/flo-v0.1.0"
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
