"""`flo serve`, asked by a real JDBC client (beeline): whole batches, and nothing changes."""

from __future__ import annotations

import re
import signal
import socket
from collections.abc import Callable, Iterator, Mapping
from inspect import signature
from itertools import accumulate
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession
from typer.testing import CliRunner

from batch.questions.guard import Guard
from batch.questions.lists import read_allowed
from batch.questions.serving import Server as Serving
from batch.questions.serving import is_open
from batch.segments import compute_segments
from flo import cli
from flo.failures import explain
from flo.serve_command import serve
from lake.errors import NotFoundError
from lake.initialise import initialise, let_read
from lake.java import java_class, scala_object, to_list
from lake.settings import Settings
from lake.tables import FEATURES, table_path
from sandbox.errors import SandboxError
from sandbox.java import missing_java
from tests.lakes import DropLake, csv, is_refused, row, versions
from tests.processes import run, wait_for
from tests.servers import Beeline, Driver, Server
from tests.statements import CHANGES, INTRUSIONS, QUESTIONS

pytestmark = pytest.mark.integration

SQL_CONF = "org.apache.spark.sql.internal.SQLConf"
CONFIG_ENTRY = "org.apache.spark.internal.config.ConfigEntry"
CONF_VARS = "org.apache.hadoop.hive.conf.HiveConf$ConfVars"
REFUSED = "This server only reads"


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


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Listen, for whoever calls."""
    with socket.create_server(("127.0.0.1", 0)) as made:
        made.setblocking(False)
        yield made


def is_alone(listener: socket.socket) -> bool:
    """Tell whether nobody has called."""
    try:
        listener.accept()[0].close()
    except BlockingIOError:
        return True
    return False


def connect(
    lake: DropLake, server: Server, sent: Mapping[str, str]
) -> tuple[str, str | None, str | None]:
    """Connect as a driver does, with settings of any kind; return status, state and message."""
    jvm: Any = lake.spark._jvm
    thrift, service = jvm.org.apache.thrift, jvm.org.apache.hive.service
    socket_ = thrift.transport.TSocket("127.0.0.1", server.port)
    transport = service.auth.PlainSaslHelper.getPlainTransport("anybody", "anything", socket_)
    transport.open()
    try:
        client = getattr(service.rpc.thrift, "TCLIService$Client")(
            thrift.protocol.TBinaryProtocol(transport)
        )
        request = service.rpc.thrift.TOpenSessionReq()
        request.setConfiguration(dict(sent))
        status = client.OpenSession(request).getStatus()
        return str(status.getStatusCode()), status.getSqlState(), status.getErrorMessage()
    finally:
        transport.close()


def parse_xml(jvm: Any, text: str) -> None:
    """Read a text with Java's own parser, as it comes."""
    source = jvm.org.xml.sax.InputSource(jvm.java.io.StringReader(text))
    parsers = "com.sun.org.apache.xerces.internal.jaxp.DocumentBuilderFactoryImpl"
    factory = jvm.javax.xml.parsers.DocumentBuilderFactory.newInstance(parsers, None)
    factory.newDocumentBuilder().parse(source)


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
            lake.take()

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
    before = versions(lake)
    names = beeline.ask("SHOW TABLES")
    for statement in CHANGES:
        # The end of a long statement, as it was typed, may come first.
        error = beeline.ask(statement)[-1]
        assert error.startswith(f"Error: {REFUSED}"), (statement, error)
        assert error.endswith("is refused. (state=42501,code=0)")
    assert beeline.ask("SHOW TABLES") == names
    assert sum("customer_features" in name for name in names) == 1
    assert versions(lake) == before


def test_the_machine_is_not_open_either(
    lake: DropLake, beeline: Beeline, listener: socket.socket, tmp_path: Path
) -> None:
    """No file of the server's machine is read or written, no program run, nobody called."""
    (tmp_path / "secret").write_text("hunter2\n")
    (tmp_path / "a.xsd").write_text("hunter2\n")
    lake.spark.sql("SELECT 'hunter2' AS a").write.format("delta").save(f"file://{tmp_path}/table")
    tmp_path.chmod(0o777)
    port = listener.getsockname()[1]
    for statement in INTRUSIONS:
        answer = "\n".join(beeline.ask(statement.format(folder=tmp_path, port=port)))
        assert REFUSED in answer, (statement, answer)
        assert "state=42501" in answer
        assert "hunter2" not in answer
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.xsd", "secret", "table"]
    assert is_alone(listener)


def test_a_schema_brings_no_function_along(beeline: Beeline) -> None:
    """A schema may be JSON and name a column's default value, which must not be evaluated."""
    field = r""""name":"a","type":"string","nullable":true"""
    default = r""""metadata":{"EXISTS_DEFAULT":"reverse(\'2retnuh\')"}"""
    schema = f"""{{"type":"struct","fields":[{{{field},{default}}}]}}"""
    assert "hunter2" not in "\n".join(beeline.ask(f"SELECT from_json('{{}}', '{schema}')"))


def test_nothing_is_put_in_the_place_of_a_variable(beeline: Beeline) -> None:
    """The server's environment, its properties and its settings are not read by a statement."""
    for name in ("env:FLO_ROOT", "system:user.name", "hiveconf:hive.server2.thrift.port"):
        assert any("${" + name + "}" in line for line in beeline.ask(f"SELECT '${{{name}}}'"))


def test_every_function_is_allowed_or_refused(spark: SparkSession, server: Server) -> None:
    """Of all functions of this Spark and Delta, those on the list can be called, and no more.

    Another number means another Spark or Delta: look at what they have added.
    """
    session: Any = spark._jsparkSession.sessionState()  # type: ignore[attr-defined]
    registries = {
        "SELECT `{}`()": session.functionRegistry(),
        "SELECT * FROM `{}`()": session.tableFunctionRegistry(),
    }
    every: set[str] = set()
    allowed = read_allowed().functions
    driver = Driver(spark, server.url)
    for template, registry in registries.items():
        names = {each.funcName() for each in to_list(spark._jvm, registry.listFunction())}
        # All that are allowed in one statement: what is wrong with it is that they lack arguments.
        calls = " UNION ALL ".join(template.format(name) for name in sorted(names & allowed))
        assert "42501" not in driver.ask(calls)
        for name in names - allowed:
            assert f"42501 {REFUSED}" in driver.ask(template.format(name)), name
        every |= names
    driver.close()
    assert allowed <= every, "listed, but not known to this Spark"
    assert (len(every), len(allowed)) == (572, 456)


def test_every_setting_is_allowed_or_refused(lake: DropLake) -> None:
    """Of all settings of Spark, Delta and Hive, those that are listed may be set, and no more."""
    jvm: Any = lake.spark._jvm
    guard = Guard(lake.spark, lake.settings)
    sql = {entry.key() for entry in scala_object(jvm, SQL_CONF).getConfigEntries().toArray()}
    core = set(scala_object(jvm, CONFIG_ENTRY).knownConfigs().keySet().toArray())
    hive = {each.toString() for each in java_class(jvm, CONF_VARS).values()}
    allowed = read_allowed().settings
    every = sql | core | hive
    assert len(sql) > 500
    assert len(hive) > 500
    readable = {name for name in every if guard.objection(name, None) is None}
    assert readable == allowed.keys() & every
    values = ("true", "1", "UTC", "EXCEPTION", "TIMESTAMP_LTZ")
    settable = {
        name for name in readable for value in values if guard.objection(name, value) is None
    }
    assert settable == allowed.keys() - {"-v", "spark.sql.hive.version"}, "not known to this Spark"
    print(f"{len(every)} settings, of which {len(settable)} may be set")
    for name in allowed:
        assert guard.objection(name, "${env:HOME}") is not None
        assert guard.objection(f"{name} ", None) is not None


def test_what_a_client_sets_as_it_connects_is_held_to_the_same_list(
    lake: DropLake, server: Server
) -> None:
    """Neither Hive nor Java is told what is not listed; a driver's usual settings are."""
    allowed = {
        "use:database": "flo",
        "set:hiveconf:hive.server2.thrift.resultset.default.fetch.size": "1000",
        "set:hiveconf:spark.sql.session.timeZone": "Europe/Istanbul",
        "set:hivevar:spark.sql.ansi.enabled": "true",
    }
    assert connect(lake, server, allowed) == ("SUCCESS_STATUS", None, None)
    for name, value in (
        ("set:hiveconf:spark.sql.catalog.evil", "a.B"),
        ("set:hivevar:spark.sql.catalog.evil", "a.B"),
        ("set:hiveconf:hive.server2.authentication", "NONE"),
        ("set:hiveconf:spark.sql.session.timeZone", "${system:user.name}"),
        ("set:system:javax.xml.accessExternalDTD", "all"),
        ("set: system:javax.xml.accessExternalDTD", "all"),
        ("set:metaconf:hive.metastore.try.direct.sql", "true"),
        ("set:env:HOME", "/"),
        ("hive.server2.proxy.user", "hdfs"),
        ("use:database", "flo; DROP TABLE drops"),
    ):
        status, state, message = connect(lake, server, {name: value})
        assert (status, state) == ("ERROR_STATUS", "42501"), name
        assert message is not None
        assert message.startswith(REFUSED)
        assert message.endswith("is refused.")


def test_xml_opens_nothing_in_the_servers_java(
    server: Server, listener: socket.socket, spark: SparkSession
) -> None:
    """Its options close external entities and DTDs for every parser that Java brings."""
    given = [each for each in server.java_options() if re.match(r"-D(javax|jdk)\.xml\.", each)]
    assert len(given) == 5
    pairs = [option.removeprefix("-D").partition("=")[::2] for option in given]
    jvm: Any = spark._jvm
    before = [(name, jvm.java.lang.System.getProperty(name)) for name, _ in pairs]
    port = listener.getsockname()[1]
    texts = (
        f'<!DOCTYPE a SYSTEM "http://127.0.0.1:{port}/"><a/>',
        f'<!DOCTYPE a [<!ENTITY b SYSTEM "http://127.0.0.1:{port}/">]><a>&b;</a>',
        '<!DOCTYPE a [<!ENTITY b "b"><!ENTITY c "&b;&b;">]><a>&c;</a>',
    )
    try:
        for name, value in pairs:
            jvm.java.lang.System.setProperty(name, value)
        for text in texts:
            with pytest.raises(Py4JJavaError, match="SAXParseException"):
                parse_xml(jvm, text)
    finally:
        for name, value in before:
            if value is None:
                jvm.java.lang.System.clearProperty(name)
            else:
                jvm.java.lang.System.setProperty(name, value)
    assert is_alone(listener)


@pytest.mark.parametrize(
    ("statement", "expected"),
    QUESTIONS,
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


def test_a_port_in_use_is_told_before_anything_starts(env: dict[str, str]) -> None:
    """A sentence that names the port and the remedy, and exit code 2."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("flo", "serve", "--port", str(port), env=env, check=False, timeout=20)
    assert done.returncode == 2
    assert f"127.0.0.1:{port}" in done.stderr
    assert "--port" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_what_is_lacking_is_told_in_a_sentence(
    lake: DropLake, env: dict[str, str], tmp_path: Path
) -> None:
    """No HDFS is exit code 3; no permission and no tables are 2."""
    with pytest.raises(NotFoundError, match="flo init") as raised:
        Serving(lake.spark, Settings(root="/tests"), "")
    assert explain(raised.value).exit_code == 2
    cases: list[tuple[dict[str, str], int, str]] = [
        ({"FLO_VAR": str(tmp_path)}, 3, "flo sandbox up"),
        ({"FLO_READER": "somebody"}, 2, "somebody may not read"),
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
