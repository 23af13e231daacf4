"""Hadoop's file systems, as the stream asks them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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


def _count_calls(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    client: Any = spark.sparkContext._gateway._gateway_client  # type: ignore[union-attr]
    send, calls = client.send_command, []

    def counting(command: str, *rest: Any, **more: Any) -> Any:
        calls.append(command)
        return send(command, *rest, **more)

    monkeypatch.setattr(client, "send_command", counting)
    return calls
