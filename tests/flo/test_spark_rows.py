"""Spark's results as they are printed."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator

import pytest
from pyspark.sql import SparkSession

from flo.output import Format, print_frame


@pytest.fixture
def far_away(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put this machine into a zone that is nobody's."""
    monkeypatch.setenv("TZ", "Pacific/Chatham")
    time.tzset()
    yield
    monkeypatch.undo()
    os.environ.setdefault("TZ", "UTC")
    time.tzset()


def test_values_mean_the_same_on_every_machine(
    spark: SparkSession, far_away: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """Times carry the session's offset at every depth, whatever zone the machine is in."""
    frame = spark.sql(
        "SELECT at, array(at) AS list, map('k', at) AS map, struct(at, 1 AS n) AS struct, "
        "CAST(0.1 AS FLOAT) AS single, CAST(2 AS DECIMAL(38,2)) AS money, "
        "TIMESTAMP_NTZ'2021-05-05 21:07:02' AS wall "
        "FROM (SELECT TIMESTAMP'2021-05-05T21:07:02+03:00' AS at)"
    )
    zone = spark.conf.get("spark.sql.session.timeZone")
    spark.conf.set("spark.sql.session.timeZone", "Europe/Istanbul")
    try:
        assert print_frame(frame, Format.JSON) == 1
    finally:
        spark.conf.set("spark.sql.session.timeZone", str(zone))

    at = "2021-05-05T21:07:02+03:00"
    assert json.loads(capsys.readouterr().out) == [
        {
            "at": at,
            "list": [at],
            "map": {"k": at},
            "struct": {"at": at, "n": 1},
            "single": 0.1,
            "money": "2.00",
            "wall": "2021-05-05T21:07:02",
        }
    ]
