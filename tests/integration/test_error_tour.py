"""The mistakes of a first day with a real HDFS, and Ctrl-C: a sentence, the right code, no trace.

Those that need no service are in ``tests/flo/test_mistakes.py``; lasting trouble of HDFS and what
the stream makes of it are in ``tests/faults/``.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from pyspark.sql import SparkSession

from flo import cli
from flo.failures import Failure, explain
from flo.output import Format
from flo.query_commands import _run
from lake.settings import Settings
from sandbox import Sandbox
from tests.lakes import DropLake, csv, row
from tests.processes import BIN, ROOT, run, wait_for

pytestmark = pytest.mark.integration

# Before it is interrupted.
_JAVA_SAYS = re.compile(r"WARNING: Using incubator modules|\d{4}-\S+T\S+ +(WARN|ERROR) +\w+: ")

Flo = Callable[..., tuple[int, str]]
BEFORE_INIT = ["kpis", "segments", "verify", "rebuild", "restore", "maintain", "quarantine"]
BEFORE_INIT += ["drops", "audit", "drop --dry-run a.csv", "report --out r.html"]
STATEMENTS = [
    ("SELECT * FORM flo.drops", 2, ("Syntax error", "'flo'", "line 1, position")),
    ("SELECT * FROM flo.dorps", 2, ("`flo`.`dorps`", "cannot be found")),
    ("SELECT customer FROM range(1)", 2, ("`customer`", "cannot be resolved")),
    ("SELECT 1 / 0", 2, ("Division by zero",)),
    ("SELECT CAST('x' AS INT)", 2, ("'x'", "INT")),
    ("SELECT 'x", 2, ("Syntax error", "line 1")),
    ("SELECT * FROM delta.`/no/such`", 2, ("/no/such",)),
]


@pytest.fixture(scope="module")
def drops(new_lake: Callable[[], DropLake]) -> DropLake:
    """Make a lake with one drop that has a bad row."""
    lake = new_lake()
    lake.put("some-bad.csv", csv(*(row(f"c{at}") for at in range(9)), row("c9", value_online="x")))
    lake.take()
    return lake


@pytest.fixture
def flo(drops: DropLake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Flo:
    """Run a command in this process, on that lake or another root, as the shell does."""
    (tmp_path / "a.csv").write_text(csv(row("c1")), "utf-8")
    monkeypatch.chdir(tmp_path)

    def run(*words: str, root: str = drops.settings.root) -> tuple[int, str]:
        monkeypatch.setenv("FLO_ROOT", root)
        monkeypatch.setattr(sys, "argv", ["flo", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return int(ended.value.code or 0), said.err.strip()

    return run


@pytest.mark.parametrize("line", BEFORE_INIT)
def test_before_init_each_command_names_it(line: str, flo: Flo) -> None:
    """On a root without tables what needs them ends with 2, in a sentence that says `flo init`."""
    code, said = flo(*line.split(), root="/nothing/yet")
    assert code == 2, said
    sentence = said.splitlines()[-1]
    assert "`flo init`" in sentence
    assert "/nothing/yet" in sentence
    assert not Path("r.html").exists()


def test_what_asks_files_only_says_it_in_a_sentence(
    drops: DropLake, environment: dict[str, str], tmp_path: Path
) -> None:
    """Nothing to stop is no error; no landing and no such file are, with what to do."""
    (tmp_path / "a.csv").write_text(csv(row("c1")), "utf-8")

    def ask(*words: str, root: str = drops.settings.root) -> tuple[int, str]:
        done = run(*words, env={**environment, "FLO_ROOT": root}, check=False)
        assert done.stdout == ""
        return done.returncode, done.stderr.splitlines()[-1]

    assert ask("flo", "stop") == (0, "No stream is running.")
    code, said = ask("flo", "drop", str(tmp_path / "a.csv"), root="/nothing/yet")
    assert (code, "/nothing/yet/landing" in said, "`flo init`" in said) == (2, True, True)
    code, said = ask("flo", "profile", "/no/such.csv")
    assert (code, said) == (2, "There is no file /no/such.csv, neither here nor in HDFS.")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("quarantine", "--drop", "0123456789ab"), ("0123456789ab", "`flo drops`")),
        (("sql", "SELECT 1", "--as-of", "yesterday"), ("yesterday", "2026-03-01T12:00:00+03:00")),
        (("sql", "SELECT 1", "--as-of", "0123456789ab"), ("0123456789ab", "`flo drops`")),
        (("sql", "SELECT 1", "--as-of", "2001-01-01"), ("2000-12-31T22:00:00+00:00", "later time")),
    ],
)
def test_what_is_not_there_is_named(words: Sequence[str], said: Sequence[str], flo: Flo) -> None:
    """A drop, a time or a file that there is not is exit code 2, by its name."""
    code, told = flo(*words)
    assert code == 2, told
    for word in said:
        assert word in told.splitlines()[-1]


@pytest.mark.parametrize(("statement", "code", "words"), STATEMENTS)
def test_a_wrong_statement_is_one_sentence(
    statement: str, code: int, words: Sequence[str], spark: SparkSession
) -> None:
    """Of Spark's page about a statement the analyst reads what is wrong and where, on one line."""
    told = failure(lambda: _run(spark, [statement], Format.JSON))
    assert told.exit_code == code
    assert "\n" not in told.message
    assert told.message.endswith(".")
    for word in words:
        assert word in told.message


def test_trouble_that_java_names_only_by_its_kind_is_told_as_such(spark: SparkSession) -> None:
    """An error of Java that Spark has no sentence for is named, and none of its words are shown."""
    jvm: Any = spark._jvm
    told = failure(lambda: jvm.java.util.ArrayList().get(3))
    assert told.exit_code == 3
    assert "IndexOutOfBoundsException" in told.message
    assert "--debug" in told.message
    assert "o1" not in told.message


def failure(action: Callable[[], Any]) -> Failure:
    """Explain what an action raises, as the command line would."""
    with pytest.raises(Exception) as raised:  # noqa: PT011 - whatever Spark has for it
        action()
    return explain(raised.value)


def test_a_full_hdfs_is_told_with_its_path(
    drops: DropLake, environment: dict[str, str], tmp_path: Path
) -> None:
    """A drop that its directory has no room for is exit code 3, with path and remedy.

    Nothing of it is left in landing.
    """
    (tmp_path / "a.csv").write_text(csv(row("c1")), "utf-8")
    env = {**environment, "FLO_ROOT": drops.settings.root}
    with little_room(drops, drops.settings.landing):
        done = run("flo", "drop", str(tmp_path / "a.csv"), env=env, check=False)
    assert (done.returncode, done.stdout) == (3, ""), done.stderr
    said = done.stderr.splitlines()[-1]
    assert f"DSQuotaExceededException at {drops.settings.landing}." in said
    assert "Raise the space quota or clean up." in said
    assert drops.files.list(drops.settings.landing) == []


@contextmanager
def little_room(lake: DropLake, path: str) -> Iterator[None]:
    """Give a directory of HDFS no room for one block."""
    jvm: Any = lake.spark._jvm
    place = jvm.org.apache.hadoop.fs.Path(path)
    conf = lake.spark._jsc.hadoopConfiguration()  # type: ignore[attr-defined]
    fs = place.getFileSystem(conf)
    # Hadoop's own words for "as it is" and for "none".
    keep, none = 2**63 - 1, -1
    fs.setQuota(place, keep, 1024)
    try:
        yield
    finally:
        fs.setQuota(place, none, none)


class Started:
    """A command as a process of its own, that is interrupted as a terminal does it."""

    def __init__(self, folder: Path, *words: str, env: dict[str, str]) -> None:
        self._out, self._err = folder / "printed", folder / "said"
        self._before = ""
        with self._out.open("w") as out, self._err.open("w") as err:
            self.process = subprocess.Popen(
                [str(BIN / "flo"), *words], env=env, cwd=ROOT, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=out, stderr=err,
            )  # fmt: skip

    @property
    def printed(self) -> str:
        """What is on standard output so far."""
        return self._out.read_text("utf-8")

    @property
    def said(self) -> str:
        """What is on standard error so far."""
        return self._err.read_text("utf-8")

    def wait_until(self, condition: Callable[[], Any], what: str) -> None:
        """Wait for a condition, and fail at once where the command ends before."""

        def seen() -> bool:
            if self.process.poll() is not None:
                raise AssertionError(f"it ended before {what}: {self.printed}{self.said}")
            return bool(condition())

        wait_for(seen, what, 120)

    def command_lines(self) -> list[str]:
        """What every user of the machine can read of it and of the processes below it."""
        own = psutil.Process(self.process.pid)
        lines = []
        for each in (own, *own.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):  # it has ended since
                lines.append(" ".join(each.cmdline()))
        return lines

    def computes(self) -> bool:
        """Tell whether Spark has begun to compute: its Java has a thread for tasks."""
        return any("Executor task" in name for name in self._threads())

    def loads(self, package: str) -> bool:
        """Tell whether a native package is loaded."""
        maps = Path(f"/proc/{self.process.pid}/maps").read_text()
        return f"/{package}/" in maps

    def _threads(self) -> Iterator[str]:
        for child in psutil.Process(self.process.pid).children(recursive=True):
            for task in Path(f"/proc/{child.pid}/task").glob("*/comm"):
                try:
                    yield task.read_text()
                except OSError:  # it has ended since
                    continue

    def interrupt(self) -> list[psutil.Process]:
        """Press Ctrl-C, which all of the group get, wait for the end, and give what is left."""
        below = psutil.Process(self.process.pid).children(recursive=True)
        self._before = self.said
        os.killpg(self.process.pid, signal.SIGINT)
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            raise
        return below

    def assert_quiet(self, left: Sequence[psutil.Process]) -> None:
        """See that it ended as interrupted, without a trace, and its Java with it."""
        _, alive = psutil.wait_procs(left, timeout=30)
        assert not alive, "Java is left running"
        assert self.process.returncode == 130, self.said
        assert self.said == self._before, "there is a word on the interrupt"
        for line in self._before.splitlines():
            assert _JAVA_SAYS.match(line) or line.startswith("Watching "), self.said


# What it writes and breaks off Spark's log would tell. The secret's length is 7 where the session
# has the setting; else 0, by which nothing is divided.
ENDLESS = (
    "INSERT OVERWRITE DIRECTORY 'file://{scratch}' USING parquet "
    "SELECT * FROM range(1000000000000000) WHERE id % length('${{spark.my.token}}') = 3"
)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize(
    "words",
    [
        ["sql", ENDLESS],
        ["report", "--out", "{folder}/report.html"],
    ],
    ids=["sql", "report"],
)
def test_ctrl_c_ends_what_spark_computes(
    words: list[str], drops: DropLake, environment: dict[str, str], tmp_path: Path
) -> None:
    """In the middle of a computation: 130, no result, no word, no Java left, no half a file.

    Meanwhile a secret of the settings, which the session knows, is on no command line.
    """
    secret = json.dumps({"spark.my.token": "hunter2"})
    env = {**environment, "FLO_ROOT": drops.settings.root, "FLO_SPARK": secret}
    (tmp_path / "for the report").mkdir()
    places = {"folder": tmp_path / "for the report", "scratch": tmp_path / "scratch"}
    filled = (word.format(**places) for word in words)
    command = Started(tmp_path, *filled, env=env)
    command.wait_until(command.computes, "Spark's first task")
    assert not [line for line in command.command_lines() if "hunter2" in line]
    command.assert_quiet(command.interrupt())
    assert command.printed == ""
    assert list((tmp_path / "for the report").iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_ctrl_c_ends_a_look(drops: DropLake, environment: dict[str, str], tmp_path: Path) -> None:
    """While HDFS is asked, without Java: 130 and not a word."""
    env = {**environment, "FLO_ROOT": drops.settings.root}
    with halted("NameNode"):
        command = Started(tmp_path, "status", env=env)
        command.wait_until(lambda: command.loads("hdfs_native"), "the reader")
        command.assert_quiet(command.interrupt())
    assert command.printed == ""


def test_ctrl_c_is_how_a_watch_ends(
    drops: DropLake, environment: dict[str, str], tmp_path: Path
) -> None:
    """What was printed so far stays printed; the end is no error to be told."""
    command = Started(tmp_path, "watch", env={**environment, "FLO_ROOT": drops.settings.root})
    command.wait_until(lambda: "some-bad.csv" in command.printed, "its first line")
    command.assert_quiet(command.interrupt())


def test_ctrl_c_leaves_nothing_of_a_drop_in_landing(
    drops: DropLake, environment: dict[str, str], tmp_path: Path
) -> None:
    """Interrupted while its bytes are on their way: 130, and landing is as it was.

    What its Java still does when it ends, HDFS has no place for any more.
    """
    file = tmp_path / "big.csv"
    file.write_text(csv(*(row(f"c{at}") for at in range(20_000))), "utf-8")
    with halted("DataNode"):
        env = {**environment, "FLO_ROOT": drops.settings.root}
        command = Started(tmp_path, "drop", str(file), env=env)
        command.wait_until(lambda: drops.files.list(drops.settings.landing), "its hidden name")
        left = command.interrupt()
        assert drops.files.list(drops.settings.landing) == []
    command.assert_quiet(left)
    assert command.printed == ""
    assert drops.files.list(drops.settings.landing) == []


@contextmanager
def halted(title: str) -> Iterator[None]:
    """Let a daemon of the sandbox answer nobody for a while."""
    daemons = Sandbox(Settings.load().var).status().daemons
    [pid] = [each.pid for each in daemons if each.title == title]
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
