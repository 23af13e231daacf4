"""Spark starts from Java's archive of its classes where there is one that fits."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest
from pyspark import SparkConf, SparkContext

from lake import class_archive
from lake.session import build_session, open_file_system, spark_submit
from lake.settings import Settings

_START = "from lake.session import open_file_system as f; from lake.settings import Settings as s; "
CLASS_PATH = "spark.driver.extraClassPath"
OPTIONS = "SPARK_SUBMIT_OPTS"


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have something that lies where the archive does."""
    file = tmp_path / "classes.jsa"
    file.touch()
    monkeypatch.setattr(class_archive, "FILE", file)
    monkeypatch.delenv("SPARK_HOME", raising=False)
    monkeypatch.delenv("SPARK_CONF_DIR", raising=False)
    monkeypatch.setenv(OPTIONS, "-Dmine=1")
    return file


def _names(archive: Path) -> bool:
    """Tell whether Java is told of the archive, and Spark of the class path that it fits."""
    class_archive.declare()
    told = (str(archive) in os.environ[OPTIONS], CLASS_PATH in class_archive.with_archive({}))
    assert told in {(True, True), (False, False)}
    return told[0]


def test_the_archived_class_path_comes_before_what_a_user_adds(archive: Path) -> None:
    """Java takes an archive only where the class path begins as it did when that was made."""
    options = class_archive.with_archive({CLASS_PATH: "/mine.jar", "spark.app.name": "x"})
    assert options == {
        CLASS_PATH: f"{class_archive.class_path()}:/mine.jar",
        "spark.app.name": "x",
    }
    assert str(archive.parent) in class_archive.class_path()


def test_a_users_java_options_have_the_last_word(archive: Path) -> None:
    """What is given stays, behind the archive, which is named once however often it is declared."""
    assert _names(archive)
    assert _names(archive)
    given = os.environ[OPTIONS]
    assert given.endswith(" -Dmine=1")
    assert given.count(f'-XX:SharedArchiveFile="{archive}"') == 1


@pytest.mark.parametrize("given", ["-Xshare:off", "-XX:SharedArchiveFile=/mine.jsa"])
def test_a_user_may_choose_another_archive_or_none(
    archive: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    """Options about archives are not added to."""
    monkeypatch.setenv(OPTIONS, given)
    class_archive.declare()
    assert os.environ[OPTIONS] == given
    assert archive.is_file()


def test_without_an_archive_nothing_is_said_of_it(archive: Path) -> None:
    """No option names a file that is not there."""
    archive.unlink()
    assert not _names(archive)


def test_a_sites_own_spark_and_class_path_stay(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a site has another Spark, or jars of its own on the class path, those are used."""
    monkeypatch.setenv("SPARK_HOME", str(tmp_path))
    assert not _names(archive)
    monkeypatch.setenv("SPARK_HOME", str(class_archive.SPARK_HOME))
    (tmp_path / "spark-defaults.conf").write_text(f"{CLASS_PATH} /site/s3.jar\n")
    monkeypatch.setenv("SPARK_CONF_DIR", str(tmp_path))
    assert not _names(archive)
    monkeypatch.delenv("SPARK_CONF_DIR")
    assert _names(archive)


@pytest.mark.parametrize(("master", "there"), [("local[2]", True), ("yarn", False)])
def test_a_cluster_is_not_told_the_paths_of_this_machine(
    archive: Path, master: str, there: bool
) -> None:
    """A driver that may run on another machine is started as before."""
    command = " ".join(spark_submit(Settings(master=master)))
    assert (CLASS_PATH in command) is there
    assert (str(archive) in os.environ[OPTIONS]) is there


@pytest.mark.parametrize("start", ["session", "files"])
def test_each_java_of_a_command_is_told_of_it(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: str
) -> None:
    """Both for a session and for files alone, before the process is started."""

    class StartedError(Exception):
        """Java would run now."""

    def launch(conf: SparkConf) -> NoReturn:
        raise StartedError(dict(conf.getAll()))

    monkeypatch.setattr("pyspark.core.context.launch_gateway", launch)
    monkeypatch.setattr("pyspark.java_gateway.launch_gateway", launch)
    for name in ("_gateway", "_jvm", "_active_spark_context"):
        monkeypatch.setattr(SparkContext, name, None)
    settings = Settings(fs="file:///", var=tmp_path)
    with pytest.raises(StartedError) as started:
        build_session(settings, "flo-test") if start == "session" else open_file_system(settings)
    assert started.value.args[0][CLASS_PATH] == class_archive.class_path()
    assert str(archive) in os.environ[OPTIONS]


@pytest.mark.integration
def test_java_takes_its_classes_from_the_archive(tmp_path: Path) -> None:
    """A start of ours takes most of Hadoop's and Spark's classes from it, and not from jars."""
    if not class_archive.FILE.is_file():
        pytest.skip("no archive: this Java makes none, or `make test` was not what started this")
    log = tmp_path / "classes.log"
    environment = os.environ | {"FLO_FS": "file:///", OPTIONS: f"-Xlog:class+load:{log}"}
    look = f"f(s()).exists({str(tmp_path)!r})"
    subprocess.run([sys.executable, "-c", _START + look], env=environment, check=True, timeout=120)
    loaded = [line for line in log.read_text("utf-8").splitlines() if " org.apache." in line]
    archived = [line for line in loaded if "shared objects file" in line]
    assert len(archived) > 0.8 * len(loaded) > 300
