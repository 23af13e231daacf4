"""Java's archive of Spark's classes is made when it is due, once, and delays nobody."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import flo.class_archive
from flo.class_archive import is_due, key_of, main, start_if_due
from lake import class_archive
from lake.settings import CONF, Settings
from sandbox.java import find_java

# Java, as far as it is asked: Spark's launcher names the command of a driver, which is then run.
JAVA = r"""#!/bin/sh
case "$*" in
*launcher.Main*) printf '\0\n%s\0-cp\0jars\0job\0' "$0" ;;
*) draft="${{1#*=}}"; {does} ;;
esac
"""
MAKES = 'echo "$1" > "$draft"'


@pytest.fixture
def java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have a project with jars and no archive, and a Java that makes one."""
    folder = tmp_path / ".jars"
    (folder / "spark").mkdir(parents=True)
    (tmp_path / "java" / "bin").mkdir(parents=True)
    monkeypatch.delenv("FLO_VAR", raising=False)  # a sandbox of other tests
    monkeypatch.setattr(flo.class_archive, "PROJECT", tmp_path)
    monkeypatch.setattr(class_archive, "FILE", folder / "classes.jsa")
    monkeypatch.setattr(flo.class_archive, "find_java", lambda: tmp_path / "java")
    monkeypatch.setattr(flo.class_archive, "ivy_jar", lambda: folder / "spark" / "ivy.jar")
    return behaves(tmp_path / "java", MAKES)


def behaves(java: Path, does: str) -> Path:
    """Have Java do this when it is to make the archive."""
    program = java / "bin" / "java"
    program.write_text(JAVA.format(does=does))
    program.chmod(0o755)
    return java


def test_the_key_changes_with_java_and_with_the_jars(java: Path) -> None:
    """A Java at another place, another Java there, and other jars each give another key."""
    key = key_of(java)
    os.utime(java / "bin" / "java", ns=(0, 0))
    assert key_of(java) == key
    keys = {key, key_of(java.rename(java.with_name("other")).rename(java))}
    assert len(keys) == 1
    behaves(java, "exit 0")
    keys.add(key_of(java))
    os.utime(class_archive.FILE.parent / "spark", ns=(0, 0))
    keys.add(key_of(java))
    elsewhere = java.rename(java.with_name("elsewhere"))
    keys.add(key_of(elsewhere))
    assert len(keys) == 4


@pytest.mark.integration
def test_a_driver_starts_a_python_that_sees_what_make_setup_installed(
    tmp_path: Path,
) -> None:
    """Below spark-submit, as a stream is, PySpark is in a zip; the key is as it is elsewhere."""
    facts, python, job = tmp_path / "facts", tmp_path / "python", tmp_path / "job.py"
    (tmp_path / ".jars" / "spark").mkdir(parents=True)
    told = "from lake.class_archive import SPARK_HOME; print(SPARK_HOME)"
    python.write_text(
        f"#!/bin/sh\n{sys.executable} $1 -c '{told}' > {facts}.new\nmv {facts}.new {facts}\n"
    )
    python.chmod(0o755)
    job.write_text(
        "import sys, pathlib, flo.class_archive as ours\n"
        "from lake.settings import Settings\n"
        "print(ours.key_of(ours.find_java()))\n"
        f"sys.executable, here = {str(python)!r}, pathlib.Path({str(tmp_path)!r})\n"
        "ours.PROJECT, ours.class_archive.FILE = here, here / '.jars' / 'classes.jsa'\n"
        # At the lowest priority it would have to wait until no other test wants the processor.
        "ours._IN_BACKGROUND = ours._IN_BACKGROUND.removeprefix('nice -n 19 ')\n"
        "ours.start_if_due(Settings(var=here / 'var'))\n"
    )
    # Where the sandbox is, too: another one's driver starts nothing.
    others = {name: value for name, value in os.environ.items() if not name.startswith("FLO_")}
    environment = others | {"PYSPARK_PYTHON": sys.executable, "SPARK_CONF_DIR": str(CONF)}
    submit = str(Path(sys.executable).with_name("spark-submit"))
    printed = subprocess.run(
        [submit, str(job)], env=environment, check=True, capture_output=True, text=True, timeout=120
    ).stdout
    assert printed.split()[0] == key_of(find_java())
    wait_for_file(facts)
    assert facts.read_text().strip() == str(class_archive.SPARK_HOME)


def wait_for_file(path: Path) -> None:
    """Wait until it is there; whoever writes it renames it when it is whole."""
    until = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_it_is_made_once(java: Path) -> None:
    """What is there for this Java and these jars is not made again, and no scratch is left."""
    assert is_due(key_of(java))
    (class_archive.FILE.parent / "classes-of-one-that-was-killed").mkdir()
    assert main() == 0
    first = class_archive.FILE.read_text()
    assert first.startswith("-XX:ArchiveClassesAtExit=")
    assert main() == 0
    assert class_archive.FILE.read_text() == first
    left = {path.name for path in class_archive.FILE.parent.iterdir()}
    assert left == {"spark", "classes.jsa", "classes.key", "classes.lock"}


def test_it_is_made_again_where_it_is_lost_or_does_not_fit(java: Path) -> None:
    """Whoever removes the file gets another one, and so does another Java."""
    main()
    class_archive.FILE.unlink()
    assert is_due(key_of(java))
    main()
    assert class_archive.FILE.is_file()
    behaves(java, f"{MAKES}; :")
    assert is_due(key_of(java))


@pytest.mark.parametrize(
    ("does", "code", "due"),
    [("exit 0", 0, False), ("exit 1", 2, True), ("kill -INT $$", 2, True)],
)
def test_a_try_is_repeated_only_where_that_may_help(
    java: Path, does: str, code: int, due: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """A full disk passes; a Java that makes no archive makes none tomorrow. Both are told."""
    behaves(java, does)
    assert main() == code
    assert not class_archive.FILE.exists()
    assert is_due(key_of(java)) is due
    assert "classes.log" in capsys.readouterr().err
    behaves(java, MAKES)
    assert is_due(key_of(java))


def test_a_stream_that_ends_leaves_it_to_the_background(
    java: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What makes it is nobody's child, has the lowest priority, and says nothing here."""
    program, facts = tmp_path / "python", tmp_path / "facts"
    program.write_text(
        f"#!{sys.executable}\n"
        "import os, sys\n"
        "files = [os.readlink(f'/proc/self/fd/{number}') for number in range(3)]\n"
        f"with open('{facts}.new', 'w') as told:\n"
        "    print(os.nice(0), os.getsid(0), *files, *sys.argv[1:], file=told)\n"
        f"os.rename('{facts}.new', '{facts}')\n"
    )
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    start_if_due(Settings(var=tmp_path / "var"))
    wait_for_file(facts)
    nice, session, *words = facts.read_text().split()
    log = str(class_archive.FILE.with_suffix(".log"))
    assert nice == "19"
    assert int(session) != os.getsid(0)
    assert words == [os.devnull, log, log, "-I", "-m", "flo.class_archive"]


def test_nothing_is_started_where_it_is_not_due_or_not_wanted(
    java: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An archive that fits, a trial's own `FLO_VAR`, a container of a cluster: no process more."""
    started: list[object] = []
    monkeypatch.setattr("subprocess.run", lambda *command, **_: started.append(command))
    ours = Settings(var=tmp_path / "var")
    start_if_due(Settings(var=tmp_path / "trial"))
    class_archive.FILE.with_suffix(".key").write_text(key_of(java))
    class_archive.FILE.touch()
    start_if_due(ours)
    assert not started
    class_archive.FILE.unlink()
    start_if_due(ours)
    assert len(started) == 1
    (java / "bin" / "java").unlink()
    start_if_due(ours)  # is told in the log, and ends no stream
    monkeypatch.setattr(class_archive, "FILE", tmp_path / "container" / ".jars" / "classes.jsa")
    start_if_due(ours)
    assert len(started) == 1


def test_the_archive_is_made_without_a_sites_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What runs while it is made knows no metastore, HDFS or contract of the site."""
    monkeypatch.setenv("FLO_SPARK", '{"spark.hadoop.hive.metastore.uris": "thrift://site:9083"}')
    monkeypatch.setenv("FLO_CONTRACT", "/site/contract.toml")
    environment = flo.class_archive._environment(tmp_path, tmp_path / "java")
    for name in [name for name in os.environ if name.startswith("FLO_")]:
        monkeypatch.delenv(name)
    for name in [name for name in environment if name.startswith("FLO_")]:
        monkeypatch.setenv(name, environment[name])
    settings = Settings.load()
    assert settings.spark == {}
    assert settings.contract == Settings().contract
    assert (settings.fs, settings.metrics_address) == ("file:///", "")
    assert Path(settings.root).is_relative_to(tmp_path)
