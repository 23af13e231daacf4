"""The reader without Java gives what the one with Java gives, on a real HDFS, and much sooner."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from pyspark.sql import SparkSession
from typer.testing import CliRunner, Result

from batch.kpis_job import compute_kpis
from batch.standing.accounts import newest_accounts
from batch.standing.lake import look_at_lake
from flo import asking, cli
from flo.asking import open_native
from flo.failures import explain
from lake.errors import AccessError
from lake.fs import FileSystem
from lake.native_files import NativeFiles
from lake.reading import Lake, TableState, UnreadableError
from lake.session import default_fs
from lake.settings import Settings
from lake.spark_tables import SparkTables
from lake.tables import FEATURES, INTERNAL, LEDGER, TABLES
from streaming.supervisor import Supervisor
from tests.lakes import DropLake, csv, row
from tests.processes import BIN, ROOT, run

pytestmark = pytest.mark.integration

# A table whose first opening never ends.
STALL = """
import os, pathlib, threading
import deltalake

class Stalling(deltalake.DeltaTable):
    def __init__(self, *args, **kwargs):
        if not (mark := pathlib.Path(os.environ["STALLED"])).exists():
            mark.touch()
            threading.Event().wait()
        super().__init__(*args, **kwargs)

deltalake.DeltaTable = Stalling
"""


@pytest.fixture(scope="module")
def drops(spark: SparkSession, environment: dict[str, str]) -> DropLake:
    """Make a lake with drops of each state, KPIs, a checkpoint, and a drop that waits."""
    lake = DropLake(spark, Settings(root="/without java"))
    lake.initialise()
    rows = [row(f"c{number}") for number in range(9)]
    lake.put("first.csv", csv(*rows, row("c9", value_online="abc")))
    lake.put("first again.csv", csv(*rows, row("c9", value_online="abc")))
    lake.put("no-drop.csv", "no,header\n1,2\n")
    assert Supervisor(spark, lake.settings, lake.contract, once=True).run() == 0
    compute_kpis(spark, lake.settings)
    lake.put("second,ü.csv", csv(row("c1", last="2021-02-01"), row("c10")))
    assert Supervisor(spark, lake.settings, lake.contract, once=True).run() == 0
    lake.put("third.csv", csv(row("c2")))
    return lake


@pytest.fixture
def native(drops: DropLake) -> Lake:
    """Open it without Java."""
    return open_native(drops.settings)


@pytest.fixture
def java(drops: DropLake) -> Lake:
    """Open it with Java."""
    return Lake(FileSystem.of(drops.spark), SparkTables(drops.spark, drops.settings))


def test_files_are_described_alike(drops: DropLake, native: Lake, java: Lake) -> None:
    """Names, sizes, times, owners and permission bits are the same, and so is what is not there."""
    root = drops.settings.path()
    for path in (root, *(f"{root}/{name}" for name in ("landing", "archive", "tables", "x"))):
        assert native.files.list(path) == java.files.list(path)
        assert native.files.status(path) == java.files.status(path)
        assert native.files.exists(path) == java.files.exists(path)
    assert list(native.files.walk(root)) == list(java.files.walk(root))
    assert native.files.list(f"{root}/landing/third.csv") == java.files.list(
        f"{root}/landing/third.csv"
    )


def test_texts_are_read_alike(drops: DropLake, native: Lake, java: Lake) -> None:
    """Files of the checkpoint and of the logs have the same text; where there is none is None."""
    checkpoint = [info.path for info in java.files.walk(drops.settings.checkpoints)]
    assert checkpoint
    for path in (*checkpoint, f"{drops.settings.landing}/third.csv", "/no/such"):
        assert native.files.read_text(path) == java.files.read_text(path)


def test_the_ledger_reads_alike(native: Lake, java: Lake) -> None:
    """All columns, all values and the order of the accounts are the same."""
    for question in (newest_accounts(), newest_accounts(state="rejected", limit=1)):
        columns, rows = native.ask(question)
        assert columns == TABLES[LEDGER].column_names
        ours = list(rows)
        assert ours == list(java.rows(question))
        assert ours
    assert len(list(native.rows(newest_accounts()))) == 4


def assert_alike(ours: TableState | None, theirs: TableState | None) -> None:
    """Compare; of a commit's time Spark takes that of its file, which is milliseconds later."""
    if ours is None or theirs is None:
        assert ours is theirs
        return
    assert abs(ours.committed_at - theirs.committed_at) < timedelta(seconds=5)
    assert replace(ours, committed_at=theirs.committed_at) == theirs


def test_the_logs_read_alike(drops: DropLake, native: Lake, java: Lake) -> None:
    """Version, files, bytes and last commit agree, also with deletion vectors and a change feed."""
    for name in (*TABLES, *INTERNAL, "no_such_table"):
        assert_alike(native.tables.state(name), java.tables.state(name))
    features = native.tables.state(FEATURES)
    assert features is not None
    assert features.operation == "MERGE"
    drops.spark.sql(f"OPTIMIZE delta.`{drops.settings.tables}/{FEATURES}`")
    after = native.tables.state(FEATURES)
    assert after is not None
    assert (after.operation, after.changed) == ("OPTIMIZE", features.version)


def test_one_look_gives_one_standing(drops: DropLake, native: Lake, java: Lake) -> None:
    """All that a status tells is the same, whoever reads it."""
    theirs = look_at_lake(java, drops.settings)
    ours = look_at_lake(native, drops.settings, theirs.now)
    assert replace(ours, tables=theirs.tables) == theirs
    assert list(ours.tables) == list(theirs.tables)
    for name, state in ours.tables.items():
        assert_alike(state, theirs.tables[name])
    assert (ours.pending.files, ours.audited, len(ours.findings)) == (1, True, 0)
    assert ours.rows[FEATURES] == drops.count(FEATURES)
    assert ours.kpis_behind


@pytest.fixture
def flo(drops: DropLake, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run a command on that lake in this process."""
    monkeypatch.setenv("FLO_ROOT", drops.settings.root)
    return lambda *words: CliRunner().invoke(cli.app, list(words))


@pytest.mark.parametrize("output", ["csv", "json", "table"])
@pytest.mark.parametrize("command", [["drops"], ["drops", "--state", "rejected"], ["audit"]])
def test_commands_print_the_same(
    flo: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, command: list[str], output: str
) -> None:
    """Rows and columns are a contract: where Java has to read, nothing is printed differently."""
    quick = flo(*command, "--format", output)

    def refuse(settings: Settings) -> NativeFiles:
        raise UnreadableError("this is a test.")

    monkeypatch.setattr(NativeFiles, "open", refuse)
    slow = flo(*command, "--format", output)
    assert (quick.exit_code, quick.stdout) == (slow.exit_code, slow.stdout)
    assert quick.stdout or command == ["audit"]
    assert "Java has to read this lake" in " ".join(slow.stderr.split())
    assert "Java" not in quick.stderr


def test_no_permission_is_told_with_path_and_user(
    drops: DropLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stranger reads who lacks which permission where, and Java is not tried."""
    monkeypatch.setenv("HADOOP_USER_NAME", "stranger")
    with pytest.raises(AccessError, match=r"\(user stranger, "):
        look_at_lake(open_native(drops.settings), drops.settings)


@pytest.mark.parametrize("closed", ["landing", "landing/folder", "tables", "archive"])
def test_an_audit_of_what_one_may_not_read_is_a_sentence(
    closed: str, lake: DropLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each place that is looked at may be closed: exit code 2, with its path and the user.

    An audit that left it out would call its files accounted for.
    """
    path = lake.settings.path(closed)
    lake.files.mkdirs(path, 0o700)
    monkeypatch.setenv("FLO_ROOT", lake.settings.root)
    monkeypatch.setenv("HADOOP_USER_NAME", "stranger")
    monkeypatch.setattr(asking, "open_in_spark", lambda *_: pytest.fail("Java was asked"))
    done = CliRunner().invoke(cli.app, ["audit"])
    assert done.exception is not None
    told = explain(done.exception)
    assert (told.exit_code, done.stdout) == (2, "")
    assert f"at {path} (user stranger, " in told.message
    assert told.message.endswith("Ask its owner for the permission.")


def test_a_nameservice_is_read_though_its_first_namenode_is_down(
    drops: DropLake,
    environment: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    """Files and tables are read at an address that names two NameNodes, one of them dead."""
    conf = drops.settings.resolved_hadoop_conf_dir
    assert conf is not None
    live = urlsplit(default_fs(drops.settings)).netloc
    taken = socket.socket()  # held, so that nobody else listens there, and never listening
    request.addfinalizer(taken.close)
    taken.bind(("127.0.0.1", 0))
    dead = f"127.0.0.1:{taken.getsockname()[1]}"
    shutil.copytree(conf, tmp_path, dirs_exist_ok=True)
    for name, properties in {
        "core-site.xml": {"fs.defaultFS": "hdfs://flo-ns"},
        "hdfs-site.xml": {
            "dfs.nameservices": "flo-ns",
            "dfs.ha.namenodes.flo-ns": "nn1,nn2",
            "dfs.namenode.rpc-address.flo-ns.nn1": dead,
            "dfs.namenode.rpc-address.flo-ns.nn2": live,
        },
    }.items():
        entries = "".join(
            f"<property><name>{key}</name><value>{value}</value></property>"
            for key, value in properties.items()
        )
        (tmp_path / name).write_text(f"<configuration>{entries}</configuration>", "utf-8")
    monkeypatch.setenv("HADOOP_CONF_DIR", str(tmp_path))
    begin = time.monotonic()
    lake = open_native(drops.settings)
    assert len(list(lake.rows(newest_accounts()))) == 4
    assert look_at_lake(lake, drops.settings).pending.files == 1
    assert time.monotonic() - begin < 20
    env = {**environment, "HADOOP_CONF_DIR": str(tmp_path), "FLO_ROOT": drops.settings.root}
    done = run("flo", "drops", "--format", "csv", env=env)
    assert (len(done.stdout.splitlines()), done.stderr) == (5, "")
    named = drops.settings.model_copy(update={"fs": f"hdfs://{live}"})
    assert len(list(open_native(named).rows(newest_accounts()))) == 4


def test_a_reader_that_stalls_is_asked_by_a_fresh_process(
    drops: DropLake, environment: dict[str, str], tmp_path: Path
) -> None:
    """The command begins anew by itself and answers as if nothing had been; no Java is started."""
    (tmp_path / "sitecustomize.py").write_text(STALL)
    mark = tmp_path / "stalled"
    env = {**environment, "FLO_ROOT": drops.settings.root, "JAVA_HOME": str(tmp_path)}
    env |= {"PYTHONPATH": str(tmp_path), "STALLED": str(mark)}
    done = run("flo", "drops", "--format", "csv", env=env)
    assert mark.exists()
    assert (len(done.stdout.splitlines()), done.stderr) == (5, "")


@pytest.mark.parametrize("command", [["status"], ["drops"], ["audit"]])
def test_an_answer_needs_no_java_and_under_three_seconds(
    drops: DropLake, environment: dict[str, str], command: list[str], tmp_path: Path
) -> None:
    """The real command answers within the bar at its quickest of three, and starts no process."""
    env = {**environment, "FLO_ROOT": drops.settings.root, "JAVA_HOME": str(tmp_path)}
    took = []
    for _ in range(3):
        begin = time.monotonic()
        done = subprocess.Popen(
            [str(BIN / "flo"), *command, "--format", "json"], cwd=ROOT, env=env,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        children = psutil.Process(done.pid).children(recursive=True)
        printed, said = done.communicate(timeout=60)
        took.append(time.monotonic() - begin)
        assert done.returncode == 0, said
        assert "Java" not in said
        assert not children
        assert isinstance(json.loads(printed), list)
    assert min(took) < 3, took


def test_no_lake_yet_is_told(
    environment: dict[str, str], spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before `flo init`, status says so and ends with 0; the ledger's commands end with 2."""
    monkeypatch.setenv("FLO_ROOT", "/nothing/here")
    monkeypatch.setattr(asking, "open_in_spark", lambda *_: pytest.fail("Java was asked"))
    done = CliRunner().invoke(cli.app, ["status", "--format", "json"])
    told = {each["what"]: each["value"] for each in json.loads(done.stdout)}
    assert told["to do"] == ["There are no tables here yet: `flo init`"]
    for command in ("drops", "audit"):
        failed = CliRunner().invoke(cli.app, [command])
        assert "flo init" in str(failed.exception)
