"""How a session is set up for batches of many rows."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession

from streaming.sizing import kept_as, sized_for

LIMIT = "spark.sql.codegen.hugeMethodLimit"
PARTITIONS = "spark.sql.shuffle.partitions"


@pytest.mark.parametrize(("rows", "limit"), [(99_999, "65535"), (100_000, "8000")])
def test_only_many_rows_are_worth_small_methods(spark: SparkSession, rows: int, limit: str) -> None:
    """From 100,000 rows on Spark makes methods that Java compiles, and only for that batch."""
    assert spark.conf.get(LIMIT) == "65535"
    with sized_for(rows, spark):
        assert spark.conf.get(LIMIT) == limit
    assert spark.conf.get(LIMIT) == "65535"


@pytest.mark.parametrize(("rows", "partitions"), [(0, 2), (1_000_000, 2), (1_000_001, 3)])
def test_a_partition_has_half_a_million_rows_at_most(
    spark: SparkSession, rows: int, partitions: int
) -> None:
    """A batch has as many partitions as its rows need, and never fewer than are set."""
    set_for_small = spark.conf.get(PARTITIONS)
    spark.conf.set(PARTITIONS, "2")
    try:
        with sized_for(rows, spark):
            assert spark.conf.get(PARTITIONS) == str(partitions)
        assert spark.conf.get(PARTITIONS) == "2"
    finally:
        spark.conf.set(PARTITIONS, str(set_for_small))


@pytest.mark.parametrize(("rows", "in_memory"), [(1_000_000, True), (1_000_001, False)])
def test_only_what_fits_is_kept_in_memory(rows: int, in_memory: bool) -> None:
    """A batch of more than a million rows is kept on disk, or sorts would run out of memory."""
    assert kept_as(rows).useMemory is in_memory
    assert kept_as(rows).useDisk
