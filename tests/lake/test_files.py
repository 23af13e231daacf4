"""Hadoop's file systems, as the stream asks them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pyspark.sql import SparkSession

from lake.fs import FileSystem


def test_a_missing_path_costs_no_exception(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is nothing, no exception of Java's is turned into Python's.

    That takes PySpark some 80 calls to Java, and a stream looks for a stop marker twice a second.
    """
    files, missing = FileSystem.of(spark), (tmp_path / "nothing").as_uri()
    files.exists(missing)  # Java's classes are looked up once
    calls = _count_calls(spark, monkeypatch)
    assert not files.exists(missing)
    assert files.status(missing) is None
    assert files.read_text(missing) is None
    assert len(calls) < 40


@pytest.fixture(params=["hdfs", "file"])
def folder(request: pytest.FixtureRequest, spark: SparkSession, tmp_path: Path) -> str:
    """A directory of its own, by the name that Hadoop has for it."""
    if request.param == "file":
        return f"{tmp_path.as_uri()}/a directory"
    return f"/tests/{uuid4().hex[:12]}"


def test_a_name_goes_to_the_first_who_puts_a_file_there(spark: SparkSession, folder: str) -> None:
    """Whoever comes later overwrites nothing, and leaves nothing behind; nor does a lost file."""
    files, target = FileSystem.of(spark), f"{folder}/target"
    for text in ("first", "second"):
        files.write_text(f"{folder}/{text}", text)
        assert files.put_in_place(f"{folder}/{text}", target) == (text == "first")
    assert not files.put_in_place(f"{folder}/gone", f"{folder}/other")
    assert files.read_text(target) == "first"
    assert [info.name for info in files.list(folder)] == ["target"]


def test_a_file_is_touched_by_the_clock_that_its_file_system_has(
    spark: SparkSession, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This machine's clock may be wrong: ten minutes here."""
    files, path, clock = FileSystem.of(spark), f"{folder}/file", time.time
    files.write_text(path, "")
    written = files.status(path)
    monkeypatch.setattr(time, "time", lambda: clock() + 600)
    files.touch(path)
    touched = files.status(path)
    assert written is not None
    assert touched is not None
    assert 0 <= touched.modified_ms - written.modified_ms < 60_000
    assert [info.name for info in files.list(folder)] == ["file"]


def test_many_files_take_no_more_calls_than_few(
    spark: SparkSession, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list is handed over whole: calls between Python and Java are what takes long."""
    files, taken = FileSystem.of(spark), list[int]()
    calls = _count_calls(spark, monkeypatch)
    for kind, number in (("few", 2), ("many", 60)):
        for at in range(number):
            files.write_text(f"{folder}/{kind}/{at}.csv", "x")
        calls.clear()
        assert len(files.list(f"{folder}/{kind}")) == number
        # Not what Python tells Java to let go of, whenever that comes.
        taken.append(len([call for call in calls if not call.startswith("m\n")]))
    assert taken[0] == taken[1] < 40


def _count_calls(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    client: Any = spark.sparkContext._gateway._gateway_client  # type: ignore[union-attr]
    send, calls = client.send_command, []

    def counting(command: str, *rest: Any, **more: Any) -> Any:
        calls.append(command)
        return send(command, *rest, **more)

    monkeypatch.setattr(client, "send_command", counting)
    return calls
