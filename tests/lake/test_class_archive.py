"""Spark starts from Java's archive of its classes where there is one that fits."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lake import class_archive
from lake.session import spark_submit
from lake.settings import Settings

_START = "from lake.session import open_file_system as f; from lake.settings import Settings as s; "
CLASS_PATH = "spark.driver.extraClassPath"


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have something that lies where the archive does."""
    file = tmp_path / "classes.jsa"
    file.touch()
    monkeypatch.setattr(class_archive, "FILE", file)
    monkeypatch.setenv("SPARK_SUBMIT_OPTS", "-Dmine=1")
    return file


def test_the_archived_class_path_comes_before_what_a_user_adds(archive: Path) -> None:
    """Java takes an archive only where the class path begins as it did when that was made."""
    options = class_archive.with_archive({CLASS_PATH: "/mine.jar", "spark.app.name": "x"})
    assert options == {
        CLASS_PATH: f"{class_archive.class_path()}:/mine.jar",
        "spark.app.name": "x",
    }
    assert str(archive.parent) in class_archive.class_path()


def test_a_users_java_options_stay_and_the_archive_is_named_once(archive: Path) -> None:
    """Each JVM that is started is told of the archive, after what it is told anyway."""
    class_archive.declare()
    class_archive.declare()
    given = os.environ["SPARK_SUBMIT_OPTS"]
    assert given.startswith("-Dmine=1 ")
    assert given.count(f"-XX:SharedArchiveFile={archive}") == 1


def test_without_an_archive_nothing_is_said_of_it(archive: Path) -> None:
    """No option names a file that is not there."""
    archive.unlink()
    class_archive.declare()
    assert os.environ["SPARK_SUBMIT_OPTS"] == "-Dmine=1"
    assert class_archive.with_archive({}) == {}


@pytest.mark.usefixtures("archive")
@pytest.mark.parametrize(("master", "there"), [("local[2]", True), ("yarn", False)])
def test_a_cluster_is_not_told_the_paths_of_this_machine(master: str, there: bool) -> None:
    """A driver that may run on another machine is started as before."""
    command = " ".join(spark_submit(Settings(master=master)))
    assert (CLASS_PATH in command) is there


@pytest.mark.integration
def test_java_takes_its_classes_from_the_archive(tmp_path: Path) -> None:
    """A start of ours takes most of Hadoop's and Spark's classes from it, and not from jars."""
    if not class_archive.FILE.is_file():
        pytest.skip("Java made no archive here")
    log = tmp_path / "classes.log"
    environment = os.environ | {
        "FLO_FS": "file:///",
        "SPARK_SUBMIT_OPTS": f"-Xlog:class+load:{log}",
    }
    look = f"f(s()).exists({str(tmp_path)!r})"
    subprocess.run([sys.executable, "-c", _START + look], env=environment, check=True, timeout=120)
    loaded = [line for line in log.read_text("utf-8").splitlines() if " org.apache." in line]
    archived = [line for line in loaded if "shared objects file" in line]
    assert len(archived) > 0.8 * len(loaded) > 300
