"""How a session is set up for batches of few and of many rows."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession

from lake.sizing import compiling, kept_as, sized_for

LIMIT = "spark.sql.codegen.hugeMethodLimit"
PARTITIONS = "spark.sql.shuffle.partitions"
CODE = "spark.sql.codegen.factoryMode"


@pytest.mark.parametrize(("rows", "limit"), [(99_999, "65535"), (100_000, "8000")])
def test_only_many_rows_are_worth_small_methods(spark: SparkSession, rows: int, limit: str) -> None:
    """From 100,000 rows on Spark makes methods that Java compiles, and only for that batch."""
    assert spark.conf.get(LIMIT) == "65535"
    with sized_for(rows, spark):
        assert spark.conf.get(LIMIT) == limit
    assert spark.conf.get(LIMIT) == "65535"


@pytest.mark.parametrize(("rows", "code"), [(2_000, "NO_CODEGEN"), (2_001, "FALLBACK")])
def test_few_rows_are_interpreted_but_no_table_is(
    spark: SparkSession, rows: int, code: str
) -> None:
    """No code is made for a small batch, but for what it persists of a table of any size."""
    customers = spark.range(10).where("id > 3")
    before = spark.conf.get(CODE)
    with sized_for(rows, spark):
        assert spark.conf.get(CODE) == code
        with compiling(spark):
            kept = customers.persist()
        assert spark.conf.get(CODE) == code
        found = kept.groupBy().count()
        plan = found._jdf.queryExecution().executedPlan().toString()
        assert found.collect()[0][0] == 6
        kept.unpersist()
    assert spark.conf.get(CODE) == before
    outside, inside = plan.split("InMemoryRelation")
    assert ("*(" in outside) is (code == "FALLBACK")
    assert "*(" in inside


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
