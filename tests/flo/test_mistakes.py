"""The mistakes of a first day, without a service: each is told in a sentence that helps."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from flo import cli
from sandbox import java
from tests.commands import every_command, understand

# What was typed after `flo`, and what the sentence has to name.
Case = tuple[str, tuple[str, ...]]
Tell = Callable[[str], tuple[int, str]]

SETTINGS = {
    "unknown.toml": 'roo = "/flo"\n',
    "broken.toml": "root = /flo\n",
    "kind.toml": 'trigger_seconds = "often"\n',
    "contract.toml": 'contract = "nowhere.toml"\n',
    "spark.toml": '[spark]\nspark.driver.memory = "2g"\n',
    "hadoop.toml": 'hadoop_conf_dir = "gone"\n',
    "closed.toml": 'fs = "hdfs://127.0.0.1:1"\n',
}
FILES = {
    "customers.csv": "master_id,order_channel\nc1,Offline\n",
    "notes.txt": "not,a,drop\n",
    "_hidden.csv": "master_id\nc1\n",
    "empty.csv": "",
    "binary.csv": "\x00\x01\x02\x03\x00\x00" * 500,
    "contract-typo.toml": "[columns.master_id]\ntypo = 1\n",
}
USAGE: list[Case] = [
    ("drosp", ("drosp", "Did you mean 'drop', 'drops'?")),
    ("sandbox upp", ("upp", "Did you mean 'up'?")),
    ("drop", ("FILE",)),
    ("drop customers.csv --dryrun", ("--dryrun", "--dry-run")),
    ("report", ("--out",)),
    ("sql", ("statement",)),
    ("drops --state gone", ("gone", "ingested", "duplicate", "rejected")),
    ("drops --limit 0", ("--limit", "1")),
    ("audit --format xml", ("xml", "table", "csv", "json")),
    ("watch --seconds 0", ("--seconds", "0.5")),
    ("segments --date yesterday", ("yesterday", "2021-06-01")),
    ("segments --date 2021-13-01", ("2021-13-01", "2021-06-01")),
    ("generate --out customers.csv", ("customers.csv", "is a file")),
    ("generate --out new --mode flo1m", ("flo1m", "flo100k")),
    ("generate --out new --layout V9", ("V9", "V1, V2, V7, mixed")),
]
WRONG_FILES: list[Case] = [
    ("drop nowhere.csv", ("nowhere.csv", "check the path")),
    ("drop customers.csv nowhere.csv", ("nowhere.csv",)),
    ("drop folder", ("folder is a directory", "name the files in it")),
    ("drop notes.txt", ("notes.txt", ".csv or .csv.gz", "rename it")),
    ("drop _hidden.csv", ("_hidden.csv", "rename it")),
    ("drop --dry-run customers.csv customers.csv", ("--dry-run takes one file",)),
    ("profile folder", ("folder is a directory", "name a file in it")),
    ("profile empty.csv", ("empty.csv", "is empty")),
    ("profile binary.csv", ("binary.csv", "binary data", "export")),
    ("report --out folder", ("folder", "is a directory")),
    ("report --out nowhere/report.html", ("There is no directory nowhere",)),
    ("quarantine --export mend.csv", ("--drop",)),
    ("quarantine --drop abc --export customers.csv", ("customers.csv exists already",)),
]
WRONG_SETTINGS: list[Case] = [
    ("status --conf nowhere.toml", ("nowhere.toml does not exist", "--conf")),
    ("--conf unknown.toml status", ("unknown.toml", "'roo'", "remove or correct it")),
    ("status --conf broken.toml", ("broken.toml", "not valid TOML", "line 1")),
    ("status --conf kind.toml", ("kind.toml", "'trigger_seconds'", "FLO_TRIGGER_SECONDS")),
    ("status --conf customers.csv", ("customers.csv", "not valid TOML")),
    ("init --conf spark.toml", ("'spark.driver.memory'", "[spark] in spark.toml", "in quotes")),
    ("status --conf hadoop.toml", ("/gone", "'hadoop_conf_dir'", "correct the path")),
    ("stream --conf hadoop.toml", ("/gone", "'hadoop_conf_dir'", "correct the path")),
    ("stream --conf contract.toml", ("nowhere.toml", "'contract'")),
    ("profile customers.csv --conf contract.toml", ("nowhere.toml", "'contract'")),
]
ASKING = [
    *("status", "watch", "drops", "audit", "quarantine", "init", "stream", "stream --once", "stop"),
    *("drop customers.csv", "drop --dry-run customers.csv", "kpis", "segments", "verify"),
    *("rebuild", "restore", "maintain", "profile /in/hdfs.csv"),
    *("report --out report.html", "sql 'SELECT 1'", "serve"),
]

# What looks without Java, and what asks no service at all.
LOOKING = ["status", "watch", "drops", "audit"]
LOCAL = ["profile customers.csv", "generate --out new", "sandbox up", "sandbox down"]
LOCAL += ["sandbox status", "sandbox wipe", "user ada"]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a directory with these files, where neither Hadoop nor a session is."""
    for name, text in (SETTINGS | FILES).items():
        (tmp_path / name).write_text(text, "utf-8")
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("FLO_")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("HADOOP_CONF_DIR", raising=False)
    monkeypatch.setenv("FLO_VAR", str(tmp_path / "var"))
    monkeypatch.setenv("JAVA_HOME", os.environ.get("JAVA_HOME", ""))
    monkeypatch.setattr(SparkSession, "getActiveSession", lambda: None)


@pytest.fixture
def tell(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Tell:
    """Run a line as the shell does; return the exit code and the sentence that was said."""

    def run(line: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["flo", *shlex.split(line)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capfd.readouterr()
        assert said.out == ""
        *before, sentence = said.err.splitlines()
        # How the command is used, and nothing else, may stand before what is wrong with it.
        for earlier in before:
            assert not earlier or earlier.startswith(("Usage: ", "Try '", "There is no local file"))
        assert sentence.endswith((".", "?", ")")) or sentence.startswith("Error: ")
        return int(ended.value.code or 0), sentence

    return run


@pytest.mark.parametrize(("line", "words"), [*USAGE, *WRONG_FILES, *WRONG_SETTINGS])
def test_a_mistake_is_named_with_its_remedy(line: str, words: tuple[str, ...], tell: Tell) -> None:
    """A wrong word, file or setting is exit code 2, and its sentence names it and what to do."""
    code, sentence = tell(line)
    assert code == 2, sentence
    for word in words:
        assert word in sentence


def test_no_command_is_left_out() -> None:
    """Each command is either asked where there is no service, or asks none."""
    asked = {each for line in (*ASKING, *LOCAL) for each in understand(f"flo {line}")}
    groups = {path[:-1] for path in every_command() if path}
    assert asked == set(every_command()) - groups


@pytest.mark.parametrize("line", ASKING)
def test_without_a_sandbox_each_command_says_how_to_start_one(line: str, tell: Tell) -> None:
    """Where no HDFS is configured every command that needs one ends with 3 and says so."""
    code, sentence = tell(line)
    assert code == 3, sentence
    assert "No HDFS is configured" in sentence
    assert "`flo sandbox up`" in sentence
    assert "HADOOP_CONF_DIR" in sentence


@pytest.mark.parametrize("line", ["status", "drop customers.csv", "sql 'SELECT 1'", "stream"])
def test_a_namenode_that_is_down_is_named(line: str, tell: Tell) -> None:
    """An address at which nothing listens is exit code 3, with the address."""
    code, sentence = tell(f"{line} --conf closed.toml")
    assert code == 3, sentence
    assert "127.0.0.1:1" in sentence
    assert "`flo sandbox up`" in sentence


@pytest.mark.parametrize("line", ["status", "drop customers.csv", "init"])
def test_a_broken_hadoop_configuration_is_named(
    line: str, tell: Tell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of it that is no XML is exit code 2, with its path."""
    (tmp_path / "core-site.xml").write_text("<configuration><property>")
    monkeypatch.setenv("HADOOP_CONF_DIR", str(tmp_path))
    code, sentence = tell(line)
    assert code == 2, sentence
    assert f"{tmp_path / 'core-site.xml'} is not valid XML" in sentence
    assert "HADOOP_CONF_DIR" in sentence


@pytest.fixture
def _no_java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide every Java of this machine."""
    monkeypatch.setattr(java, "_HOMES", ())
    monkeypatch.setattr("lake.settings.PROJECT", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME")


@pytest.mark.usefixtures("_no_java")
@pytest.mark.parametrize("line", [line for line in ASKING if line not in LOOKING])
@pytest.mark.parametrize("named", [None, "gone"])
def test_without_java_each_command_says_what_to_install(
    line: str, named: str | None, tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What needs Java ends with 2 and names the versions, and JAVA_HOME where that is wrong."""
    if named:
        monkeypatch.setenv("JAVA_HOME", named)
    code, sentence = tell(line)
    assert code == 2, sentence
    assert "Java 17 or 21" in sentence
    assert "install" in sentence
    assert ("JAVA_HOME=gone" in sentence) == bool(named)


@pytest.mark.usefixtures("_no_java")
def test_a_java_that_is_too_old_is_named(tell: Tell, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Java 8 on the path is told from none at all."""
    home = Path("java8")
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "java").write_text("#!/bin/sh\n")
    (home / "bin" / "java").chmod(0o755)
    (home / "release").write_text('JAVA_VERSION="1.8.0_292"\n')
    monkeypatch.setenv("PATH", str((home / "bin").resolve()))
    assert "java on PATH is Java 8" in tell("init")[1]


@pytest.mark.usefixtures("_no_java")
@pytest.mark.parametrize("line", LOOKING)
def test_what_needs_no_java_does_not_ask_for_it(line: str, tell: Tell) -> None:
    """Looking at a lake without Java goes as far as HDFS."""
    assert tell(line)[0] == 3


def test_the_java_of_the_setup_is_used_where_no_other_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Java that only `make setup` was told of is as good as one on the path."""
    from flo.options import prepare_java

    here = java.find_java()
    monkeypatch.setattr(java, "_HOMES", ())
    monkeypatch.setattr("lake.settings.PROJECT", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME")
    (tmp_path / ".jars").mkdir()
    (tmp_path / ".jars" / "java_home").write_text(f"{here}\n")
    prepare_java()
    assert os.environ["JAVA_HOME"] == str(here)


def test_a_place_where_nothing_can_be_written_is_named(tell: Tell) -> None:
    """A directory that cannot be made is told with its path."""
    code, sentence = tell("generate --out /proc/nowhere")
    assert code == 3
    assert "/proc/nowhere" in sentence


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of 64 kB, where this user may."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no disk can be mounted here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_is_told_with_the_file(small_disk: Path, tell: Tell) -> None:
    """What does not fit is exit code 3, with the file and the reason."""
    code, sentence = tell(f"generate --out {small_disk}")
    assert code == 3
    assert str(small_disk) in sentence
    assert "No space left on device" in sentence
    assert "has room" in sentence


def test_ctrl_c_while_the_program_loads_leaves_no_trace() -> None:
    """Interrupted before the first command is known, it ends with 130 and says nothing."""
    # The import that the program makes first is where it is interrupted.
    interrupted = (
        "import sys\n"
        "class Interrupt:\n"
        "    def find_spec(self, name, *rest):\n"
        "        if name == 'typer':\n"
        "            raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupt())\n"
        "from flo.__main__ import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", interrupted], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
    [program] = entry_points(group="console_scripts", name="flo")
    assert program.value == "flo.__main__:main"
