"""How a session is set up for batches of many rows."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession

from streaming.compiling import compiling_for

LIMIT = "spark.sql.codegen.hugeMethodLimit"


@pytest.mark.parametrize(("rows", "limit"), [(99_999, "65535"), (100_000, "8000")])
def test_only_many_rows_are_worth_small_methods(spark: SparkSession, rows: int, limit: str) -> None:
    """From 100,000 rows on Spark makes methods that Java compiles, and only for that batch."""
    assert spark.conf.get(LIMIT) == "65535"
    with compiling_for(rows, spark):
        assert spark.conf.get(LIMIT) == limit
    assert spark.conf.get(LIMIT) == "65535"
