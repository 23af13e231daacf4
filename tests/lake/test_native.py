"""What a lake is asked without Java, and when Java has to do it after all."""

from __future__ import annotations

import ctypes.util
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from lake.errors import AccessError, FloError, NotFoundError, ServiceError, TransientError
from lake.native_files import NativeFiles, bounded, native_uri, reading
from lake.native_tables import NativeTables
from lake.reading import Question, StalledError, TableState, UnreadableError
from lake.settings import Settings


def test_a_question_is_put_in_sql() -> None:
    """Names are quoted, for any engine; missing values come last."""
    question = Question("drops", ("path", "columns"), {"state": "rejected"}, ("finished_at",), 3)
    assert question.to_sql("t", '"') == (
        'SELECT "path", "columns" FROM t WHERE "state" = \'rejected\' '
        'ORDER BY "finished_at" DESC NULLS LAST LIMIT 3'
    )
    assert Question("drops").to_sql("t", "`") == "SELECT * FROM t"


@pytest.mark.parametrize(
    ("operations", "changed"),
    [
        (["MERGE", "WRITE"], 9),
        (["OPTIMIZE", "VACUUM END", "SET TBLPROPERTIES", "MERGE", "CREATE TABLE"], 6),
        (["REORG", "CREATE TABLE"], 8),
    ],
)
def test_a_version_that_changed_no_row_is_known(operations: list[str], changed: int) -> None:
    """Compactions and properties make versions, and change nothing."""
    commits = [(9 - at, 1_000, what) for at, what in enumerate(operations)]
    found = TableState.of(1, 1, commits)
    assert (found.version, found.operation, found.changed) == (9, operations[0], changed)


NAMENODE = (
    'RPCError("org.apache.hadoop.security.AccessControlException", "Permission denied: user=bob, '
    'access=READ_EXECUTE, inode=\\"/flo/tables\\":ada:supergroup:drwxr-x---\\n\\tat x.Y.z(Y.java)")'
)
SAFE = 'RPCError("org.apache.hadoop.hdfs.server.namenode.SafeModeException", "Name node is …")'
TROUBLE: dict[str, tuple[Exception, type[FloError], str]] = {
    "gone": (FileNotFoundError("/flo/x"), NotFoundError, "does not exist"),
    "forbidden": (RuntimeError(NAMENODE), AccessError, "at /flo/tables (user bob, READ_EXECUTE)"),
    "safe mode": (OSError(SAFE), TransientError, "safe mode"),
    "down": (OSError("Connection refused (os error 111)"), ServiceError, "Is HDFS up?"),
    "other": (RuntimeError('UnsupportedFeature("x")'), UnreadableError, "UnsupportedFeature"),
    "silent": (ValueError(), UnreadableError, "ValueError"),
}


@pytest.mark.parametrize("name", TROUBLE)
def test_trouble_is_told_as_it_is_with_java(name: str) -> None:
    """What is known is the error that Java's client gives; anything else is worth a try there."""
    raised, kind, words = TROUBLE[name]
    with pytest.raises(kind, match="Cannot look at /flo") as told, reading("Cannot look at /flo"):
        raise raised
    assert type(told.value) is kind
    assert words in str(told.value)


def configure(folder: Path, **files: dict[str, str]) -> Settings:
    """Write a Hadoop configuration."""
    for name, properties in files.items():
        entries = (
            f"<property><name>{key}</name><value>{value}</value></property>"
            for key, value in properties.items()
        )
        text = f"<configuration>{''.join(entries)}</configuration>"
        (folder / f"{name}-site.xml").write_text(text, "utf-8")
    return Settings(hadoop_conf_dir=folder)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Settings]:
    """Be at a site with this Hadoop configuration."""
    monkeypatch.setenv("HADOOP_CONF_DIR", str(tmp_path))
    return lambda **files: configure(tmp_path, **files)


@pytest.mark.parametrize("uri", ["file:///", "s3a://bucket", ""])
def test_another_file_system_is_for_java(site: Callable[..., Settings], uri: str) -> None:
    """Only HDFS is read without Java."""
    with pytest.raises(UnreadableError, match="is no HDFS"):
        native_uri(site(core={"fs.defaultFS": uri}))


def test_kerberos_needs_its_library(
    site: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it is not installed Java reads, which has its own."""
    monkeypatch.setattr(ctypes.util, "find_library", lambda _: None)
    secure = {"fs.defaultFS": "hdfs://ns", "hadoop.security.authentication": "kerberos"}
    with pytest.raises(UnreadableError, match="libgssapi_krb5"):
        NativeFiles.open(site(core=secure))


def test_a_nameservice_that_is_down_is_told_at_once(site: Callable[..., Settings]) -> None:
    """The client would try for minutes; that no NameNode listens takes no time to find out."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    ha = {
        "dfs.nameservices": "ns",
        "dfs.ha.namenodes.ns": "a, b",
        "dfs.namenode.rpc-address.ns.a": f"127.0.0.1:{port}",
        "dfs.namenode.rpc-address.ns.b": "",
    }
    with pytest.raises(ServiceError, match="No NameNode of ns answers"):
        NativeFiles.open(site(core={"fs.defaultFS": "hdfs://ns"}, hdfs=ha))


def test_times_have_the_zone_of_sparks_sessions(
    site: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both readers show the same text for a time: by Spark's file, or by the settings over it."""
    here = site(core={"fs.defaultFS": "hdfs://ns"})
    monkeypatch.delenv("SPARK_CONF_DIR", raising=False)
    assert NativeTables(here, "hdfs://ns").zone.key == "UTC"
    (tmp_path / "spark-defaults.conf").write_text("spark.sql.session.timeZone  Asia/Tokyo\n")
    monkeypatch.setenv("SPARK_CONF_DIR", str(tmp_path))
    assert NativeTables(here, "hdfs://ns").zone.key == "Asia/Tokyo"
    further = here.model_copy(update={"spark": {"spark.sql.session.timeZone": "Europe/Paris"}})
    assert NativeTables(further, "hdfs://ns").zone.key == "Europe/Paris"


def test_a_call_that_hangs_is_given_up() -> None:
    """A native reader that gives no answer keeps nobody waiting."""
    with pytest.raises(StalledError, match="no answer within 0 s"):
        bounded(threading.Event().wait, 0.05)


def test_an_interrupt_waits_a_moment_for_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """After Ctrl-C nothing comes back from native code while Python shuts down."""
    came_back = threading.Event()

    class Interrupted(SimpleQueue[Any]):
        def get(self, *_: Any, **__: Any) -> Any:
            raise KeyboardInterrupt

    def call() -> None:
        time.sleep(0.2)  # of native code
        came_back.set()

    monkeypatch.setattr("lake.native_files.SimpleQueue", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        bounded(call)
    assert came_back.is_set()


def test_what_a_call_raises_is_raised() -> None:
    """Trouble is not waited for."""

    def fail() -> None:
        raise FileNotFoundError("/flo/x")

    with pytest.raises(FileNotFoundError):
        bounded(fail, 5.0)
