"""`flo serve`, asked by a real JDBC client (beeline): whole batches, and nothing changes."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping
from inspect import signature
from itertools import accumulate
from pathlib import Path
from threading import Thread
from typing import Any

import psutil
import pytest
from pyspark.sql import SparkSession
from typer.testing import CliRunner

from batch.questions.serving import is_open
from batch.segments import compute_segments
from flo import cli
from flo.failures import explain
from flo.serve_command import serve
from lake.initialise import initialise, let_read
from lake.settings import Settings
from lake.tables import FEATURES, TABLES, table_path, table_version
from sandbox.errors import SandboxError
from sandbox.java import missing_java
from streaming.supervisor import Supervisor
from tests.lakes import DropLake, csv, is_refused, row
from tests.processes import BIN, ROOT, run, wait_for

pytestmark = pytest.mark.integration

REFUSED = "This server only reads"
CHANGES = (
    "INSERT INTO channel_kpis SELECT * FROM channel_kpis",
    "INSERT OVERWRITE customer_features SELECT * FROM customer_features WHERE false",
    "UPDATE customer_features SET order_channel = 'x'",
    "DELETE FROM customer_features",
    "MERGE INTO drops USING drops AS other ON false WHEN NOT MATCHED THEN INSERT *",
    "TRUNCATE TABLE customer_features",
    "DROP TABLE customer_features",
    "DROP DATABASE flo CASCADE",
    "CREATE TABLE mine (a INT) USING delta",
    "CREATE TABLE mine USING delta AS SELECT 1 AS a",
    "CREATE VIEW mine AS SELECT 1 AS a",
    "ALTER TABLE customer_features SET TBLPROPERTIES ('a' = 'b')",
    "ALTER TABLE customer_features RENAME TO mine",
    "OPTIMIZE customer_features",
    "VACUUM customer_features",
    "RESTORE TABLE customer_features TO VERSION AS OF 0",
    "WITH one AS (SELECT 1) INSERT INTO drops SELECT drops.* FROM drops, one",
    "EXECUTE IMMEDIATE 'DROP TABLE customer_features'",
)
# What would read or write this machine as whoever started the server, or run a program of theirs.
INTRUSIONS = (
    "INSERT OVERWRITE LOCAL DIRECTORY '{folder}/made' USING csv SELECT 1",
    "CREATE TABLE mine USING csv LOCATION 'file://{folder}/made' AS SELECT 1 AS a",
    "SELECT TRANSFORM (1) USING 'touch {folder}/made' AS (a)",
    "SELECT reflect('java.lang.System', 'getProperty', 'user.name')",
    "SELECT * FROM drops WHERE path IN (SELECT java_method('java.lang.System', 'lineSeparator'))",
    "SELECT * FROM text.`file://{folder}/secret`",
    "WITH it AS (SELECT * FROM csv.`file://{folder}/secret`) SELECT * FROM it",
    "ADD JAR '{folder}/secret'",
    "CREATE TEMPORARY FUNCTION mine AS 'a.B' USING JAR '{folder}/secret'",
    "CREATE TEMPORARY VIEW mine USING csv OPTIONS (path 'file://{folder}/secret')",
)


class Server:
    """A running ``flo serve`` on a port of its own choice."""

    def __init__(self, log: Path, env: Mapping[str, str]) -> None:
        self.log = log
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [str(BIN / "flo"), "serve", "--port", "0"], env=dict(env), cwd=log.parent,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=out,
                start_new_session=True,
            )  # fmt: skip
        try:
            self.url = wait_for(self._url, "a server that is ready")
        except BaseException:
            self.close()
            raise

    def _url(self) -> str:
        said = self.log.read_text("utf-8", "replace")
        assert self.process.poll() is None, said
        found = re.search(r"Ready at (\S+),", said)
        return found[1] if found else ""

    def end(self, number: signal.Signals) -> int:
        """Send a signal, wait for the end of all its processes, and return the exit code."""
        all_of_it = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(number)
        code = self.process.wait(timeout=60)
        _, alive = psutil.wait_procs(all_of_it, timeout=30)
        assert alive == []
        return code

    def close(self) -> None:
        """Leave nothing running."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(timeout=30)


class Beeline:
    """A beeline that is asked one statement after the other."""

    def __init__(self, url: str, env: Mapping[str, str]) -> None:
        options = ("--silent=true", "--outputformat=tsv2", "--showHeader=false", "--force=true")
        self._process = subprocess.Popen(
            [str(BIN / "beeline"), "-u", url, *options], env=dict(env), cwd=ROOT,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            start_new_session=True,
        )  # fmt: skip
        self._asked = 0

    def ask(self, statement: str) -> list[str]:
        """Return the lines of the answer, or of the error."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._asked += 1
        end = f"answered {self._asked}"
        self._process.stdin.write(f"{statement};\nSELECT concat('answered ', {self._asked});\n")
        self._process.stdin.flush()
        lines = []
        for line in self._process.stdout:
            if line.strip().endswith(end):
                return lines
            if not line.startswith(("0: jdbc", "WARNING: Using incubator")):  # what was typed
                lines.append(line.rstrip("\n"))
        raise AssertionError(f"beeline has ended: {lines}")

    def ask_number(self, statement: str) -> int:
        """Return the one number of an answer."""
        lines = self.ask(statement)
        [number] = [line for line in lines if line.strip().isdecimal()] or [str(lines)]
        return int(number)

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._process.stdout.close()


@pytest.fixture(scope="module")
def lake(spark: SparkSession, new_lake: Callable[[], DropLake]) -> DropLake:
    """Make a lake, let the reader in as `flo init` does, and take in a first drop."""
    made = new_lake()
    for folder in (made.settings.tables, made.settings.archive, made.settings.checkpoints):
        made.files.chmod(folder, 0o750)
    assert let_read(made.files, made.settings)
    assert not let_read(made.files, made.settings)
    made.put("first.csv", csv(row("first")))
    made.take()
    return made


@pytest.fixture(scope="module")
def env(lake: DropLake, environment: dict[str, str]) -> dict[str, str]:
    """Name that lake to programs, and another user who must not count."""
    return {**environment, "FLO_ROOT": lake.settings.root, "HADOOP_USER_NAME": "somebody"}


@pytest.fixture(scope="module")
def server(env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Serve it."""
    started = Server(tmp_path_factory.mktemp("server") / "server.log", env)
    yield started
    started.close()


@pytest.fixture(scope="module")
def beeline(server: Server, env: dict[str, str]) -> Iterator[Beeline]:
    """Connect to it."""
    client = Beeline(server.url, env)
    yield client
    client.close()


def test_each_question_sees_whole_batches_while_a_stream_writes(
    lake: DropLake, beeline: Beeline
) -> None:
    """What is counted over JDBC is at each moment what the ledger's drops up to then add up to."""
    question = "SELECT count(*) FROM customer_features"
    seen = [beeline.ask_number(question)]

    def stream_until_enough_is_seen() -> None:
        for number in range(30):
            if len(set(seen)) > 3:
                return
            # More than one row each, so that a part of a batch would be seen.
            lake.put(f"drop_{number}.csv", csv(*(row(f"c{number}-{at}") for at in range(10))))
            Supervisor(lake.spark, lake.settings, lake.contract, once=True).run()

    stream = Thread(target=stream_until_enough_is_seen)
    stream.start()
    while stream.is_alive():
        seen.append(beeline.ask_number(question))
    stream.join()
    seen.append(beeline.ask_number(question))

    whole = list(accumulate(account["rows_inserted"] for account in lake.ledger()))
    assert len(set(seen)) > 3, "asked too seldom to tell"
    assert set(seen) <= set(whole)
    assert seen == sorted(seen)
    assert seen[-1] == whole[-1]
    assert beeline.ask_number("SELECT sum(rows_inserted) FROM drops") == whole[-1]


def test_what_would_change_a_table_is_refused_in_a_sentence(
    lake: DropLake, beeline: Beeline
) -> None:
    """Insert, update, delete, drop, create and the like: no table and no name is harmed."""
    settings, spark = lake.settings, lake.spark
    before = {name: table_version(spark, settings, name) for name in TABLES}
    names = beeline.ask("SHOW TABLES")
    for statement in CHANGES:
        # The end of a long statement, as it was typed, may come first.
        error = beeline.ask(statement)[-1]
        assert error.startswith(f"Error: {REFUSED}"), (statement, error)
        assert error.endswith("is refused. (state=42501,code=0)")
    assert beeline.ask("SHOW TABLES") == names
    assert sum("customer_features" in name for name in names) == 1
    assert {name: table_version(spark, settings, name) for name in TABLES} == before


def test_the_machine_is_not_open_either(beeline: Beeline, tmp_path: Path) -> None:
    """No file of the server's machine is read or written, and no program run, by a statement."""
    (tmp_path / "secret").write_text("hunter2\n")
    tmp_path.chmod(0o777)
    for statement in INTRUSIONS:
        answer = "\n".join(beeline.ask(statement.format(folder=tmp_path)))
        assert REFUSED in answer, (statement, answer)
        assert "hunter2" not in answer
    assert [each.name for each in tmp_path.iterdir()] == ["secret"]


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("SHOW DATABASES", "flo"),
        ("SHOW TABLES IN flo", "customer_features"),
        ("DESCRIBE customer_features", "master_id\tstring"),
        ("DESCRIBE HISTORY customer_features", "CREATE TABLE"),
        ("EXPLAIN SELECT * FROM drops", "Physical Plan"),
        ("SELECT count(*) FROM customer_features VERSION AS OF 0", "0"),
        ("SELECT DISTINCT state FROM drops d JOIN customer_features f USING (drop_id)", "ingested"),
        ("SET spark.sql.ansi.enabled = true", "spark.sql.ansi.enabled"),
        ("SELECT * FROM drops WHERE nonsense = 1", "UNRESOLVED_COLUMN"),
    ],
)
def test_questions_are_answered(beeline: Beeline, statement: str, expected: str) -> None:
    """What a BI tool asks on its way to the rows is let through; a mistake is told as ever."""
    answer = "\n".join(beeline.ask(statement))
    assert expected in answer
    assert REFUSED not in answer


def test_a_table_that_is_made_later_gets_its_name(lake: DropLake, beeline: Beeline) -> None:
    """The segments can be asked soon after `flo segments` made them; nothing is started again."""
    compute_segments(lake.spark, lake.settings)
    wait_for(lambda: "customer_segments" in str(beeline.ask("SHOW TABLES")), "the name", 60)
    customers = beeline.ask_number("SELECT count(*) FROM customer_features")
    assert beeline.ask_number("SELECT count(*) FROM customer_segments") == customers > 0


def as_user(lake: DropLake, name: str) -> Any:
    """Open Hadoop's own client under a name."""
    jvm: Any = lake.spark._jvm
    conf = lake.spark._jsc.hadoopConfiguration()  # type: ignore[attr-defined]
    uri = jvm.org.apache.hadoop.fs.FileSystem.getDefaultUri(conf)
    return jvm.org.apache.hadoop.fs.FileSystem.newInstance(uri, conf, name)


def test_hdfs_lets_the_reader_read_the_tables_and_no_more(lake: DropLake, server: Server) -> None:
    """Files that came after the permission was given are readable; nothing is writable."""
    assert "reading as flo-reader" in server.log.read_text("utf-8")
    jvm: Any = lake.spark._jvm
    reader, stranger = as_user(lake, "flo-reader"), as_user(lake, "somebody")

    def path(*parts: str) -> Any:
        return jvm.org.apache.hadoop.fs.Path(lake.settings.path(*parts))

    files = [info for info in lake.files.walk(table_path(lake.settings, FEATURES)) if info.size]
    assert len(files) > 10
    for info in files:
        reader.open(jvm.org.apache.hadoop.fs.Path(info.path)).close()
    assert is_refused(lambda: stranger.listStatus(path("tables")))
    for folder in ("tables", f"tables/{FEATURES}", f"tables/{FEATURES}/_delta_log"):
        assert is_refused(lambda folder=folder: reader.create(path(folder, "x"), False).close())
        assert is_refused(lambda folder=folder: reader.delete(path(folder), True))
    for folder in ("archive", "checkpoints"):
        assert is_refused(lambda folder=folder: reader.listStatus(path(folder)))


def test_a_new_lake_lets_the_reader_in_from_the_start(
    lake: DropLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who makes the directories gives the permission, unless nobody is to read."""
    monkeypatch.setattr("lake.initialise.create_tables", lambda *_: [])
    for reader, expected in (("flo-reader", {"user:flo-reader:r-x"}), ("", set())):
        settings = Settings(root=f"/tests/serve-{reader}", reader=reader)
        initialise(lake.spark, settings)
        lake.files.mkdirs(f"{settings.tables}/made")
        for folder in (settings.tables, f"{settings.tables}/made"):
            entries = {each for each in lake.files.access_list(folder) if each.startswith("user:f")}
            assert entries == expected
        info = lake.files.status(settings.tables)
        assert info is not None
        assert info.mode == 0o750


def test_sigterm_ends_it_with_0(server: Server) -> None:
    """Nothing is left running, nor lying about where it was started."""
    assert server.end(signal.SIGTERM) == 0
    assert "Traceback" not in server.log.read_text("utf-8")
    assert [each.name for each in server.log.parent.iterdir()] == ["server.log"]


def test_ctrl_c_ends_it_with_130(env: dict[str, str], tmp_path: Path) -> None:
    """Nothing is left running then, either."""
    other = Server(tmp_path / "server.log", env)
    try:
        assert other.end(signal.SIGINT) == 130
        assert "Traceback" not in other.log.read_text("utf-8")
    finally:
        other.close()


def test_a_port_in_use_is_told_before_anything_starts(env: dict[str, str]) -> None:
    """A sentence that names the port and the remedy, and exit code 2."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("flo", "serve", "--port", str(port), env=env, check=False, timeout=20)
    assert done.returncode == 2
    assert f"127.0.0.1:{port}" in done.stderr
    assert "--port" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_what_is_lacking_is_told_in_a_sentence(env: dict[str, str], tmp_path: Path) -> None:
    """No HDFS is exit code 3; no permission and no tables are 2."""
    cases: list[tuple[dict[str, str], int, str]] = [
        ({"FLO_VAR": str(tmp_path)}, 3, "flo sandbox up"),
        ({"FLO_READER": "somebody"}, 2, "somebody may not read"),
        ({"FLO_ROOT": "/tests"}, 2, "flo init"),
    ]
    for changed, code, words in cases:
        done = run("flo", "serve", "--port", "0", env={**env, **changed}, check=False)
        assert done.returncode == code, done.stderr
        assert words in done.stderr.splitlines()[-1]
        assert "Traceback" not in done.stderr


def test_no_java_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a Java that Spark runs on there is a sentence, and exit code 2."""

    def find_none() -> Path:
        raise SandboxError(missing_java([]))

    monkeypatch.setattr("sandbox.java.find_java", find_none)
    monkeypatch.setattr("lake.settings.PROJECT", tmp_path)
    failed = CliRunner().invoke(cli.app, ["serve", "--port", "0"]).exception
    assert failed is not None
    failure = explain(failed)
    assert failure.exit_code == 2
    assert "Java 17 or 21 is needed" in failure.message


def test_it_listens_to_this_machine_alone_unless_told() -> None:
    """An address that others reach has to be asked for."""
    assert not is_open(signature(serve).parameters["host"].default)
    assert is_open("0.0.0.0")
