"""Rows of this program as a frame: as they are, and held by the plan."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from pyspark.sql import DataFrame, SparkSession

from lake.local_rows import local_frame

COLUMNS = """
    name STRING, at TIMESTAMP, marks MAP<STRING,STRING>, items ARRAY<STRING>,
    money DECIMAL(18,2), number BIGINT, share DOUBLE, day DATE
"""
AT = datetime(2020, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
FULL = ("x", AT, {"a": ","}, ["p", "q"], Decimal("1.25"), 7, 0.1, date(2020, 1, 1))
EMPTY = (None,) * len(FULL)


@pytest.mark.parametrize("rows", [[FULL, EMPTY], []], ids=["rows", "none"])
def test_rows_are_in_the_frame_as_they_are(
    spark: SparkSession, rows: list[tuple[object, ...]]
) -> None:
    """Each type, and what is missing; an instant to the microsecond, whatever the zone here."""
    frame = local_frame(spark, rows, COLUMNS)
    instants = frame.selectExpr("unix_micros(at)").collect()
    others = frame.drop("at").collect()
    micros = 1_577_934_245_678_901
    assert [at for (at,) in instants] == [micros if row[1] else None for row in rows]
    assert [tuple(row) for row in others] == [(row[0], *row[2:]) for row in rows]


def test_a_frame_of_a_few_rows_takes_no_job(spark: SparkSession) -> None:
    """Neither to make it nor to look at it: its rows are in the plan."""

    def jobs(frame: DataFrame) -> object:
        frame.collect()
        return spark._jsc.sc().dagScheduler().nextJobId()  # type: ignore[attr-defined]

    frame = local_frame(spark, [FULL], COLUMNS)
    assert int(str(jobs(frame))) == int(str(jobs(frame.select("number"))))
