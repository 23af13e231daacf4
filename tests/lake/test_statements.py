"""SQL over frames that have names in it."""

from __future__ import annotations

from pyspark.sql import SparkSession

from lake.statements import ask


def test_a_frame_that_has_a_name_stays_persisted(spark: SparkSession) -> None:
    """The statement reads what is kept of it, and so does whoever asks the frame afterwards."""
    kept = spark.range(3).selectExpr("id", "id % 2 AS odd").persist()
    try:
        asked = ask(spark, "SELECT odd, count(*) AS n FROM {frame} GROUP BY odd", frame=kept)

        for frame in (asked, kept.where("id > 1")):
            assert "InMemoryRelation" in frame._jdf.queryExecution().withCachedData().toString()
        assert sorted(map(tuple, asked.collect())) == [(0, 2), (1, 1)]
    finally:
        kept.unpersist()
